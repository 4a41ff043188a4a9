"""Measures `hash_value`, compared to pickle, to the hash of joblib, and to BLAKE3 alone.

Each row measures funes and its rival alternately and takes the median of the ratios, so that other
load affects both. The limit is shown beside the ratio. Figures of one run can be compared with each
other, figures of two runs cannot.

    make bench
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import pickle
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import blake3
import joblib
import numpy as np
import pandas as pd

from funes import _funes, hash_value

Work = Callable[[Any], object]


@dataclasses.dataclass
class Record:
    """A small object, as it is often stored in lists."""

    number: int
    weight: float
    name: str


def frame(rows: int) -> pd.DataFrame:
    """Makes a frame of mixed columns."""
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "int": numbers,
            "float": numbers * 1.1,
            "str": [f"row {number}" for number in numbers],
            "category": pd.Categorical([f"kind {number % 7}" for number in numbers]),
            "time": pd.Timestamp("2020-01-01") + pd.to_timedelta(numbers, unit="s"),
        }
    )


def with_pickle(value: Any) -> object:
    """Pickles the value."""
    return pickle.dumps(value, protocol=5)


def with_blake3(value: Any) -> object:
    """Hashes the memory with BLAKE3 on all cores."""
    return blake3.blake3(value.view("u1"), max_threads=blake3.blake3.AUTO).digest()


def mixed_dict() -> dict[str, Any]:
    """Makes a dict of twenty keys with values of several types."""
    values = [1, 2.5, "text", None, True]
    return {f"key {number}": values[number % 5] for number in range(20)}


def records() -> list[Record]:
    """Makes a list of a thousand small objects."""
    return [Record(number, number * 1.5, f"name {number}") for number in range(1000)]


#: Name, value, rival, limit of the time of funes as a multiple of the rival's time.
ROWS: list[tuple[str, Callable[[], Any], Work, float]] = [
    ("10,000 floats / pickle", lambda: [i * 1.1 for i in range(10_000)], with_pickle, 0.7),
    ("10,000 ints / pickle", lambda: list(range(10_000)), with_pickle, 0.7),
    ("10,000 short strs / pickle", lambda: [f"s{i}" for i in range(10_000)], with_pickle, 0.7),
    ("dict of 20 / pickle", mixed_dict, with_pickle, 1.5),
    ("dict of 20 / joblib", mixed_dict, joblib.hash, 1 / 20),
    ("array of 8 MiB / BLAKE3", lambda: np.arange(1 << 20) * 1.1, with_blake3, 1 / 0.9),
    ("array of 8 MiB / joblib", lambda: np.arange(1 << 20) * 1.1, joblib.hash, 1 / 8),
    ("array of 512 MiB / BLAKE3", lambda: np.arange(1 << 26) * 1.1, with_blake3, 1 / 0.9),
    ("frame 100,000 x 5 / joblib", lambda: frame(100_000), joblib.hash, 1 / 5),
    ("1,000 dataclasses / pickle", records, with_pickle, 1.2),
]


def compare(value: Any, rival: Work, seconds: float) -> tuple[float, float]:
    """Returns the median time of `hash_value` in microseconds, and the median ratio to the rival."""
    repeats = 1
    while timed(hash_value, value, repeats) < 0.002 and repeats < 1000:
        repeats *= 4
    times, ratios = [], []
    end = time.perf_counter() + seconds
    while len(ratios) < 5 or (time.perf_counter() < end and len(ratios) < 200):
        own = timed(hash_value, value, repeats)
        times.append(own / repeats)
        ratios.append(own / timed(rival, value, repeats))
    return statistics.median(times) * 1e6, statistics.median(ratios)


def timed(work: Work, value: Any, repeats: int) -> float:
    """Returns the time of some repeats in seconds."""
    before = time.perf_counter()
    for _ in range(repeats):
        work(value)
    return time.perf_counter() - before


def strided_megabytes() -> float:
    """Returns the memory that hashing a strided view of 512 MiB takes in a fresh process, in MiB."""
    import resource

    view = np.full(1 << 27, 1.5)[::2]
    hash_value(view[: 1 << 20])  # threads and modules are there before
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hash_value(view)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (after - before) / 2**10


def main() -> None:
    """Measures every row and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each row; default: 3")
    options = parser.parse_args()
    if not _funes.IS_RELEASE:
        sys.exit(
            "funes was built without optimizations; its figures would mislead. Run: make build"
        )

    print(f"{'hash_value / rival':<30}{'us':>12}{'ratio':>10}{'bar':>10}")
    for name, make, rival, bar in ROWS:
        took, ratio = compare(make(), rival, options.seconds)
        print(f"{name:<30}{took:12.1f}{ratio:10.3f}{bar:10.3f}  {'' if ratio <= bar else 'MISSED'}")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        more = pool.submit(strided_megabytes).result()
    print(f"{'strided view of 512 MiB':<30}{more:12.1f} MiB more; bar 16")


if __name__ == "__main__":
    main()
