"""Measures single flight: the time until all waiters have the result, and its cost for a miss.

Sixteen processes request one computation of 50 ms; then one process makes misses with and without
`single_flight`, and claims keys while it holds up to 10,000 already.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from typing import Any

from funes import _funes, hash_value, memorious

PROCESSES = 16
SECONDS = 0.05
ROUNDS = 15
MISSES = 300


def functions(folder: str) -> tuple[Any, Any, Any]:
    @memorious(cache_dir=folder)
    def work(x: int) -> float:
        time.sleep(SECONDS)
        return time.monotonic()

    @memorious(cache_dir=folder)
    def once(x: int) -> int:
        return x

    @memorious(cache_dir=folder, single_flight=False)
    def freely(x: int) -> int:
        return x

    return work, once, freely


def wait(work: Any, barrier: Any, round_: int, results: Any) -> None:
    work.key(round_)  # not measured: the definition is hashed at the first call of a process
    barrier.wait()
    end = work(round_)
    results.put((end, time.monotonic() - end))


def waiters() -> None:
    context = multiprocessing.get_context("fork")
    slowest = []
    for round_ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            work, once, _ = functions(folder)
            # Not measured: the modules that a miss needs are loaded, and possibly compiled.
            once(0)
            barrier, results = context.Barrier(PROCESSES), context.SimpleQueue()
            arguments = (work, barrier, round_, results)
            processes = [context.Process(target=wait, args=arguments) for _ in range(PROCESSES)]
            for process in processes:
                process.start()
            ends, delays = zip(*(results.get() for _ in processes), strict=True)
            for process in processes:
                process.join()
            assert len(set(ends)) == 1, "computed more than once"
            slowest.append(max(delays))
    print(
        f"{PROCESSES} processes, one computation of {1e3 * SECONDS:.0f} ms, {len(slowest)} rounds"
    )
    print(
        f"  the last one has it after {1e3 * min(slowest):.1f} to {1e3 * max(slowest):.1f} ms (bar: 100)"
    )


def misses() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _, once, freely = functions(folder)
        best = dict.fromkeys((once, freely), float("inf"))
        for round_ in range(-1, ROUNDS):
            for function, so_far in best.items():
                begin = time.process_time()
                for number in range(MISSES):
                    function(round_ * MISSES + number)
                took = (time.process_time() - begin) / MISSES
                best[function] = min(so_far, took) if round_ >= 0 else so_far
    print(
        f"a miss: {1e6 * best[freely]:.1f} us, with `once` {1e6 * (best[once] - best[freely]):.1f} us more"
    )


def claims() -> None:
    """Measures a claim of a key while the process holds many keys."""
    took = {}
    for count in (0, 1, 31, 100, 1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            held = [_funes.KeyLock(folder, hash_value(number)) for number in range(count)]
            begin = time.perf_counter()
            assert all(lock.acquire() for lock in held)
            total = time.perf_counter() - begin
            rounds = []
            for number in range(2_000):
                key = hash_value(-1 - number)
                begin = time.perf_counter()
                lock = _funes.KeyLock(folder, key)
                lock.acquire()
                lock.release()
                rounds.append(time.perf_counter() - begin)
            took[count] = sorted(rounds)[len(rounds) // 2]
            print(
                f"a claim beside {count:,} keys: {1e6 * took[count]:.1f} us, "
                f"{took[count] / took[0]:.2f} x that of one key; all of them: {1e3 * total:.1f} ms"
            )
            for lock in held:
                lock.release()
    assert took[10_000] < 2 * took[0], "the bar is 2 x"


if __name__ == "__main__":
    if not _funes.IS_RELEASE:
        sys.exit("build with --release first")
    waiters()
    misses()
    claims()
