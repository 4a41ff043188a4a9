#!/bin/sh
# Builds and tests on the newest CPython in a short form: definitions, guards, values, pickles and calls.
# Does nothing, and says so, where scripts/pythons.sh cannot fetch it.
# usage: test_newest.sh      (from the top folder of funes; the variable MAKE selects make)

set -eu

version=3.15
environment=.venvs/newest-$version

if ! folder=$(sh scripts/pythons.sh); then
    echo "funes: CPython $version is not tested." >&2
    exit 0
fi
# A folder and a profile of its own: the builds for the two Pythons do not undo each other, and this one takes a third
# of the time.
export CARGO_TARGET_DIR="target/newest" CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
"${MAKE:-make}" build "$environment/.made/newest" VENV="$environment" PYTHON="$folder/python$version"

"$environment/bin/python" -m pytest -q tests/code/test_definition.py
"$environment/bin/python" -m pytest -q -m 'not slow' tests/code/test_guards.py tests/code/test_lazy_imports.py \
    tests/code/test_sentinels.py tests/values/test_standard.py tests/values/test_handles.py \
    tests/entries/test_pickling.py tests/call/test_call.py tests/memo/test_memorious.py tests/memo/test_methods.py \
    tests/memo/test_subinterpreters.py
