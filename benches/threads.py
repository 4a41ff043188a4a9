"""Measures how hits scale with threads: funes beside `functools.lru_cache`, a dict look-up and an empty loop.

Each thread makes hits of one function. Its arguments are its own, or the same in all threads. A row shows how many more
hits per second 2, 4 and 8 threads make than one thread. The loop makes no calls: it is what the machine allows, because
other programs use its processors too. With the interpreter lock no row exceeds 1.

The rows are measured in turns, many times; the medians of the gains are shown.

    python benches/threads.py [--seconds SECONDS] [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import Figure, machine, refuse_debug_build, write_json

THREADS = (1, 2, 4, 8)
#: The time for which the threads of one measurement run.
SECONDS = 0.1
#: The number of different arguments in a thread.
ARGUMENTS = 16
#: The lowest gain of two threads with arguments of their own, as a share of the gain of the loop in the same run.
OWN_BAR = 0.9

Loop = Callable[[Any, list[Any], int], None]


def plain(x: int) -> tuple[int, float]:
    return x, 1.5


FACTOR = 2.5


def helper(x: int) -> float:
    return x * FACTOR


def guarded(x: int) -> tuple[int, float]:
    return x, helper(x)


def call(f: Any, arguments: list[Any], rounds: int) -> None:
    """Calls a function with each argument."""
    for _ in range(rounds):
        for x in arguments:
            f(x)


def look_up(table: Any, arguments: list[Any], rounds: int) -> None:
    """Looks each argument up in a dict."""
    for _ in range(rounds):
        for x in arguments:
            table[x]


def count(_: Any, arguments: list[Any], rounds: int) -> None:
    """Adds numbers, and reads nothing that threads share."""
    for _ in range(rounds):
        total = 0
        for x in arguments:
            total += x


def rate(loop: Loop, subject: Any, arguments: list[list[int]], seconds: float) -> float:
    """Returns how many steps per second threads make together, one thread for each list of arguments."""
    steps = [0] * len(arguments)
    barrier = threading.Barrier(len(arguments) + 1)
    end = 0.0

    def work(number: int, own: list[int]) -> None:
        barrier.wait()
        done = 0
        while done == 0 or time.perf_counter() < end:
            loop(subject, own, 20)
            done += 20 * len(own)
        steps[number] = done

    threads = [
        threading.Thread(target=work, args=(number, own)) for number, own in enumerate(arguments)
    ]
    for thread in threads:
        thread.start()
    begin = time.perf_counter()
    end = begin + seconds
    barrier.wait()
    for thread in threads:
        thread.join()
    return sum(steps) / (time.perf_counter() - begin)


def arguments_of(threads: int, shared: bool) -> list[list[int]]:
    """Returns the arguments of each thread. They are large ints, of which the interpreter keeps no copies."""
    return [
        [10_000 + (0 if shared else 1000 * number) + x for x in range(ARGUMENTS)]
        for number in range(threads)
    ]


def subjects(folder: str) -> dict[str, tuple[Loop, Any]]:
    """Returns the rows: a loop, and what it works on."""
    from funes import memorious

    rows: dict[str, tuple[Loop, Any]] = {
        "loop without calls": (count, None),
        "dict look-up": (look_up, {}),
        "lru_cache": (call, functools.lru_cache(maxsize=1024)(plain)),
        "lru_cache(maxsize=None)": (call, functools.lru_cache(maxsize=None)(plain)),
        "funes": (call, memorious(plain, cache_dir=folder)),
        "funes, a helper and a global": (call, memorious(guarded, cache_dir=folder)),
    }
    for argument in {x for own in arguments_of(max(THREADS), False) for x in own}:
        for name, (loop, subject) in rows.items():
            if loop is look_up:
                subject[argument] = plain(argument)
            elif loop is call:
                expected = guarded(argument) if "helper" in name else plain(argument)
                assert subject(argument) == subject(argument) == expected
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    refuse_debug_build()
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(machine(), "with" if has_lock else "without", "the interpreter lock")
    with tempfile.TemporaryDirectory() as folder:
        rows = subjects(folder)
        kinds = [(name, shared) for shared in (False, True) for name in rows]
        rates: dict[tuple[str, bool, int], list[float]] = {}
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end or not rates:
            for threads in THREADS:
                for name, shared in kinds:
                    loop, subject = rows[name]
                    found = rate(loop, subject, arguments_of(threads, shared), SECONDS)
                    rates.setdefault((name, shared, threads), []).append(found)
    gains = {
        (name, shared, threads): statistics.median(
            many / one
            for many, one in zip(rates[name, shared, threads], rates[name, shared, 1], strict=True)
        )
        for name, shared in kinds
        for threads in THREADS
    }
    figures = []
    for shared in (False, True):
        title = f"{'the same' if shared else 'own'} arguments"
        heads = "".join(f"{n:>10} threads" for n in THREADS[1:])
        print(f"\n{title:<34}{'1 thread, ns':>14}{heads}")
        for name in rows:
            step = 1e9 / statistics.median(rates[name, shared, 1])
            print(
                f"{name:<34}{step:>14.0f}"
                + "".join(f"{gains[name, shared, n]:>18.2f}" for n in THREADS[1:])
            )
            kind = "shared" if shared else "own"
            figures += [
                Figure(f"{name}, {kind} arguments, {n} threads", gains[name, shared, n], "x")
                for n in THREADS[1:]
            ]
    if options.json:
        write_json(options.json, figures)
    own = gains["funes", False, 2] / gains["loop without calls", False, 2]
    print(
        f"\nfunes with own arguments, 2 threads: {own:.2f} of the gain of the loop  bar {OWN_BAR:g}"
    )
    shared_gain, rival = gains["funes", True, 2], gains["lru_cache", True, 2]
    print(
        f"funes with shared arguments, 2 threads: {shared_gain:.2f} x  bar {rival:.2f} (lru_cache)"
    )


if __name__ == "__main__":
    main()
