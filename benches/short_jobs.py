"""Stores 10 packed results in each of 10,000 processes, 8 at a time, and counts the files.

`--processes N` sets another number.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from packed import memo

from funes._funes import close_segments, verify_packed
from funes._results.cache import open_cache

AT_ONCE = 8
RESULTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=10_000)
    processes: int = parser.parse_args().processes
    with tempfile.TemporaryDirectory() as folder:
        call = memo(folder, single_flight=True)
        call.key(0.0)  # type: ignore[attr-defined]  # computed once, not in each process
        running = 0
        start = perf_counter()
        for number in range(processes):
            if running == AT_ONCE:
                _, status = os.wait()
                assert status == 0
                running -= 1
            if os.fork() == 0:
                for result in range(RESULTS):
                    call(float(number * RESULTS + result))
                close_segments()
                os._exit(0)
            running += 1
        for _ in range(running):
            _, status = os.wait()
            assert status == 0
        took = perf_counter() - start
        (version,) = open_cache(folder).functions()[0].versions()
        verified = verify_packed(version._store, "result", version.definition)
        assert sum(results for _, results, _ in verified) == processes * RESULTS
        assert not any(damage for _, _, damage in verified)
        sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
        print(
            f"{processes:,} processes, {RESULTS} results each: {len(sizes)} files (bar: 100), "
            f"{sum(sizes):,} bytes, {took:.1f} s, {took / processes * 1e3:.2f} ms a process"
        )
        if len(sizes) > 100:
            sys.exit(1)


if __name__ == "__main__":
    main()
