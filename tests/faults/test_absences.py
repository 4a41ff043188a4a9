"""Network file systems: new names of another host appear late, and open files become stale.

Files are not mapped there, since reading a map of a file that another host deleted ends the process.
"""

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
    # Now the kernel caches that these names are missing.
    assert not double.is_cached(1) and not later.is_cached(2)
    other = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([sys.executable, __file__, "elsewhere"], env=other, check=True)
    assert not double.is_cached(1) and not later.is_cached(2)
print(double(1), asyncio.run(later(2)))
"""


def test_entry_of_other_host_is_found_after_locking(
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
key = double.key(1)
reads = {
    "call": lambda: double(1),
    "read": lambda: double._store.read("double", key.definition, key.arguments) is not None,
}
for way, read in reads.items():
    for name in ("open", "read"):
        for number in (1, 0):
            system.refuse(name.encode(), number, errno.ESTALE)
            try:
                found = read()
            except OSError as error:
                found = error.errno == errno.ESTALE and "stale"
            system.refuse(b"", 0, 0)
            print(way, name, "once" if number else "always", found)
"""


def test_stale_file_is_opened_again(run_python: Callable[..., str], tmp_path: Path) -> None:
    shim = built("refuse", tmp_path)
    assert run_python(STALE, LD_PRELOAD=str(shim)).splitlines() == [
        "computed 1",
        "call open once 2",
        "computed 1",
        "call open always 2",
        "call read once 2",
        "computed 1",
        "call read always 2",
        "read open once True",
        "read open always stale",
        "read read once True",
        "read read always stale",
    ]


NOT_LOCAL = """
import ctypes, errno
import numpy as np
from funes import memorious

@memorious(memory=0)
def ones(n):
    print("computed")
    return np.ones(n)

def is_mapped():
    array = ones(1 << 17)
    assert array.sum() == 1 << 17
    with open("/proc/self/maps") as maps:
        return any(line.rstrip().endswith(".dill") for line in maps)

ones(1 << 17)
print(is_mapped())
ctypes.CDLL(None).refuse(b"statfs", 0, errno.EIO)
print(is_mapped())
"""


def test_file_on_unknown_file_system_is_not_mapped(
    run_python: Callable[..., str], tmp_path: Path
) -> None:
    shim = built("refuse", tmp_path)
    printed = run_python(NOT_LOCAL, LD_PRELOAD=str(shim)).split()
    assert printed == ["computed", "True", "False"]
