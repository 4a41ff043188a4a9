"""Functions that the tests of sweeps compute in workers, which import this module."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from funes import memorious


def note(log: str | None, text: object) -> None:
    """Appends a line to a file. One write call, so that processes do not mix lines."""
    if log is not None:
        with Path(log).open("a") as file:
            file.write(f"{text}\n")


@memorious(ignore="log")
def square(x: int, log: str | None = None) -> int:
    note(log, x)
    return x * x


@memorious(ignore="log")
def product(rate: float, depth: int, log: str | None = None) -> float:
    note(log, (rate, depth))
    return rate * depth


@memorious
def scores(rate: float, depth: int) -> dict[str, float]:
    return {"sum": rate + depth, "product": rate * depth}


@memorious(ignore="log")
def config_value(config: dict[str, int], log: str | None = None) -> int:
    note(log, config["a"])
    return config["a"] ** 2


@memorious
def draw(scale: float) -> float:
    return scale * random.random()


@memorious(ignore="log")
def fails_at(x: int, bad: tuple[int, ...], log: str | None = None) -> int:
    note(log, x)
    if x in bad:
        raise ValueError(f"no value for {x}")
    return x


@memorious(ignore="log", files="ignore")
def fails_first(x: int, log: str | None = None) -> int:
    """Fails at the first attempt, as far as the log knows."""
    done = Path(str(log)).read_text().split() if Path(str(log)).exists() else []
    note(log, x)
    if str(x) not in done:
        raise OSError("not yet")
    return x


@memorious(ignore="log")
def kills(x: int, deadly: int, log: str | None = None) -> int:
    note(log, x)
    if x == deadly:
        if sys.platform == "win32":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@memorious
def exits(x: int, deadly: int, code: int | None) -> int:
    """Ends its process at one point, with an exit code or by a wrong address."""
    if x == deadly and code is not None:
        os._exit(code)
    if x == deadly:
        ctypes.string_at(0)
    return x


@memorious(ignore="log")
def waits(x: int, seconds: float, log: str | None = None) -> int:
    note(log, f"begin {x}")
    time.sleep(seconds)
    note(log, f"end {x}")
    return x


@memorious(ignore="log")
def keeps_gil(x: int, log: str | None = None) -> object:
    """Computes for hours in C code that does not release the GIL."""
    note(log, f"begin {x}")
    return re.match(r"(a+)+$", "a" * 100 + "b") or x


@memorious(ignore="log")
def forks(x: int, end: str, log: str | None = None) -> int:
    """Forks a child that comes back from this function, in one of several ways."""
    if os.fork() == 0:
        note(log, f"child {os.getpid()}")
        if end == "raises":
            raise ValueError("in the child")
        if end == "exits":
            sys.exit(3)
    else:
        note(log, f"parent {x}")
    return x


@memorious(ignore="log")
async def forks_in_coroutine(x: int, end: str, log: str | None = None) -> int:
    return int(forks.__wrapped__(x, end, log))


class UnpicklableError(Exception):
    """An exception that pickles, and cannot be opened again."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


@memorious
def raises_unpicklable(x: int) -> int:
    if x == 1:
        raise UnpicklableError(1, 2)
    return x


@memorious
def returns_lock(x: int) -> Any:
    return threading.Lock() if x == 1 else x


@memorious
def large(x: int) -> bytes:
    return bytes([x]) * 200_000


@memorious
def process_id(x: int) -> int:
    return os.getpid()


@memorious(ignore="log")
async def later(x: int, log: str | None = None) -> int:
    note(log, f"begin {x}")
    await asyncio.sleep(0.05)
    note(log, f"end {x}")
    return x * 10


class Model:
    """A class with a memorious method."""

    def __init__(self, weight: int) -> None:
        self.weight = weight

    @memorious
    def scale(self, x: int, plus: int = 0) -> int:
        return self.weight * x + plus

    @memorious
    @classmethod
    def name_of(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


class Unprintable:
    """A value whose texts cannot be made."""

    def __funes_key__(self) -> int:
        return 1

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class UnprintableError(Exception):
    """An exception whose texts cannot be made."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")


@memorious
def raises_unprintable(x: int, value: Unprintable) -> int:
    if x == 1:
        raise UnprintableError("what happened")
    return x


@memorious
def raises_group(x: int) -> int:
    if x == 1:
        raise ExceptionGroup("several", [ValueError("a value"), UnpicklableError(1, 2)])  # noqa: F821
    return x


@memorious
def raises_base(x: int, kind: type[BaseException]) -> int:
    if x == 1:
        raise kind("from the point")
    return x


@memorious
def raises(x: int, kind: type[BaseException]) -> int:
    if x == 1:
        raise kind(x)
    return x


@memorious(remember_errors=ValueError, ignore="log")
def remembers(x: int, bad: tuple[int, ...], other: tuple[int, ...], log: str | None = None) -> int:
    note(log, x)
    if x in bad:
        raise ValueError(f"no value for {x}")
    if x in other:
        raise KeyError(x)
    return x


@memorious(remember_errors=ValueError, ignore="log")
async def remembers_async(
    x: int, bad: tuple[int, ...], other: tuple[int, ...], log: str | None = None
) -> int:
    note(log, x)
    await asyncio.sleep(0)
    if x in bad:
        raise ValueError(f"no value for {x}")
    if x in other:
        raise KeyError(x)
    return x
