#!/bin/sh
# Checks that the extension compiles for a CPython without the interpreter lock, which need not be installed.
# usage: check_free_threaded.sh      (from the top folder of funes)

set -eu

folder=$(pwd)/target/free-threaded
mkdir -p "$folder"
# What PyO3 would ask the interpreter.
cat >"$folder/python.txt" <<END
implementation=CPython
version=3.14
shared=true
lib_name=python3.14t
pointer_width=64
build_flags=Py_GIL_DISABLED
suppress_build_script_link_lines=true
END
PYO3_CONFIG_FILE=$folder/python.txt CARGO_TARGET_DIR=$folder cargo clippy --quiet --package funes-py -- -D warnings
