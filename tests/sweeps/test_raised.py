"""Unusual exceptions of points have the same outcome with every executor."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sweep_functions import (
    Unprintable,
    UnprintableError,
    raises_base,
    raises_group,
    raises_unprintable,
)

from funes import CacheWarning, SweepError

pytestmark = pytest.mark.usefixtures("without_reducers_of_tblib")

EXECUTORS: dict[str, Callable[[], Any]] = {
    "none": nullcontext,
    "number": lambda: nullcontext(1),
    "threads": lambda: ThreadPoolExecutor(1),
    "spawn": lambda: ProcessPoolExecutor(1, multiprocessing.get_context("spawn")),
}


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with EXECUTORS[request.param]() as executor:
        yield executor


def test_exception_and_point_without_texts(executor: Any) -> None:
    sweep = raises_unprintable.map(
        range(3), [Unprintable()] * 3, executor=executor, on_error="collect"
    )
    with pytest.warns(CacheWarning, match="1 of 3 points failed.*cannot be shown.*: Unprintable"):
        assert list(sweep) == [0, 2]
    assert type(sweep.errors[0].error) is UnprintableError
    assert "UnprintableError" in repr(sweep.errors)
    with pytest.raises(UnprintableError):
        raises_unprintable.map([1], [Unprintable()], executor=executor).results()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no exception groups")
def test_group_with_a_member_that_cannot_be_pickled(executor: Any) -> None:
    sweep = raises_group.map(range(3), executor=executor, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 3 points failed"):
        assert list(sweep) == [0, 2]
    error = sweep.errors[0].error
    if executor is None:
        assert type(error).__name__ == "ExceptionGroup"
        return
    assert type(error) is SweepError
    for text in ("ExceptionGroup: several", "ValueError: a value", "UnpicklableError: 1 and 2"):
        assert text in str(error)


@pytest.mark.parametrize("on_error", ["raise", "collect"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, BaseException])
def test_what_is_no_exception_ends_the_sweep(
    executor: Any, on_error: Any, kind: type[BaseException]
) -> None:
    options = {"executor": executor, "on_error": on_error, "retries": 1}
    results = iter(raises_base.map(range(4), [kind] * 4, **options))
    assert next(results) == 0
    with pytest.raises(kind, match="from the point"):
        next(results)
    with pytest.raises(kind, match="from the point"):
        list(raises_base.map(range(4), [kind] * 4, **options).as_completed())
    assert raises_base.map([0, 1], [kind] * 2).status().missing == 1


def test_what_is_no_exception_is_not_repeated(executor: Any, log: str) -> None:
    """It would be an interrupt that is ignored."""
    sweep = raises_base.map([1], [SystemExit], executor=executor, on_error="collect", retries=5)
    with pytest.raises(SystemExit):
        list(sweep)
    assert sweep.errors == []
