"""Measures loading cached results, many small ones and some large ones, compared to reading the files.

The lower bound lists the folder, opens each file and unpickles it, without checksum and order. Ratios
are medians of alternate runs, which can be compared; figures of two runs cannot.

    make bench
"""

from __future__ import annotations

import hashlib
import os
import pickle
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

from measure import Figure, machine, paired, refuse_debug_build

from funes import load_cached_results, memorious
from funes._entries import writer

MANY = 100_000
LARGE = 50


def functions(folder: str) -> tuple[Any, Any]:
    @memorious(cache_dir=folder)
    def train(lr: float, epochs: int, name: str) -> Any: ...

    @memorious(cache_dir=folder)
    def sample(seed: int) -> Any: ...

    return train, sample


def fill(memo: Any, entries: Iterable[tuple[dict[str, Any], Any]]) -> None:
    """Stores entries like calls, without running them."""
    for inputs, output in entries:
        arguments = hashlib.sha1(repr(inputs).encode(), usedforsecurity=False).hexdigest()
        pickled = writer.dump_entry(inputs, output, 0.5)
        memo._store.write(memo.__name__, memo.definition, arguments, *pickled)


def plainly(memo: Any) -> Callable[[], int]:
    """Reads the files without funes: the lower bound."""

    def read() -> int:
        found = 0
        for file in os.scandir(memo.cache_path):
            with open(file.path, "rb") as opened:
                found += len(pickle.loads(opened.read()))
        return found

    return read


def exhausted(results: Any) -> Callable[[], int]:
    return lambda: sum(len(result) for result in results)


def seconds(work: Callable[[], object]) -> float:
    """Returns the best of three times, since other load can only add."""
    taken = []
    for _ in range(3):
        before = time.perf_counter()
        work()
        taken.append(time.perf_counter() - before)
    return min(taken)


def peak(work: Callable[[], object]) -> float:
    """Returns the peak memory of Python objects in MiB."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def measure(folder: str) -> list[Figure]:
    train, sample = functions(folder)
    name = "a name as people give them"
    fill(
        train,
        (
            ({"lr": n * 0.1, "epochs": n % 100, "name": name}, {"loss": n * 0.5, "accuracy": 0.5})
            for n in range(MANY)
        ),
    )
    fill(sample, (({"seed": n}, [float(m) for m in range(100_000)]) for n in range(LARGE)))

    every = load_cached_results(train)
    inputs = load_cached_results(train, inputs_only=True)
    some = load_cached_results(train, where={"epochs": 7})
    samples = load_cached_results(sample, inputs_only=True)
    assert len(every) == MANY
    assert len(some) == MANY // 100
    assert inputs.to_pandas().shape == (MANY, 4)

    first = seconds(lambda: next(iter(every)))
    frame = seconds(inputs.to_pandas)
    shown = seconds(lambda: repr(every))
    memory = peak(exhausted(every))
    own, floor, ratio = paired(exhausted(every), plainly(train), 10)
    _, _, ratio_inputs = paired(exhausted(inputs), plainly(train), 10)
    _, _, ratio_some = paired(exhausted(some), plainly(train), 10)
    _, _, ratio_large = paired(exhausted(samples), plainly(sample), 3)
    note = f"{own:.2f} s beside {floor:.2f} s"
    return [
        Figure(f"the first of {MANY:,} results", 1e3 * first, "ms", 50),
        Figure(f"the inputs of {MANY:,} results as a pandas frame", frame, "s", 5),
        Figure(f"repr of {MANY:,} results", 1e3 * shown, "ms"),
        Figure(f"memory while {MANY:,} results are gone through", memory, "MiB", 2),
        Figure("going through them / plain files", ratio, "x", 2, note),
        Figure("going through their inputs / plain files", ratio_inputs, "x", 2),
        Figure("1 in 100 by where= / plain files", ratio_some, "x", 3),
        Figure("inputs beside outputs of 900 kB / plain files", ratio_large, "x", 0.5),
    ]


if __name__ == "__main__":
    refuse_debug_build()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure(folder):
            print(figure)
