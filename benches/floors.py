"""How long a call takes, by funes and its peers, and beside the floors below which none of them can go.

Each library runs in a process of its own for each row, so that none warms up another:

- miss: a call that is computed and stored, with another argument each time
- disk hit: the first call with a stored argument, in a fresh process
- hit: the same call again and again

The floor does in plain Python what a row cannot do without. Every answer is checked. Figures are medians over batches
of calls, in microseconds; compare those of one run only.

    make bench
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

from tqdm import tqdm

Function = Callable[[float], float]
BATCH = 20  # calls in one measurement; a clock reading is small beside it


def work(x: float) -> float:
    """The function that is remembered: next to nothing, so that what is measured is the remembering."""
    return x * 2.0


def with_funes(folder: Path) -> Function:
    from funes import memorious

    return memorious(cache_dir=folder)(work)


def with_joblib(folder: Path) -> Function:
    import joblib

    return joblib.Memory(folder, verbose=0).cache(work)


def with_diskcache(folder: Path) -> Function:
    import diskcache

    return diskcache.Cache(str(folder)).memoize()(work)


def with_cachier(folder: Path) -> Function:
    import cachier

    return cachier.cachier(cache_dir=str(folder), separate_files=True)(work)


def with_lru_cache(_folder: Path) -> Function:
    return lru_cache(maxsize=None)(work)


def with_plain_files(folder: Path) -> Function:
    """The floor: a pickle in a file, its name the argument; no hash, no check, no definition."""
    folder.mkdir(exist_ok=True)
    top = f"{folder}{os.sep}"

    def remembered(x: float) -> float:
        path = top + x.hex()
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            result = work(x)
            file = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(file, pickle.dumps(result))
            os.close(file)
            os.rename(path + ".new", path)
            return result
        stored = os.read(file, 65536)
        os.close(file)
        return pickle.loads(stored)

    return remembered


LIBRARIES: dict[str, Callable[[Path], Function]] = {
    "funes": with_funes,
    "joblib": with_joblib,
    "diskcache": with_diskcache,
    "cachier": with_cachier,
    "lru_cache": with_lru_cache,
    "floor: plain files": with_plain_files,
}
KEEPS_NOTHING = ("lru_cache",)


def microseconds(function: Function, arguments: list[float]) -> float:
    """Call the function with each argument; return the median time of a call. Raises if an answer is wrong."""
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
    """Measure one row of one library, in the process that this is called in."""
    function = LIBRARIES[library](folder)
    function(-1.0)  # imports, connections and folders are made by the first call of all
    if row == "hit":
        return microseconds(function, [0.0] * 20 * calls)
    return microseconds(function, [float(number) for number in range(calls)])


def refuse_debug_build() -> None:
    """Exit unless the extension was built with optimizations."""
    from funes import _funes

    if not _funes.IS_RELEASE:
        sys.exit(
            "funes was built without optimizations; its figures would mislead. Run: make build"
        )


def main() -> None:
    """Measure every row of every library and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2000, help="arguments per row; default: 2000")
    options = parser.parse_args()
    refuse_debug_build()

    figures: dict[tuple[str, str], float] = {}
    rows = ("miss", "disk hit", "hit")
    with (
        tempfile.TemporaryDirectory() as top,
        ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool,
        tqdm(total=len(LIBRARIES) * len(rows), unit="figure") as bar,
    ):
        for library in LIBRARIES:
            for row in rows:
                if not (row == "disk hit" and library in KEEPS_NOTHING):
                    folder = Path(top) / library.replace(": ", "-").replace(" ", "-")
                    figures[library, row] = pool.submit(
                        measure, library, row, folder, options.calls
                    ).result()
                bar.update()

    print(f"{'microseconds a call':<22}" + "".join(f"{row:>12}" for row in rows))
    for library in LIBRARIES:
        cells = [figures.get((library, row)) for row in rows]
        print(
            f"{library:<22}" + "".join("           -" if c is None else f"{c:12.2f}" for c in cells)
        )


if __name__ == "__main__":
    main()
