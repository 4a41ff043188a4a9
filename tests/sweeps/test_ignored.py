"""Arguments that `ignore=` leaves out reach the function as in a plain call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest

from funes import CacheWarning, grid, memorious

EXECUTORS: dict[str, Callable[[], Any]] = {
    "none": nullcontext,
    "threads": lambda: ThreadPoolExecutor(2),
}


@memorious(ignore=("lock", "seen", "extra", "more"))
def noted(x: int, lock: Any = None, seen: Any = None, *extra: Any, **more: Any) -> int:
    with lock:
        seen.append(x)
        for each in (*extra, *more.values()):
            each.append(x)
    return x + 1


class Box:
    @memorious(ignore=("self", "seen"))
    def put(self, x: int, seen: list[int]) -> int:
        seen.append(x)
        return x


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("form", ["map", "iterators", "tuples", "mappings", "grid"])
def test_ignored_arguments_are_passed_as_they_are(executor: str, form: str, cache: Any) -> None:
    noted._move(str(cache))
    lock, seen, other = threading.Lock(), list[int](), list[int]()
    with EXECUTORS[executor]() as found:
        if form == "map":
            sweep = noted.map(range(3), [lock] * 3, [seen] * 3, [other] * 3, executor=found)
        elif form == "iterators":
            columns = (iter([each] * 3) for each in (lock, seen, other))
            sweep = noted.map(iter(range(3)), *columns, executor=found)
        elif form == "tuples":
            sweep = noted.starmap([(x, lock, seen, other) for x in range(3)], executor=found)
        elif form == "mappings":
            points = [{"x": x, "lock": lock, "seen": seen, "other": other} for x in range(3)]
            sweep = noted.starmap(points, executor=found)
        else:
            points = grid(x=range(3), lock=[lock], seen=[seen], other=[other])
            sweep = noted.map(points, executor=found)
        assert list(sweep) == [1, 2, 3]
    assert sorted(seen) == sorted(other) == [0, 1, 2]
    assert sweep.status().stored == 3
    assert noted.is_cached(1)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_ignored_arguments_of_a_method(executor: str, cache: Any) -> None:
    Box.put._move(str(cache))
    seen: list[int] = []
    with EXECUTORS[executor]() as found:
        assert list(Box().put.map(range(3), [seen] * 3, executor=found)) == [0, 1, 2]
    assert sorted(seen) == [0, 1, 2]


def test_ignored_lock_cannot_leave_the_process(cache: Any) -> None:
    noted._move(str(cache))
    sweep = noted.map([1], [threading.Lock()], [[]], executor=1, on_error="collect")
    with pytest.warns(CacheWarning, match="lock' cannot be sent to another process|of type lock"):
        assert list(sweep) == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_other_arguments_are_copied(executor: str, cache: Any) -> None:
    @memorious(ignore="seen")
    def total(values: list[int], seen: list[int]) -> int:
        return sum(values)

    values: list[int] = [1, 2]
    with EXECUTORS[executor]() as found:
        sweep = total.map([values], [[]], executor=found)
        values.append(3)
        assert list(sweep) == [3]
