#!/bin/sh
# What `make demo` runs: sets up what is missing, then searches. usage: demo.sh VENV      (from the top folder of funes)
#
# Each step says before how long it takes, and shows the output of pip and maturin only if they fail.

venv=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() {
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
}

# The stamp is made before the build, so that an edit during the build is noticed.
built=$venv/.made/extension
if [ ! -f "$built" ] || [ -n "$(find rust Cargo.toml Cargo.lock pyproject.toml -newer "$built" -type f | head -n 1)" ]; then
    echo '1/3  Compiling the extension, once: one to three minutes ...'
    quietly ${MAKE:-make} "VENV=$venv" "$venv/.made/pip"
    touch "$built.new"
    quietly ${MAKE:-make} "VENV=$venv" build
    mv "$built.new" "$built"
fi
if [ ! -f "$venv/.made/examples" ] || [ pyproject.toml -nt "$venv/.made/examples" ]; then
    echo '2/3  Installing scikit-learn, pandas and matplotlib, once: about half a minute ...'
    quietly ${MAKE:-make} "VENV=$venv" "$venv/.made/examples"
fi
echo '3/3  Searching 100 forests with two processes: about half a minute; a few seconds if they are cached ...'
exec "$venv/bin/python" examples/digits.py --workers 2
