#!/bin/sh
# Builds and tests on every CPython from 3.10 on in pyenv or on the PATH, each in its own environment.
# usage: test_pythons.sh      (from the top folder of funes; the variable MAKE selects make)

# Prints "3.12" for a new enough CPython, "3.13t" for a free-threaded one; fails for any other Python.
series() {
    "$1" - 2>/dev/null <<'END'
import sys, sysconfig
if sys.implementation.name != "cpython" or sys.version_info < (3, 10) or sys.prefix != sys.base_prefix:
    sys.exit(1)
print("%d.%d%s" % (*sys.version_info[:2], "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))
END
}

tried=' '
failed=''
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 \
    python3.10 python3.11 python3.12 python3.13 python3.14 python3.15 python3; do
    version=$(series "$python") || continue
    case $tried in *" $version "*) continue ;; esac
    tried="$tried$version "
    printf '\n== Python %s: %s\n' "$version" "$python"
    "${MAKE:-make}" test-python VENV=".venvs/$version" PYTHON="$python" || failed="$failed $version"
done

if [ "$tried" = ' ' ]; then
    echo 'funes: no CPython from 3.10 on was found.' >&2
    exit 1
fi
printf '\nTested on:%s\n' "${tried% }"
if [ -n "$failed" ]; then
    printf 'Failed on:%s\n' "$failed"
    exit 1
fi
