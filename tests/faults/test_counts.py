"""Counts of system calls: a hit opens and reads one file, and costly results are synced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shims import NEEDED, built

pytestmark = NEEDED

PRELUDE = """
import ctypes, sys, time
from funes import memorious

system = ctypes.CDLL(None)

def made(name, call):
    system.refuse(name.encode(), 0, 0)
    call()
    return system.counted()

def pausing(**options):
    @memorious(memory=0, **options)
    def pause(seconds, padding=""):
        time.sleep(seconds)
        return [padding]
    return pause
"""


@pytest.fixture
def told(run_python: Callable[..., str], tmp_path: Path) -> Callable[[str], str]:
    shim = built("refuse", tmp_path)
    return lambda script: run_python(PRELUDE + script, LD_PRELOAD=str(shim)).strip()


def test_small_entry_takes_one_open_and_one_read(told: Callable[[str], str]) -> None:
    script = """
pause = pausing()
pause(0), pause(0)
print([made(name, lambda: pause(0)) for name in ("open", "read", "stat")])
"""
    assert told(script) == "[1, 1, 0]"


@pytest.mark.parametrize(
    ("durability", "seconds", "is_synced"),
    [
        ("always", 0, True),
        ("never", 0.02, False),
        ("auto", 0, False),
        ("auto", 1, True),
        (0.01, 0, False),
        (0.01, 0.02, True),
    ],
)
def test_costly_result_is_synced(
    durability: str | float, seconds: float, is_synced: bool, told: Callable[[str], str]
) -> None:
    # The first miss takes the slow path, the second the fast path; the third has a large argument.
    script = f"""
pause = pausing(durability={durability!r}, large_argument=100)
times = [{seconds} + n * 1e-6 for n in range(3)]
calls = [
    lambda: pause(times[0]),
    lambda: pause(times[1]),
    lambda: pause(times[2], "x" * 200),
]
print([made("fsync", call) for call in calls])
"""
    first, second, apart = eval(told(script))
    # Each file and its folders: an entry has three and the one that holds them, an object one less.
    assert (first, second, apart) == ((5, 5, 9) if is_synced else (0, 0, 0))


@pytest.mark.parametrize("misses", [1, 2])
def test_returned_result_survives_a_kill(
    misses: int, told: Callable[[str], str], cache: Path
) -> None:
    # A forked child is killed, so that the script ends with success.
    script = f"""
import os, signal
pause = pausing(large_argument=100)
if (child := os.fork()) == 0:
    for n in range({misses}):
        pause(n * 1e-6, "x" * 200 * n)
    os.kill(os.getpid(), signal.SIGKILL)
assert os.waitpid(child, 0)[1] == signal.SIGKILL
print([pause.is_cached(n * 1e-6, "x" * 200 * n) for n in range({misses})])
"""
    assert told(script) == str([True] * misses)
    assert len(list(cache.glob("objects/*"))) == misses - 1
