"""Many hits and stores do not leak memory or descriptors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SCRIPT = """
import os, sys
from funes import memorious

HITS, STORES, MEMORY = map(int, os.environ["SIZES"].split())

@memorious(memory=MEMORY)
def spell(x):
    return [str(x)] * 3

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def hits(times):
    for _ in range(times):
        spell(0)

def stores(start, times):
    for x in range(start, start + times):
        spell(x)

# The first tenth fills the caches.
hits(HITS // 10)
stores(1, STORES // 10)
before = resident(), descriptors()
hits(HITS)
stores(10 ** 9, STORES)
print(resident() - before[0], descriptors() - before[1])
"""


@pytest.mark.skipif("sys.platform != 'linux'", reason="/proc tells of memory and descriptors")
@pytest.mark.parametrize("memory", [0, 100_000], ids=["disk", "memory"])
def test_memory_and_descriptors_do_not_grow(
    run_python: Callable[..., str], full: bool, memory: int
) -> None:
    hits, stores = (1_000_000, 100_000) if full else (20_000, 4_000)
    grown, opened = map(int, run_python(SCRIPT, SIZES=f"{hits} {stores} {memory}").split())
    assert opened == 0
    # Smaller than a leak of 20 bytes per call in the full form; the allocator causes some variation.
    assert grown < 2_000_000
