"""Helpers of the benchmarks: paired measurements, tables with limits, a check against debug builds."""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
import timeit
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

#: The code to measure: a callable, or a statement that is compiled into the loop.
Work = Callable[[], object] | timeit.Timer


def refuse_debug_build() -> None:
    """Exits unless the extension was built with optimizations."""
    from funes import _funes

    if not _funes.IS_RELEASE:
        sys.exit(
            "funes was built without optimizations; its figures would mislead. Run: make build"
        )


@dataclass(frozen=True)
class Figure:
    """One line of a table."""

    name: str
    #: The measured figure, in `unit`.
    value: float
    unit: str
    #: The limit of `value`, if there is one.
    bar: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Returns whether the value is within the limit, if there is one."""
        return self.bar is None or self.value <= self.bar

    def __str__(self) -> str:
        bar = "" if self.bar is None else f"  bar {self.bar:g}"
        missed = "" if self.is_met else "  MISSED"
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:<58}{self.value:>10.3g} {self.unit:<6}{bar}{missed}{note}"


def paired(own: Work, rival: Work, seconds: float = 1.0) -> tuple[float, float, float]:
    """Returns the median time of each of two in seconds, and the median of their ratios.

    They run alternately, so that other load affects both.
    """
    repeats = 1
    while timed(own, repeats) < 0.002 and repeats < 1 << 16:
        repeats *= 2
    owns, rivals, ratios = [], [], []
    end = time.perf_counter() + seconds
    while len(ratios) < 5 or (time.perf_counter() < end and len(ratios) < 500):
        owns.append(timed(own, repeats) / repeats)
        rivals.append(timed(rival, repeats) / repeats)
        ratios.append(owns[-1] / rivals[-1])
    return statistics.median(owns), statistics.median(rivals), statistics.median(ratios)


def timed(work: Work, repeats: int) -> float:
    """Seconds that some repeats take."""
    if isinstance(work, timeit.Timer):
        return work.timeit(repeats)
    loop = range(repeats)
    before = time.perf_counter()
    for _ in loop:
        work()
    return time.perf_counter() - before


def machine() -> str:
    """Returns a one-line description of the machine."""
    import os

    return f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def write_json(path: Path, figures: list[Figure]) -> None:
    """Writes the figures of a run to a file."""
    content = {"machine": machine(), "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
