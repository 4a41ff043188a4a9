"""The table of results by exact arguments, which answers most hits: it never changes what a call returns."""

from __future__ import annotations

import asyncio
import enum
import gc
import inspect
import itertools
import math
import random
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import memorious

pytestmark = pytest.mark.usefixtures("cache")

IS_LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()


class Number(int):
    """An int that is not exactly an int."""


class Text(str):
    """A str that is not exactly a str."""

    __slots__ = ()


class Colour(enum.IntEnum):
    """Members that are equal to ints."""

    RED = 1


NEGATIVE_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
#: Many of them are equal, or have the same hash.
SCALARS = [
    *(0, 1, -1, 2, 255, 256, 2**29, 2**30, -(2**30), 2**31, 2**62, 2**63, -(2**63), 2**64, 10**30),
    *(True, False, None, 0.0, -0.0, 1.0, -1.0, 2.0, 1e300, math.inf, -math.inf, math.nan, NEGATIVE_NAN),
    *("", "1", "a", "abc", "abcd", "abcde", "abcdefgh", "x" * 60, "x" * 61, "True", "None"),
    *("x" * 40 + "y" + "x" * 19, "x" * 20 + "y" + "x" * 39, "ä", "€", "\U0001d4b3", "\ud800", "a\0", "a\0b"),
    *(b"", b"1", b"abc", 1j, Number(1), Text("1"), Text("abc"), Colour.RED, (1,), (1.0,), frozenset({1})),
]  # fmt: skip


def shown(*values: object) -> str:
    """Returns a text that differs for values of different types."""
    return repr([(type(value).__name__, repr(value)) for value in values])


def test_equal_arguments_of_different_types_have_different_results() -> None:
    @memorious
    def f(x: object) -> str:
        return shown(x)

    for _ in range(4):
        for value in SCALARS:
            assert f(value) == shown(value)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_each_of_several_arguments_counts(count: int) -> None:
    f = memorious(shown)
    names = "abcde"[:count]
    g: Any = memorious(eval(f"lambda {', '.join(names)}: shown({', '.join(names)})", globals()))
    values = [0, False, -0.0, "0", None]
    calls = [
        *itertools.islice(itertools.product(values, repeat=count), 0, None, 1 + 5**count // 60)
    ]
    for _ in range(3):
        for call in calls:
            assert f(*call) == g(*call) == shown(*call)


def test_names_of_arguments_count() -> None:
    f = memorious(lambda a, b=1, c=2: shown(a, b, c))
    for _ in range(4):
        assert f(7) == shown(7, 1, 2)
        assert f(7, b=3) == shown(7, 3, 2)
        assert f(7, c=3) == shown(7, 1, 3)
        assert f(7, **{"".join("c"): 3}) == shown(7, 1, 3)
        assert f(b=7, a=3) == f(3, 7) == shown(3, 7, 2)
        assert f(c=7, a=3) == shown(3, 1, 7)
        with pytest.raises(TypeError):
            f(7, d=3)
        with pytest.raises(TypeError):
            f(7, a=3)


@pytest.mark.parametrize("declaration", ["a, b=1", "a, *, b=1"])
@pytest.mark.parametrize("default", [2, True, 1.0, "1", None])
def test_changed_default_counts(declaration: str, default: object) -> None:
    f: Any = memorious(eval(f"lambda {declaration}: (a, b)"))
    for b in (1, default):
        if "*" in declaration:
            f.__wrapped__.__kwdefaults__["b"] = b
        else:
            f.__wrapped__.__defaults__ = (b,)
        assert [f(1), f(1), f(1)] == [(1, b)] * 3
        assert type(f(1)[1]) is type(b)


@pytest.mark.slow
def test_random_calls_have_the_results_of_the_function() -> None:
    """The arguments are more than the table holds, so that it grows and pauses."""

    @memorious(durability="never")
    def f(a: object, b: object) -> str:
        return shown(a, b)

    choose = random.Random(0)
    for width in (10, 70, 300, 3000):
        for _ in range(6000):
            a, b = choose.randrange(width), choose.choice([0, False, 0.0, "0"])
            assert f(a, b) == shown(a, b)


FACTOR = 2


def test_changed_global_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    f = memorious(lambda x: x * FACTOR)
    for factor in (2, 3, 2):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        assert [f(5), f(5), f(5)] == [5 * factor] * 3


def test_forgotten_result_has_no_entry() -> None:
    f = memorious(lambda x: x)
    for forget in (f.forget, lambda x: f.key(x).path.unlink() or f.cache_clear()):
        before = f.cache_info().misses
        assert [f(1), f(1), f(1), f(x=1), f(x=1)] == [1] * 5
        forget(1)
        f(1), f(x=1)
        assert f.cache_info().misses in (before + 1, before + 2, 1)
        assert f.key(1).path.exists()


def test_refreshed_folder_is_noticed_within_a_second() -> None:
    f = memorious(lambda x: x)
    for _ in range(5):
        f(1)
    f.key(1).path.unlink()
    deadline = time.monotonic() + 60
    start = time.monotonic()
    while f.cache_info().misses < 2:
        assert time.monotonic() < deadline
        f(1)
    assert time.monotonic() - start < 5


def references(value: object) -> int:
    gc.collect()
    return sys.getrefcount(value)


@pytest.mark.skipif(not IS_LOCKED, reason="each thread keeps small results")
def test_result_is_released_when_it_leaves_memory() -> None:
    big = "result" * int("100")  # made at run time: a constant may be immortal

    @memorious(memory=1 << 20)
    def f(x: int) -> str:
        return big

    f(1)
    f.forget(1)
    before = references(big)  # those of the guards
    for number, (name, args) in enumerate([("forget", (0,)), ("cache_clear", ())]):
        for _ in range(4):
            assert f(number) == f(x=number) == big
        assert references(big) > before
        getattr(f, name)(*args)
        assert references(big) == before


def test_result_is_released_with_its_function() -> None:
    big = "result" * int("100")  # made at run time: a constant may be immortal

    def left(memory: int) -> int:
        f = memorious(memory=memory)(lambda x: big)
        f(1), f(1), f(1)
        del f
        return references(big)

    assert left(0) == left(1 << 20) == left(1 << 20)


@pytest.mark.slow
def test_result_in_use_is_not_evicted() -> None:
    f = memorious(memory=100_000, durability="never")(lambda x: str(x) * 20)
    f(0)
    for x in range(1, 2000):
        for _ in range(100):
            f(0)
        f(x)
    assert f.cache_info().disk_hits == 0
    assert f.cache_info().memory_bytes <= 100_000


def test_evicted_result_is_read_from_disk_again() -> None:
    f = memorious(memory=100_000, durability="never")(lambda x: str(x) * 20)
    for x in range(1000):
        assert f(x) == f(x) == f(x) == str(x) * 20
    for x in range(1000):
        assert f(x) == str(x) * 20
    info = f.cache_info()
    assert info.misses == 1000
    assert info.disk_hits > 500
    # Without the interpreter lock, each thread keeps up to 256 small results of a function.
    of_thread = 0 if IS_LOCKED else 256 * 500
    assert info.memory_bytes <= 100_000 + of_thread


def test_hits_are_counted() -> None:
    f = memorious(lambda x: x)
    for _ in range(1001):
        f(1)
    info = f.cache_info()
    assert (info.memory_hits, info.disk_hits, info.misses) == (1000, 0, 1)


class Clearing:
    """A value that is hashed at each hit, and runs code then."""

    def __init__(self) -> None:
        self.run: Callable[[], object] = int

    def __reduce__(self) -> tuple[Any, ...]:
        self.run()
        return (Clearing, ())


CLEARING = Clearing()


def test_guard_that_clears_the_memory() -> None:
    f = memorious(lambda x: (x, CLEARING is None))
    assert [f(1), f(1), f(1)] == [(1, False)] * 3
    CLEARING.run = f.cache_clear
    try:
        assert [f(1), f(1), f(1)] == [(1, False)] * 3
        CLEARING.run = lambda: f.forget(1)
        assert f(1) == (1, False)
    finally:
        CLEARING.run = int
    assert [f(1), f(1)] == [(1, False)] * 2


def test_coroutine_functions_return_coroutines() -> None:
    @memorious
    async def later(x: int) -> int:
        return x

    for _ in range(5):
        coroutine = later(1)
        assert inspect.iscoroutine(coroutine)
        assert asyncio.run(coroutine) == 1


def test_mutable_results_are_copies() -> None:
    f = memorious(lambda x: [x, {"a": [x]}])
    for _ in range(5):
        result = f(1)
        assert result == [1, {"a": [1]}]
        result[1]["a"].append("spoilt")
        result.clear()


def test_ignored_arguments_do_not_count(cache: Path) -> None:
    f = memorious(ignore=["verbose"])(lambda x, verbose: x)
    assert [f(1, True), f(1, False), f(1, 2), f(1, 3)] == [1] * 4
    assert f.cache_info().misses == 1
