#!/bin/sh
# Fetches CPython 3.14 and 3.15 from Debian's archive into a folder. Nothing is installed system-wide, nothing is compiled.
# usage: pythons.sh [FOLDER]      (default: target/pythons); prints the folder of the interpreters
# exit status: 0 the interpreters are in the printed folder, 1 they were fetched and do not start, 2 they are not at hand:
# this system has no tools of Debian, or its archive cannot be reached or lacks a package
#
# The packages come with their own glibc, so the release of this Debian does not matter: the interpreters run with that
# glibc, and the processes that they start run with the system's.

set -eu

versions='3.14 3.15'
folder=${1:-target/pythons}

fail() {
    printf 'funes: %s\n' "$2" >&2
    exit "$1"
}

for tool in apt-get dpkg; do
    command -v "$tool" >/dev/null 2>&1 || fail 2 "$tool was not found: CPython $versions cannot be taken from Debian here."
done
# The mirror that this system uses already.
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep '/debian/*$' | head -n 1) || :
[ -n "$uri" ] || fail 2 'the sources of apt name no mirror of Debian.'

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root
bin=$root/usr/bin

starts() {
    for version in $versions; do
        "$bin/python$version" -c 'import ctypes, ensurepip, sqlite3, ssl, venv' 2>/dev/null || return 1
    done
}

if starts; then
    echo "$bin"
    exit 0
fi

# A folder of apt's own, which knows unstable. APT_CONFIG is set for single commands only.
apt=$folder/apt
rm -rf "$apt" "$root" "$folder/packages"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$apt/state" "$folder/packages"
: >"$apt/state/status"
cat >"$apt/conf" <<END
Dir::State "$apt/state";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/state/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/list";
Dir::Etc::sourceparts "$apt/parts";
Acquire::Retries "1";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
APT::Update::Error-Mode "any";
END
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $uri unstable main" >"$apt/list"
APT_CONFIG=$apt/conf apt-get -qq update >&2 ||
    fail 2 "the list of packages could not be fetched from $uri"

packages='libc6 libgcc-s1 libstdc++6 libexpat1 libzstd1 zlib1g libssl3t64 libbz2-1.0 libffi8 liblzma5 libtinfo6
    libncursesw6 libreadline8t64 libsqlite3-0 libuuid1 libdb5.3t64 libgdbm6t64 patchelf python3-pip-whl
    python3-setuptools-whl'
for version in $versions; do
    packages="$packages libpython$version-minimal python$version-minimal libpython$version-stdlib python$version
        libpython$version-dev python$version-dev python$version-venv"
done
# apt drops its rights while it downloads if the folder lets it, and says so if not: that line is no error.
# shellcheck disable=SC2086  # a list of words
(cd "$folder/packages" && APT_CONFIG=$apt/conf apt-get -qq -o APT::Sandbox::User=root download $packages) >&2 ||
    fail 2 "the packages could not be fetched from $uri"
for package in "$folder"/packages/*.deb; do
    dpkg -x "$package" "$root"
done

loader=$(find "$root/usr/lib" -path '*-linux-gnu*/ld-*' -name 'ld-*.so*' | head -n 1)
libraries=${loader%/*}
patch() {
    "$loader" --library-path "$libraries" "$bin/patchelf" "$@"
}
# --force-rpath: the path of libraries must hold for the libraries of libraries, too. These are two steps in this order,
# because patchelf 0.18 breaks a file that gets both at once.
for version in $versions; do
    patch --force-rpath --set-rpath "$libraries" "$bin/python$version"
    patch --set-interpreter "$loader" "$bin/python$version"
done
# The place of the wheels that `python -m venv` installs.
sed -i "s#/usr/share/python-wheels#$root/usr/share/python-wheels#" "$root"/usr/lib/python3.*/_sysconfigdata*.py
rm -rf "$apt" "$folder/packages"

starts || fail 1 "the interpreters in $bin do not start."
echo "$bin"
