"""What a function reads changes while its sweep is iterated: the definition of the plan counts."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import funes
from funes import memorious
from funes.types import Sweep

factor = 2


def times(x: int) -> int:
    return x * factor


@memorious(ignore="seconds")
def scaled(x: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return times(x)


@memorious(ignore="seconds")
async def scaled_later(x: int, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return times(x)


def doubled(x: int) -> int:
    return x * 2


def tripled(x: int) -> int:
    return x * 3


def edit_global(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "factor", 3)


def edit_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "times", tripled)


def edit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "__code__", tripled.__code__)


EDITS = [edit_global, edit_function, edit_code]


@pytest.fixture(autouse=True)
def _own_folder(cache: Any) -> None:
    for memo in (scaled, scaled_later):
        memo._move(str(cache))
        memo._warned.clear()


def in_order(sweep: Sweep[int]) -> Any:
    return sweep.items()


def completed(sweep: Sweep[int]) -> Any:
    return ((outcome.point, outcome.result()) for outcome in sweep.as_completed())


def in_loop(sweep: Sweep[int]) -> Any:
    results, loop = sweep.__aiter__(), asyncio.new_event_loop()
    try:
        for x in itertools.count():
            yield (x, 0.01), loop.run_until_complete(anext_of(results))
    finally:
        loop.close()


async def anext_of(results: Any) -> Any:
    return await results.__anext__()


@pytest.mark.filterwarnings("ignore:.*changed while it ran")
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("use", [in_order, completed, in_loop])
@pytest.mark.parametrize(
    ("memo", "kind"),
    [(scaled, None), (scaled, "threads"), (scaled_later, None), (scaled_later, "threads")],
)
def test_edit_during_an_iteration_gives_no_result_of_other_code(
    memo: Any, kind: Any, use: Callable[[Any], Any], edit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Threads compute ahead of the iteration, and a loop begins 64 coroutines at the same time.
    count = 40 if memo is scaled and kind is None else 200
    executor = ThreadPoolExecutor(2) if kind == "threads" else kind
    sweep = memo.map(range(count), [0.01] * count, executor=executor)
    found = []

    def iterate() -> None:
        for (x, _), result in use(sweep):
            found.append((x, result))
            if len(found) == 5:
                edit(monkeypatch)

    with pytest.raises(funes.SweepError, match="has changed since this sweep was made"):
        iterate()
    assert 5 <= len(found) < count
    assert all(result == 2 * x for x, result in found)
    if executor is not None:
        executor.shutdown()  # an edit that is undone while a point is computed is not noticed
    monkeypatch.undo()
    again = memo.map(range(count), [0.0] * count)
    assert again.status().stored >= 5
    assert list(again) == [2 * x for x in range(count)]


@pytest.mark.parametrize("kind", [None, "threads"])
def test_edit_while_a_point_is_computed(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call would return the result of the new code, with a warning that it is not stored."""
    executor = ThreadPoolExecutor(1) if kind == "threads" else kind
    sweep = scaled.map([7], [0.5], executor=executor)
    threading.Timer(0.2, edit_global, [monkeypatch]).start()
    with (
        pytest.raises(funes.SweepError, match="has changed since this sweep was made"),
        pytest.warns(funes.CacheWarning, match="changed while it ran"),
    ):
        list(sweep)
    assert not scaled.is_cached(7)
    monkeypatch.undo()
    assert not scaled.is_cached(7)


def test_own_workers_compute_with_the_code_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = scaled.map(range(40), [0.01] * 40, executor=1)
    results = iter(sweep)
    found = [next(results)]
    edit_global(monkeypatch)
    found += results
    assert found == [2 * x for x in range(40)]
    monkeypatch.undo()
    assert sweep.status().missing == 0


class Unpicklable:
    """An argument that cannot be copied, and so may change after its key was taken."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __funes_key__(self) -> int:
        return self.x

    def __reduce__(self) -> Any:
        raise TypeError("no pickle")


@pytest.mark.parametrize("is_lazy", [False, True])
def test_argument_that_changes_after_its_key_was_taken(is_lazy: bool) -> None:
    @memorious
    def read(value: Unpicklable) -> int:
        return value.x

    values = [Unpicklable(1), Unpicklable(2)]
    sweep = read.map(iter(values) if is_lazy else values)
    results = iter(sweep)
    if is_lazy:
        assert next(results) == 1
        sweep._plan.take(1)
    values[1].x = 3
    with pytest.raises(funes.SweepError, match="an argument has changed since") as caught:
        list(sweep)
    assert "raised for points[1]" in caught.value.__notes__[0]
    assert not read.is_cached(Unpicklable(2))
    assert read(Unpicklable(2)) == 2
