"""Measures the disk cache of funes, compared to plain Python files, joblib and diskcache, with limits.

Every figure is a median of paired runs in a fresh process per row, so that other load affects both of
a pair. Small results are not kept in memory (`memory=0`), so every hit reads its file. `--json FILE`
stores the figures.

An ext4 file system without a journal skips the inodes of recently deleted files one by one to find a
free one, which makes creating files ten times slower for some minutes. This affects every library that
creates one file per result (not diskcache). `TMPDIR` sets another folder.

    make bench
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, cycle
from pathlib import Path
from typing import Any

from measure import Figure, paired, refuse_debug_build, write_json
from peers import with_diskcache, with_joblib, work

SMALL = 500  # entries that the small hits read in turn
LARGE = 1 << 20  # floats of the large array: 8 MiB
SECONDS = 2.0  # per pair


def array(x: float) -> Any:
    import numpy as np

    return np.arange(LARGE, dtype=float) + x


def compared(name: str, own: Any, rivals: dict[str, tuple[Any, float]]) -> list[Figure]:
    """Yields a line per rival with the ratio and its limit."""
    figures = []
    for rival, (call, bar) in rivals.items():
        took, other, ratio = paired(own, call, SECONDS)
        note = f"{took * 1e6:.1f} and {other * 1e6:.1f} us"
        figures.append(Figure(f"{name} / {rival}", ratio, "x", bar, note))
    return figures


def in_turn(call: Callable[[float], Any], arguments: int) -> Callable[[], Any]:
    """Returns a function that calls with each argument in turn and checks the results."""
    numbers = cycle(map(float, range(arguments))).__next__
    for _ in range(arguments):
        x = numbers()
        if call(x) != x * 2.0:
            raise AssertionError(f"wrong answer for {x}")
    return lambda: call(numbers())


def with_new(call: Callable[[float], Any]) -> Callable[[], Any]:
    """Returns a function that calls with a new argument each time."""
    numbers = count().__next__
    return lambda: call(float(numbers()))


def small_hits(folder: Path) -> list[Figure]:
    from funes import memorious

    remembered = memorious(cache_dir=folder / "funes", memory=0)(work)
    own = in_turn(remembered, SMALL)
    entries = [str(remembered.key(float(x)).path) for x in range(SMALL)]
    path = cycle(entries).__next__

    def floor() -> Any:
        file = os.open(path(), os.O_RDONLY)
        stored = os.read(file, 65536)
        os.close(file)
        return pickle.loads(stored)["output"]

    rivals = {
        "open, read, close, pickle.loads": (floor, 1.6),
        "diskcache": (in_turn(with_diskcache(folder / "diskcache"), SMALL), 1 / 2),
        "joblib": (in_turn(with_joblib(folder / "joblib"), SMALL), 1 / 8),
    }
    return compared("hit on disk, small", own, rivals)


def stored_plainly(folder: Path) -> Callable[[float], float]:
    """Returns a function that stores each result in a file, as plainly as is safe."""
    top = f"{folder}{os.sep}"

    def call(x: float) -> float:
        output = work(x)
        path = f"{top}{x.hex()}"
        file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, pickle.dumps({"input": {"x": x}, "output": output, "time": 0.0}))
        os.close(file)
        os.rename(f"{path}.new", path)
        return output

    return call


def misses(folder: Path) -> list[Figure]:
    from funes import memorious

    own = with_new(memorious(cache_dir=folder / "funes", memory=0, durability="never")(work))
    (folder / "plain").mkdir()
    rivals = {
        "create, write, rename": (with_new(stored_plainly(folder / "plain")), 1.0),
        "diskcache": (with_new(with_diskcache(folder / "diskcache")), 1.0),
        "joblib": (with_new(with_joblib(folder / "joblib")), 1 / 5),
    }
    return compared("miss, small, not synced", own, rivals)


def large_hits(folder: Path) -> list[Figure]:
    import joblib

    from funes import memorious

    def remembered(verify: Any) -> Callable[[], Any]:
        call = memorious(cache_dir=folder / "funes", verify=verify)(array)
        return lambda: call(1.0)

    def by_joblib(mmap_mode: str | None) -> Callable[[], Any]:
        call = joblib.Memory(folder / "joblib", verbose=0, mmap_mode=mmap_mode).cache(array)
        return lambda: call(1.0)

    mapped, verified = remembered("once"), remembered("always")
    lent, read = by_joblib("r"), by_joblib(None)
    for call in (mapped, verified, lent, read):
        call()  # computed
        if call()[-1] != LARGE:
            raise AssertionError("wrong answer: array")
    return [
        *compared("hit of 8 MiB, not the first", mapped, {"joblib, mmap_mode='r'": (lent, 1 / 4)}),
        *compared("hit of 8 MiB, verified", verified, {"joblib, read": (read, 1.0)}),
    ]


def many_files(folder: Path, count: int) -> list[Figure]:
    """Compares a folder of `count` files with one of a thousand."""
    from funes import memorious

    def filled(name: str, entries: int) -> Any:
        memo = memorious(
            cache_dir=folder / name, memory=0, durability="never", single_flight=False
        )(work)
        for x in range(entries):
            memo(float(x))
        return memo

    few, many = filled("few", 1000), filled("many", count)
    # So that the same number of files is read in turn, spread over the folder.
    places = [float(x * count // SMALL) for x in range(SMALL)]
    random.Random(1).shuffle(places)  # noqa: S311 - a fixed order
    place = cycle(places).__next__
    figures = compared(
        f"hit, {count:,} files", lambda: many(place()), {"1,000": (in_turn(few, SMALL), 1.2)}
    )
    # A file system creates files more slowly in a large folder, so each folder has its own floor.
    ratios = []
    for memo, entries in ((few, 1000), (many, count)):
        floor = with_new(stored_plainly(memo.cache_path))
        new = with_new(lambda x, memo=memo: memo(-1.0 - x))
        (figure,) = compared(
            f"miss, {entries:,} files", new, {"create, write, rename": (floor, 1.0)}
        )
        figures.append(figure)
        ratios.append(figure.value)
    ratio = ratios[1] / ratios[0]
    figures.append(Figure(f"miss, {count:,} files / 1,000, of the floors", ratio, "x", 1.2))
    for options in ([], ["--quick"]):
        command = [sys.executable, "-m", "funes", "ls", *options, "--cache", str(folder / "many")]
        times = []
        for _ in range(3):
            before = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - before)
        name = " ".join(["funes ls", *options])
        bar = 3.0 if count >= 1_000_000 else None
        figures.append(Figure(f"{name}, {count:,} files", min(times), "s", bar))
    return figures


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    help_text = "the number of files of the largest folder; a million needs 4 GB and minutes"
    parser.add_argument("--files", type=int, default=100_000, help=help_text)
    options = parser.parse_args()
    refuse_debug_build()
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory() as top,
        ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool,
    ):
        for row in (small_hits, misses, large_hits, many_files):
            folder = Path(top) / row.__name__
            folder.mkdir()
            more = [options.files] * (row is many_files)
            figures += pool.submit(row, folder, *more).result()
    print("\n".join(map(str, figures)))
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
