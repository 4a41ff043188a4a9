"""Measures the time of a call with funes, with its peers, and with lower bounds for all of them.

Every result is checked. Two tables are printed:

- a miss (a new argument each time), a disk hit (the first call with a stored argument in a fresh
  process) and a memory hit (the same call again), with one process per library and row, so that no
  library warms up another;
- the limits for a memory hit, as medians of paired runs in one process: figures of one run can be
  compared with each other, figures of two runs cannot.

`--json FILE` stores the figures; `--page` writes the first table to docs/performance.md.

    make bench
"""

from __future__ import annotations

import argparse
import copy
import functools
import math
import multiprocessing
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Figure, machine, paired, refuse_debug_build, write_json
from peers import KEEPS_NOTHING, PEERS, Function
from tqdm import tqdm

BATCH = 20  # calls per measurement, so that reading the clock does not matter
ROWS = ("miss", "disk hit", "hit")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARKS = "<!-- performance, by benches/compare.py -->", "<!-- end of performance -->"

# The functions and values of the second table.


@dataclass(frozen=True)
class Point:
    """A small frozen object with a method."""

    x: int

    def norm(self, z: int) -> float:
        """Computes something small."""
        return self.x * z + 0.5


@dataclass(frozen=True)
class PlainPoint(Point):
    """A copy of the function above, for the rival."""


A, B, C = 1, 2.5, "abc"
PLAIN = 4  # the shapes of `hits` whose arguments are scalars, which come first
ROUND = 5000  # calls in a round of `hit_ratios`
NAMES = 6  # that the guarded functions read: these three, `add`, `scale` and `len`


def add(x: float) -> float:
    return x + A


def scale(x: float) -> float:
    return x * B


def one(x: Any) -> float:
    return 1.5


def three(a: Any, b: Any, c: Any) -> float:
    return 1.5


def one_guarded(x: Any) -> float:
    return add(A) + scale(B) + len(C)


def three_guarded(a: Any, b: Any, c: Any) -> float:
    return add(A) + scale(B) + len(C)


def ten_floats(x: Any) -> list[float]:
    return [number * 1.5 for number in range(10)]


def statement(code: str, **names: object) -> timeit.Timer:
    """Compiles a statement that is measured in its own loop."""
    return timeit.Timer(code, globals=names)


def hits(remember: Callable[..., Any], guarded: bool) -> dict[str, tuple[timeit.Timer, float]]:
    """Returns the five most frequent kinds of calls, each with its expected result."""
    f = remember(one_guarded if guarded else one)
    g = remember(three_guarded if guarded else three)
    kind = Point if remember is funes_memorious() else PlainPoint
    method = Point.norm
    if guarded:

        def method(self: Point, z: int) -> float:
            return add(A) + scale(B) + len(C) + self.x * z

    kind.remembered = remember(method)
    names = {"f": f, "g": g, "text": "x" * 60, "point": kind(3)}
    calls = {
        "1 int": "f(1)",
        "3 scalars": "g(1, 2.5, 'abc')",
        "1 positional, 2 keywords": "g(1, b=2.5, c='abc')",
        "60 characters": "f(text)",
        "method of a frozen object": "point.remembered(1)",
    }
    return {
        name: (statement(code, **names), eval(code, names.copy()))  # noqa: S307
        for name, code in calls.items()
    }


def funes_memorious() -> Callable[..., Any]:
    from funes import memorious

    return memorious


def bars(folder: str) -> list[Figure]:
    """Measures the second table in this process."""
    os.environ["FUNES_CACHE_DIR"] = folder
    memorious = funes_memorious()
    figures: list[Figure] = []
    empty = paired(statement("pass"), statement("pass"))[0]
    scalar = 0.0
    hit_takes: dict[tuple[str, bool], float] = {}
    for guarded in (False, True):
        own, rival = hits(memorious, guarded), hits(functools.lru_cache, guarded)
        ratios = []
        for name, (call, answer) in own.items():
            if answer != rival[name][1]:
                raise AssertionError(f"wrong answer: {name}")
            took, other, _ = paired(call, rival[name][0])
            # Subtract the time of the loop of the benchmark.
            took, other = took - empty, other - empty
            ratios.append(took / other)
            hit_takes[name, guarded] = took
            bar = {"1 positional, 2 keywords": 1.0}.get(name, 2.0) if not guarded else None
            note = f"{took * 1e9:.0f} and {other * 1e9:.0f} ns"
            title = f"hit, {name}{', 5 guards' if guarded else ''} / lru_cache"
            figures.append(Figure(title, ratios[-1], "x", bar, note))
            if name == "1 int" and not guarded:
                scalar = took
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        title = f"hit, geometric mean{', 5 guards' if guarded else ''} / lru_cache"
        figures.append(Figure(title, mean, "x", 2.0 if guarded else 1.3))

    names = ("1 int", "3 scalars", "60 characters")
    guards = statistics.median(hit_takes[name, True] - hit_takes[name, False] for name in names)
    figures.append(Figure("a guarded name", guards / NAMES * 1e9, "ns", 10))
    figures.append(Figure("the same where the globals change", guard_looked_up(), "ns", 10))

    twenty = {f"key {number}": number for number in range(20)}
    f = memorious(one)
    f(twenty)
    took, other, _ = paired(
        statement("f(x)", f=f, x=twenty), statement("f(x)", f=pickle.dumps, x=twenty)
    )
    note = f"{took * 1e9:.0f} and {other * 1e9:.0f} ns"
    figures.append(Figure("hit, dict of 20 keys / pickle.dumps", took / other, "x", 1.3, note))

    f = memorious(ten_floats)
    expected = ten_floats(1)
    if f(1) != expected or f(1) != expected:
        raise AssertionError("wrong answer: ten floats")
    took, other, _ = paired(statement("f(1)", f=f), statement("f(x)", f=copy.copy, x=expected))
    floor = other - empty + scalar
    note = f"{(took - empty) * 1e9:.0f} and {floor * 1e9:.0f} ns"
    title = "hit, list of 10 floats / copy.copy + scalar hit"
    figures.append(Figure(title, (took - empty) / floor, "x", 1.2, note))
    return figures


def hit_ratios(folder: str, seconds: float) -> list[Figure]:
    """Compares hits with `lru_cache` by the least times of many alternated rounds, which load affects little."""
    os.environ["FUNES_CACHE_DIR"] = folder
    figures: list[Figure] = []
    empty = statement("pass")
    for guarded in (False, True):
        own = hits(funes_memorious(), guarded)
        rival = hits(functools.lru_cache, guarded)
        ratios = []
        for name in own:
            timers = own[name][0], rival[name][0], empty
            least = [math.inf] * len(timers)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                for place, timer in enumerate(timers):
                    least[place] = min(least[place], timer.timeit(ROUND) / ROUND)
            took, other = (least[place] - least[2] for place in (0, 1))
            ratios.append(took / other)
            title = f"hit, {name}{', 5 guards' if guarded else ''} / lru_cache"
            note = f"{took * 1e9:.0f} and {other * 1e9:.0f} ns"
            figures.append(Figure(title, ratios[-1], "x", note=note))
        mean = math.exp(statistics.fmean(map(math.log, ratios[:PLAIN])))
        title = f"hit, geometric mean of the {PLAIN} plain shapes{', 5 guards' if guarded else ''}"
        figures.append(Figure(title, mean, "x", 1.5 if guarded else 1.3))
    return figures


def guard_looked_up() -> float:
    """Returns nanoseconds per guarded name, in a program that sets a global between any two calls."""
    from funes import memorious

    f, g = memorious(one), memorious(one_guarded)
    if f(1) != one(1) or g(1) != one_guarded(1):
        raise AssertionError("wrong answer: guards")
    code, space = "space['tick'] = not space['tick']; f(1)", globals()
    space["tick"] = False
    took, without, _ = paired(statement(code, f=g, space=space), statement(code, f=f, space=space))
    return (took - without) / NAMES * 1e9


def memory(folder: str) -> list[Figure]:
    """Returns the memory that a million hits and a million keys leave behind."""
    from funes import memorious

    def resident() -> float:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    f = memorious(cache_dir=folder)(one)
    lists = memorious(cache_dir=folder)(ten_floats)
    for x in range(1000):
        f(x), lists(x)
    before, opened = resident(), descriptors()
    for number in range(1_000_000):
        f(number % 1000)
        lists(number % 1000)
    figures = [
        Figure("10^6 hits: resident memory", resident() - before, "MiB", 1.0),
        Figure("10^6 hits: descriptors", descriptors() - opened, "", 0.0),
    ]

    bound = 32
    g = memorious(cache_dir=folder, memory=bound << 20, durability="never", single_flight=False)(
        three
    )
    # The first calls open files that are opened once.
    for x in range(1000):
        g(x, -1, -1)
    before = resident()
    keys = int(os.environ.get("FUNES_BENCH_KEYS", "1000000"))
    for x in range(keys):
        g(x, 2.5, "abc")
    title = f"{keys:,} keys through a tier of {bound} MiB"
    figures.append(Figure(title, resident() - before, "MiB", bound * 1.1))
    return figures


def import_time(statement: str, rounds: int = 15) -> float:
    """Returns the median time of an import in fresh processes, minus the start of Python, in seconds."""

    def run(code: str) -> float:
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - before

    return statistics.median(run(statement) - run("pass") for _ in range(rounds))


def microseconds(function: Function, arguments: list[float]) -> float:
    """Calls the function with each argument; returns the median time of a call. Checks the results."""
    times = []
    for start in range(0, len(arguments), BATCH):
        batch = arguments[start : start + BATCH]
        before = time.perf_counter()
        answers = [function(x) for x in batch]
        times.append((time.perf_counter() - before) / len(batch))
        if answers != [x * 2.0 for x in batch]:
            raise AssertionError(f"wrong answers: {batch} gave {answers}")
    return statistics.median(times) * 1e6


def measure(library: str, row: str, folder: Path, calls: int) -> float:
    """Measures one row of one library in this process."""
    function = PEERS[library](folder)
    function(-1.0)  # imports, connections and folders are made by the first call of all
    if row == "hit":
        return microseconds(function, [0.0] * 20 * calls)
    return microseconds(function, [float(number) for number in range(calls)])


def table(figures: dict[tuple[str, str], float]) -> list[str]:
    """Returns the first table as Markdown."""
    lines = [f"| microseconds a call | {' | '.join(ROWS)} |", "|---|---:|---:|---:|"]
    for library in PEERS:
        cells = [figures.get((library, row)) for row in ROWS]
        shown = ["-" if cell is None else f"{cell:.3g}" for cell in cells]
        lines.append(f"| {library} | {' | '.join(shown)} |")
    return lines


def put_into_page(lines: list[str]) -> None:
    """Replaces the table of the page, and adds the machine that it was measured on."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(MARKS[0])
    tail = rest.split(MARKS[1])[1]
    body = "\n".join([*lines, "", f"Measured on {machine()}."])
    PAGE.write_text(f"{head}{MARKS[0]}\n{body}\n{MARKS[1]}{tail}", encoding="utf-8")


def main() -> None:
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000, help="arguments per row; default: 2000")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument(
        "--page", action="store_true", help="update the table of docs/performance.md"
    )
    parser.add_argument(
        "--hits",
        type=float,
        metavar="SECONDS",
        help="compare only hits with lru_cache, so long each",
    )
    options = parser.parse_args()
    refuse_debug_build()
    if options.hits:
        with tempfile.TemporaryDirectory() as top:
            print(machine(), *hit_ratios(top, options.hits), sep="\n")
        return

    each: dict[tuple[str, str], float] = {}
    with (
        tempfile.TemporaryDirectory() as top,
        ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool,
    ):
        for library in tqdm(PEERS, unit="library", disable=None):
            for row in ROWS:
                if not (row == "disk hit" and library in KEEPS_NOTHING):
                    folder = Path(top) / library.replace(": ", "-").replace(" ", "-")
                    job = pool.submit(measure, library, row, folder, options.calls)
                    each[library, row] = job.result()
        lines = table(each)
        print("\n".join(lines), end="\n\n")
        figures = pool.submit(bars, os.path.join(top, "bars")).result()
        for rival, times in {"cachebox": 3, "diskcache": 150, "joblib": 500}.items():
            ratio = each["funes", "hit"] / each[rival, "hit"]
            figures.append(Figure(f"scalar hit / {rival}", ratio, "x", 1 / times))
        if Path("/proc/self/statm").exists():
            figures += pool.submit(memory, os.path.join(top, "memory")).result()
    own, joblib = import_time("import funes"), import_time("import joblib")
    decorator = import_time("from funes import memorious")
    figures.append(Figure("import funes beyond bare Python", own * 1e3, "ms", 15))
    figures.append(Figure("from funes import memorious", decorator * 1e3, "ms"))
    figures.append(Figure("import funes / import joblib", own / joblib, "x", 0.1))
    print("\n".join(map(str, figures)))
    figures += [Figure(f"{row}: {library}", us, "us") for (library, row), us in each.items()]
    if options.json:
        write_json(options.json, figures)
    if options.page:
        put_into_page(lines)


if __name__ == "__main__":
    main()
