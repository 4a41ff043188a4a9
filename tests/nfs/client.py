"""A process on a client: it makes the calls that nfs_cases.py asks for."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from funes import load_cached_results, memorious

#: A folder in memory that all hosts see.
SIGNALS = Path("/dev/shm")


#: What the process runs. The functions belong to a module that has the same name on each host.
SERVE = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import client; client.serve()"
)


class Client:
    """The other end: a process on a host that makes calls in a cache folder."""

    def __init__(self, host: str, folder: str, wait: float = 10) -> None:
        command = ["nsenter", "--target", host, "--net", "--mount", "--uts", sys.executable]
        self.process = subprocess.Popen(
            [*command, "-c", SERVE, folder, str(wait)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def begin(self, name: str, *args: Any) -> None:
        """Asks for a call."""
        assert self.process.stdin is not None
        self.process.stdin.write(pickle.dumps((name, args)))
        self.process.stdin.flush()

    def end(self) -> Any:
        """Returns the result of a call; raises its exception. A `CacheWarning` is an exception."""
        assert self.process.stdout is not None
        is_right, result = pickle.load(self.process.stdout)
        if not is_right:
            raise RuntimeError(result)
        return result

    def __call__(self, name: str, *args: Any) -> Any:
        self.begin(name, *args)
        return self.end()

    def wait_for_run(self, x: str) -> None:
        """Waits until the process has begun to compute `held(x)`."""
        while not (SIGNALS / f"runs-{x}").exists():
            assert self.process.poll() is None
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Lets the process end, as processes do."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


def serve() -> None:
    """Makes calls until standard input ends."""
    warnings.simplefilter("error")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    actions = Actions(sys.argv[1], float(sys.argv[2]))
    while True:
        try:
            name, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            out.close()
            return
        try:
            answer = True, getattr(actions, name)(*args)
        except BaseException as error:
            answer = False, f"{type(error).__name__}: {error}"
        out.write(pickle.dumps(answer))
        out.flush()


def double(x: int) -> int:
    return x * 2


def array(x: int) -> Any:
    return np.full(1 << 19, x)


def part(x: int) -> Any:
    return np.full(1 << 17, x)


def held(x: str) -> str:
    """Says that it runs, and waits until it may end."""
    (SIGNALS / f"runs-{x}").mkdir(exist_ok=True)
    while not (SIGNALS / f"go-{x}").exists():
        time.sleep(0.02)
    return x


def small(x: int) -> dict[str, int]:
    return {"x": x}


class Actions:
    """What a client does on request."""

    def __init__(self, folder: str, wait: float) -> None:
        self.folder = folder
        options: dict[str, Any] = {"cache_dir": folder, "memory": 0, "wait": wait}
        self.double = memorious(**options)(double)
        self.durable = memorious(durability="always", **options)(double)
        self.array = memorious(**options)(array)
        self.part = memorious(**options)(part)
        self.held = memorious(**options)(held)
        self.small = memorious(packed=True, **options)(small)
        self.arrays: list[Any] = []

    def call(self, name: str, xs: list[int]) -> tuple[list[Any], int]:
        """Returns the results (the means of arrays), and how many of them were computed here."""
        memo = getattr(self, name)
        before = memo.cache_info().misses
        results = [memo(x) for x in xs]
        results = [each.mean() if isinstance(each, np.ndarray) else each for each in results]
        return results, memo.cache_info().misses - before

    def is_cached(self, name: str, x: int) -> bool:
        found: bool = getattr(self, name).is_cached(x)
        return found

    def refresh(self, name: str, xs: list[int]) -> None:
        for x in xs:
            getattr(self, name).refresh(x)

    def forget(self, name: str, xs: list[int]) -> int:
        """Returns the number of entries that were deleted."""
        return sum(getattr(self, name).forget(x) for x in xs)

    def read_until(self, name: str, xs: list[int], signal: str) -> int:
        """Reads entries again and again until there is a signal. Returns how many were computed."""
        computed = 0
        while not (SIGNALS / signal).exists():
            computed += self.call(name, xs)[1]
        return computed

    def keep_arrays(self, xs: list[int]) -> None:
        """Keeps arrays of which nothing was read."""
        self.arrays = [self.array(x) for x in xs]

    def kept_arrays(self) -> list[int]:
        """Returns the values in the kept arrays. Reads all of them."""
        return [x for each in self.arrays for x in np.unique(each).tolist()]

    def pack(self) -> None:
        command = [sys.executable, "-m", "funes", "pack", "--cache", self.folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def listed(self) -> list[int]:
        """Returns the packed results that a listing finds."""
        return sorted(each["input"]["x"] for each in load_cached_results(self.small))
