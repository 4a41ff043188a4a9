#!/bin/sh
# Prints what is missing to build funes and how to install it; prints nothing if everything is there.
# usage: check_tools.sh PYTHON      (from the top folder of funes)

python=$1
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
missing=0

say() {
    missing=1
    printf 'funes: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
}

# Newest first, so that the proposed version is supported longest.
newer_python() {
    for minor in 15 14 13 12 11 10; do
        if "python3.$minor" -c '' 2>/dev/null; then
            echo "python3.$minor"
            return
        fi
    done
}

propose_python() {
    other=$(newer_python)
    if [ -n "$other" ]; then
        echo "$other is here: add PYTHON=$other to the make command."
    else
        echo 'Install Python 3.10 or later, or name one that you have: make demo PYTHON=/path/to/python3'
    fi
}

if ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
    say "Python '$python' was not found, or does not start." "$(propose_python)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    say "'$python' is Python $version; 3.10 or later is required." "$(propose_python)"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    say "'$python' has no venv module or no ensurepip module." \
        "On Debian and Ubuntu: apt install python$version-venv" \
        'On other systems: use a Python from python.org, pyenv or conda.'
fi

if ! command -v cargo >/dev/null 2>&1; then
    say "cargo was not found: the Rust toolchain ($rust or later) is missing." \
        'Install it as described on rust-lang.org/tools/install; then open a new terminal.'
elif ! version=$(cargo --version 2>/dev/null); then
    say 'cargo is installed, but does not start.' 'With rustup: rustup default stable'
else
    version=${version#cargo }
    version=${version%% *}
    # Compared field by field: as text, 1.9 would be newer than 1.85.
    if ! printf '%s %s\n' "$version" "$rust" |
        awk '{ split($1, have, "."); split($2, need, "."); exit have[1] * 1000 + have[2] < need[1] * 1000 + need[2] }'; then
        say "cargo is $version; $rust or later is required." 'With rustup: rustup update stable'
    fi
fi

# Cargo links with cc, except on Windows, where rustup installs a linker.
if [ "${OS:-}" != Windows_NT ] && ! command -v cc >/dev/null 2>&1; then
    say 'no C compiler (cc) was found, which Rust needs for linking.' \
        'On Debian and Ubuntu: apt install gcc. On macOS: xcode-select --install'
fi

exit $missing
