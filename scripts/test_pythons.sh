#!/bin/sh
# Builds and tests on every CPython from 3.10 on in pyenv or on the PATH, each in its own environment.
# On Debian it first fetches the newest ones into target/pythons, see scripts/pythons.sh.
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

status=0
fetched=$(sh scripts/pythons.sh) || status=$?
if [ "$status" -eq 2 ]; then
    echo 'funes: only the Pythons that are installed are tested.' >&2
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi

tried=' '
failed=''
for python in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 \
    python3.10 python3.11 python3.12 python3.13 python3.14 python3.15 python3 python3.14t python3.15t \
    "${fetched:-target}/python3.14" "${fetched:-target}/python3.15"; do
    version=$(series "$python") || continue
    case $tried in *" $version "*) continue ;; esac
    tried="$tried$version "
    printf '\n== Python %s: %s\n' "$version" "$python"
    group=test
    case $version in *t) group=test-free-threaded ;; esac
    "${MAKE:-make}" test-python VENV=".venvs/$version" PYTHON="$python" GROUP=$group || failed="$failed $version"
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
