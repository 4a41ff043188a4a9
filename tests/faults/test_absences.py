"""Network file systems: a name is missing for a while after another host has made it, an open file is called stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shims import NEEDED, built

pytestmark = NEEDED

CALL = """
import asyncio, os, subprocess, sys
from funes import memorious

@memorious
def double(x):
    print("computed", x)
    return x * 2

@memorious
async def later(x):
    print("computed", x)
    return x * 2

if len(sys.argv) == 1:
    # Now their names are known to be missing.
    assert not double.is_cached(1) and not later.is_cached(2)
    other = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([sys.executable, __file__, "elsewhere"], env=other, check=True)
    assert not double.is_cached(1) and not later.is_cached(2)
print(double(1), asyncio.run(later(2)))
"""


def test_what_another_host_has_stored_is_found_once_the_lock_is_had(
    run_python: Callable[..., str], tmp_path: Path
) -> None:
    shim = built("absences", tmp_path)
    printed = run_python(CALL, LD_PRELOAD=str(shim)).splitlines()
    assert printed == ["computed 1", "computed 2", "2 4", "2 4"]


STALE = """
import ctypes, errno
from funes import memorious

system = ctypes.CDLL(None)

@memorious(memory=0)
def double(x):
    print("computed", x)
    return x * 2

double(1)
for name in ("open", "read"):
    for number in (1, 0):
        print(name, number)
        system.refuse(name.encode(), number, errno.ESTALE)
        double(1)
        system.refuse(b"", 0, 0)
"""


def test_what_is_stale_is_opened_once_more(run_python: Callable[..., str], tmp_path: Path) -> None:
    shim = built("refuse", tmp_path)
    printed = run_python(STALE, LD_PRELOAD=str(shim)).splitlines()
    # Once it is found all the same; if it goes on, it is computed.
    found = [["open 1"], ["open 0", "computed 1"], ["read 1"], ["read 0", "computed 1"]]
    assert printed == ["computed 1", *(line for lines in found for line in lines)]
