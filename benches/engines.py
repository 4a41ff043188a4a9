"""Measures a hit of a memorious function in the workers of task engines, compared to a plain function.

The functions are defined in this script, so engines pickle them by value or look them up in the main
module of the worker.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from measure import Figure, machine, refuse_debug_build, timed, write_json

from funes import memorious

TASKS = 100
ROUNDS = 11
WORKERS = 2
BAR = 3.0

#: Sends a function to the workers, and waits for the results of its calls.
Map = Callable[[Callable[[int], int], range], object]


def plain(x: int) -> int:
    return x * 2


@memorious
def remembered(x: int) -> int:
    return x * 2


def make(factor: int) -> Any:
    @memorious
    def inner(x: int) -> int:
        return x * factor

    return inner


captured = make(2)


@contextlib.contextmanager
def pool(method: str) -> Iterator[Map]:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(WORKERS, context) as executor:
        yield lambda function, points: list(executor.map(function, points))


@contextlib.contextmanager
def loky() -> Iterator[Map]:
    from loky import get_reusable_executor

    executor = get_reusable_executor(WORKERS)
    yield lambda function, points: [
        future.result() for future in [executor.submit(function, x) for x in points]
    ]
    executor.shutdown()


@contextlib.contextmanager
def joblib() -> Iterator[Map]:
    from joblib import Parallel, delayed

    with Parallel(WORKERS, batch_size=1) as parallel:
        yield lambda function, points: parallel([delayed(function)(x) for x in points])


@contextlib.contextmanager
def dask() -> Iterator[Map]:
    import distributed

    with (
        distributed.LocalCluster(
            WORKERS, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield lambda function, points: client.gather(client.map(function, points, pure=False))


ENGINES: dict[str, Callable[[], Any]] = {
    "pool-spawn": lambda: pool("spawn"),
    "pool-fork": lambda: pool("fork"),
    "pool-forkserver": lambda: pool("forkserver"),
    "loky": loky,
    "joblib": joblib,
    "dask": dask,
}


def measure(name: str) -> list[Figure]:
    figures = []
    with ENGINES[name]() as send:
        points = range(TASKS)
        for label, function in {"function": remembered, "closure": captured}.items():
            # Not measured: the results are stored and each worker has loaded the function.
            for _ in range(2):
                send(function, points)
                send(plain, points)
            works = partial(send, function, points), partial(send, plain, points)
            costs = [(timed(works[0], 1), timed(works[1], 1)) for _ in range(ROUNDS)]
            ratio = statistics.median(hit / task for hit, task in costs)
            hit, task = (
                1e6 / TASKS * statistics.median(column) for column in zip(*costs, strict=True)
            )
            note = f"{hit:.0f} us a task; the plain function {task:.0f} us"
            figures.append(Figure(f"a hit of a {label}, {name}", ratio, "x", BAR, note))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", default=list(ENGINES), help=", ".join(ENGINES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    refuse_debug_build()
    print(machine())
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FUNES_CACHE_DIR"] = folder
        for name in options.engines:
            if name.startswith("pool-fork") and sys.platform == "win32":
                continue
            for figure in measure(name):
                print(figure, flush=True)
                figures.append(figure)
    if options.json:
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
