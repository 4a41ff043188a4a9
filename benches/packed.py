"""Measures packed results: a miss and a hit beside their floors, 16 writers, and packing a million results.

Ratios are medians of paired runs. `--json FILE` stores the figures, `--results N` sets the number of packed results,
`--only ROWS` measures only some rows: miss, hit, writers, files, size. `size` stores and packs results and
prints the number of files, their bytes and the seconds.

    make bench
"""

from __future__ import annotations

import argparse
import mmap
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from shutil import rmtree
from time import monotonic, perf_counter, sleep
from typing import Any, cast

from measure import Figure, paired, refuse_debug_build, write_json

from funes._funes import close_segments, verify_packed
from funes._results.cache import open_cache

SECONDS = 2.0  # per pair
HITS = 50_000  # results that hits read in turn
FILES = 50_000  # single files that are packed

#: Stores results from a number on, in a fresh process.
STORE = """
import sys
from packed import result, memo
square = memo(sys.argv[1])
for x in range(int(sys.argv[2]), int(sys.argv[3])):
    square(float(x))
"""


def result(x: float) -> dict[str, Any]:
    return {
        "loss": x * 0.123,
        "score": x * 7.77,
        "path": "models/run",
        "layers": [1, 2, 3],
        "seed": x,
    }


def memo(folder: str, **options: Any) -> Callable[[float], Any]:
    from funes import memorious

    options = {
        "packed": True,
        "single_flight": False,
        "durability": "never",
        "memory": 0,
        **options,
    }
    return memorious(cache_dir=folder, **options)(result)


def misses(folder: Path) -> list[Figure]:
    """Compares misses with a file that is created, written and renamed in Python."""
    figures = []
    content = pickle.dumps(result(1.0))
    names = map(str, count())

    def create() -> None:
        name = folder / next(names)
        with open(f"{name}.tmp", "wb") as file:
            file.write(content)
        os.rename(f"{name}.tmp", name)

    for single_flight, bar in ((False, 0.15), (True, 0.25)):
        numbers = map(float, count())
        call = memo(str(folder / f"cache-{single_flight}"), single_flight=single_flight)
        took, floor, ratio = paired(lambda c=call, n=numbers: c(next(n)), create, SECONDS)
        note = f"{took * 1e6:.1f} and {floor * 1e6:.1f} us"
        flight = "with" if single_flight else "without"
        figures.append(
            Figure(f"packed miss {flight} single flight / new file", ratio, "x", bar, note)
        )
    return figures


def hits(folder: Path) -> list[Figure]:
    """Compares hits of different entries with unpickling them, and with hits of single files."""
    figures = []
    call, single = memo(str(folder / "hits")), memo(str(folder / "files"), packed=False)
    pickles = [
        pickle.dumps({"input": {"x": float(x)}, "output": call(float(x)), "time": 1e-7})
        for x in range(HITS)
    ]
    for x in range(1000):
        single(float(x))
    # Not in the order of storing.
    order = [number * 7919 % HITS for number in range(HITS)]
    turn = [map(order.__getitem__, map(HITS.__rmod__, count())) for _ in range(3)]
    own: Callable[[], Any] = lambda: call(float(next(turn[0])))  # noqa: E731
    for name, rival, bar in (
        ("pickle.loads", lambda: pickle.loads(pickles[next(turn[1])]), 2.5),
        ("hit of a single file", lambda: single(float(next(turn[2]) % 1000)), 0.6),
    ):
        took, floor, ratio = paired(own, rival, SECONDS)
        figures.append(
            Figure(
                f"packed hit / {name}",
                ratio,
                "x",
                bar,
                f"{took * 1e6:.1f} and {floor * 1e6:.1f} us",
            )
        )
    return figures


class Writers:
    """Forked processes that store results, and tell the reader in shared memory how many and when."""

    #: The most results of a writer.
    MOST = 1 << 16

    def __init__(
        self, folder: Path, writers: int, per_second: float | None, seconds: float
    ) -> None:
        self.call = memo(str(folder))
        self.call(-1.0)  # imports what later calls need
        self.counts = memoryview(mmap.mmap(-1, 8 * writers)).cast("q")
        self.times = memoryview(mmap.mmap(-1, 8 * writers * self.MOST)).cast("d")
        self.start = monotonic() + 0.1
        self.end = self.start + seconds
        self.children = []
        for writer in range(writers):
            if (child := os.fork()) == 0:
                self.write(writer, per_second)
                close_segments()
                os._exit(0)
            self.children.append(child)

    def write(self, writer: int, per_second: float | None) -> None:
        """Stores results until the end."""
        sleep(max(self.start - monotonic(), 0))
        for number in range(self.MOST):
            if per_second:
                sleep(max(self.start + number / per_second - monotonic(), 0))
            self.call(self.argument(writer, number))
            now = self.times[writer * self.MOST + number] = monotonic()
            self.counts[writer] = number + 1
            if now >= self.end:
                break

    def argument(self, writer: int, number: int) -> float:
        """Returns the argument of a call."""
        return float(writer * self.MOST + number)

    def join(self) -> float:
        """Waits for the writers; returns the number of results per second."""
        for child in self.children:
            _, status = os.waitpid(child, 0)
            assert status == 0
        last = max(
            self.times[writer * self.MOST + count - 1] for writer, count in enumerate(self.counts)
        )
        return sum(self.counts) / (last - self.start)

    def check(self, folder: Path) -> None:
        """Checks that every result is there, and that no record is torn."""
        (version,) = open_cache(folder).functions()[0].versions()
        verified = verify_packed(version._store, "result", version.definition)
        assert sum(results for _, results, _ in verified) == sum(self.counts) + 1
        assert not any(damage for _, _, damage in verified)


def writers(folder: Path) -> list[Figure]:
    """Measures how soon a reader finds what 16 writers store, and how fast they are together."""
    cache = folder / "lag"
    running = Writers(cache, 16, 2000, 3.0)
    reader = cast("Any", memo(str(cache)))
    lags = []
    turn = cycle(range(16))
    while monotonic() < running.end - 0.1:
        writer = next(turn)
        if count := running.counts[writer]:
            argument = running.argument(writer, count - 1)
            while not reader.is_cached(argument):
                pass
            lags.append(monotonic() - running.times[int(argument)])
    rate = running.join()
    running.check(cache)
    lags.sort()
    p99, worst = lags[len(lags) * 99 // 100] * 1e3, lags[-1] * 1e3
    note = (
        f"99 %: {p99:.1f} ms, longest {worst:.1f} ms, {rate:,.0f} results/s, {os.cpu_count()} cores"
    )
    figures = [
        Figure("median lag of a reader, 16 x 2,000/s", lags[len(lags) // 2] * 1e3, "ms", 10, note)
    ]
    ratios, rates = [], []
    for turn_number in range(5):
        pair = []
        for number in (2, 16):
            place = folder / f"speed-{turn_number}-{number}"
            together = Writers(place, number, None, 1.0)
            pair.append(together.join())
            together.check(place)
            rmtree(place)
        ratios.append(pair[0] / pair[1])
        rates.append(pair)
    two, sixteen = (statistics.median(each) / 1000 for each in zip(*rates, strict=True))
    note = f"{two:.0f} and {sixteen:.0f} k/s"
    figures.append(Figure("speed of 2 writers / of 16", statistics.median(ratios), "x", 1.25, note))
    return figures


def packs(folder: Path, results: int) -> list[Figure]:
    """Stores results in eight processes, packs them and opens the pack."""
    cache = str(folder / "pack")
    step = -(-results // 8)
    start_time = perf_counter()
    for start in range(0, results, step):
        subprocess.run(
            [sys.executable, "-c", STORE, cache, str(start), str(min(start + step, results))],
            check=True, cwd=Path(__file__).parent,
        )  # fmt: skip
    stored = perf_counter() - start_time
    (version,) = open_cache(cache).functions()[0].versions()
    start_time = perf_counter()
    packing = version.pack()
    took = perf_counter() - start_time
    assert packing is not None
    assert packing.results == results
    start_time = perf_counter()
    version._store.time_stored("result", version.definition, "0" * 40)
    opened = perf_counter() - start_time
    sizes = [path.stat().st_size for path in Path(cache).rglob("*") if path.is_file()]
    print(
        f"{results:,} results: {len(sizes)} files, {sum(sizes):,} bytes; "
        f"stored in {stored:.1f} s, packed in {took:.1f} s"
    )
    files = len(sizes)
    return [
        Figure(
            f"packing {results:,} results", results / took / 1000, "k/s", None, "goal: at least 200"
        ),
        Figure("bytes a result in the pack", packing.bytes / results, "B", 150, f"{files} files"),
        Figure("opening the pack", opened * 1e3, "ms", 20, ""),
    ]


def packs_files(folder: Path) -> list[Figure]:
    """Packs single files."""
    cache = str(folder / "single")
    call = memo(cache, packed=False)
    for x in range(FILES):
        call(float(x))
    (version,) = open_cache(cache).functions()[0].versions()
    start_time = perf_counter()
    packing = version.pack()
    took = perf_counter() - start_time
    assert packing is not None
    assert packing.results == FILES
    name = f"packing {FILES:,} single files"
    return [Figure(name, FILES / took / 1000, "k/s", None, "goal: at least 20")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--results", type=int, default=1_000_000)
    rows: dict[str, Callable[[Path], list[Figure]]] = {
        "miss": misses,
        "hit": hits,
        "writers": writers,
        "files": packs_files,
        "size": lambda folder: packs(folder, arguments.results),
    }
    parser.add_argument("--only", nargs="+", choices=rows, default=list(rows), metavar="ROW")
    arguments = parser.parse_args()
    refuse_debug_build()
    with tempfile.TemporaryDirectory() as name:
        figures = [figure for row in arguments.only for figure in rows[row](Path(name))]
    for figure in figures:
        print(figure)
    if arguments.json:
        write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
