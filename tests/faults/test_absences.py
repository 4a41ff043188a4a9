"""A network file system remembers for a while that a name is missing: what another host stores meanwhile is found."""

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
