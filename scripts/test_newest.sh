#!/bin/sh
# Builds and tests on the newest CPython in a short form: definitions, guards, values, pickles and calls.
# Does nothing, and says so, where Debian's package of it is not at hand (see scripts/pythons.sh).
# usage: test_newest.sh      (from the top folder of funes; the variable MAKE selects make)

set -eu

version=3.15
environment=.venvs/newest-$version
target=target/newest

status=0
folder=$(sh scripts/pythons.sh) || status=$?
if [ "$status" -eq 2 ]; then
    echo "funes: CPython $version is NOT tested here: Debian's packages are not at hand, see above." >&2
    exit 0
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi
# A folder and a profile of its own: the builds for the two Pythons do not undo each other, and this one takes a third
# of the time.
export CARGO_TARGET_DIR="$target" CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
"${MAKE:-make}" build "$environment/.made/newest" VENV="$environment" PYTHON="$folder/python$version"

# Two processes, which take about the same time. The table of definitions is run once, by their hashes; the test of its
# descriptions needs other Pythons.
"$environment/bin/python" -m pytest -q tests/code/test_definition.py >"$target/test.log" 2>&1 &
definitions=$!
failed=0
"$environment/bin/python" -m pytest -q -m 'not slow' -k 'not descriptions' tests/code/test_guards.py \
    tests/code/test_dict_watch.py tests/code/test_lazy_imports.py tests/code/test_sentinels.py \
    tests/code/test_definition_parts.py tests/values/test_standard.py tests/values/test_handles.py tests/values/test_exceptions.py \
    tests/values/test_numpy.py tests/entries/test_pickling.py tests/call/test_call.py tests/memo/test_memorious.py \
    tests/memo/test_methods.py tests/memo/test_subinterpreters.py || failed=$?
wait "$definitions" || failed=$?
cat "$target/test.log"
exit "$failed"
