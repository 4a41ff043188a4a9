#!/bin/sh
# Says what is missing to build funes and what to do about it; silent when all is there.
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

# Newest first, so that the one proposed is the one that serves longest.
newer_python() {
    for minor in 14 13 12 11 10; do
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
    say "there is no Python named '$python', or it does not start." "$(propose_python)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    say "'$python' is Python $version; 3.10 or later is needed." "$(propose_python)"
elif ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    say "'$python' has no venv module, or no pip to put into an environment." \
        "On Debian and Ubuntu: apt install python$version-venv" \
        'Elsewhere: a Python from python.org, pyenv or conda has it.'
fi

if ! command -v cargo >/dev/null 2>&1; then
    say "there is no cargo: the Rust toolchain ($rust or later) is missing." \
        'Install it as rust-lang.org/tools/install says; then open a new terminal.'
elif ! version=$(cargo --version 2>/dev/null); then
    say 'cargo is there, but does not start.' 'With rustup: rustup default stable'
else
    version=${version#cargo }
    version=${version%% *}
    # Compared field by field: as text, 1.9 would be newer than 1.85.
    if ! printf '%s %s\n' "$version" "$rust" |
        awk '{ split($1, have, "."); split($2, need, "."); exit have[1] * 1000 + have[2] < need[1] * 1000 + need[2] }'; then
        say "cargo is $version; $rust or later is needed." 'With rustup: rustup update stable'
    fi
fi

# Cargo links with cc everywhere but on Windows, where rustup brings its own way.
if [ "${OS:-}" != Windows_NT ] && ! command -v cc >/dev/null 2>&1; then
    say 'there is no C compiler (cc), with which Rust links its programs.' \
        'On Debian and Ubuntu: apt install gcc. On macOS: xcode-select --install'
fi

exit $missing
