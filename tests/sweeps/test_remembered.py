"""Sweeps over a function that remembers errors: they are neither computed again nor missing."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sweep_functions import remembers, remembers_async

from funes import CacheWarning, mode

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.filterwarnings("ignore::funes.CacheWarning"),
]

#: The points that fail with a remembered error, and with another one.
BAD, OTHER = (1, 4), (3,)


@pytest.fixture(autouse=True)
def _fresh(cache: Path) -> None:
    for function in (remembers, remembers_async):
        function._move(str(cache))
        function._warned.clear()
        function.cache_clear()


def runs() -> list[int]:
    path = Path("log")
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def make(function: Any = remembers, **options: Any) -> Any:
    points = [(x, BAD, OTHER, os.path.abspath("log")) for x in range(6)]
    return function.starmap(points, **{"on_error": "collect", **options})


@pytest.mark.parametrize("executor", [None, 2])
@pytest.mark.parametrize("function", [remembers, remembers_async])
def test_a_sweep_computes_no_remembered_error_again(executor: Any, function: Any) -> None:
    sweep = make(function, executor=executor, retries=2)
    assert list(sweep) == [0, 2, 5]
    assert [each.index for each in sweep.errors] == [1, 3, 4]
    assert [each.is_hit for each in sweep.errors] == [False] * 3
    assert [point[0] for point in sweep.missing] == [3]
    # Remembered errors are not retried.
    assert sorted(runs()) == [0, 1, 2, 3, 3, 3, 4, 5]
    again = make(function, executor=executor)
    assert repr(again).startswith(f"{function.__name__}: 6 points, 3 cached, 2 failed, 1 to comp")
    assert [each.index for each in again.errors] == [1, 4]
    assert [each.is_hit for each in again.errors] == [True] * 2
    assert [point[0] for point in again.missing] == [3]
    assert again.status() == (6, 0, 5, 1)
    assert str(again.status()) == "5 of 6 points are stored, 1 is missing"
    assert again.results() == [0, 2, 5]
    assert len(runs()) == 9
    assert [repr(each.error) for each in again.errors] == [
        *("ValueError('no value for 1')", "KeyError(3)", "ValueError('no value for 4')")
    ]


@pytest.mark.parametrize("executor", [None, 2])
def test_iteration_raises_a_remembered_error_in_its_turn(executor: Any) -> None:
    make(executor=executor).results()
    sweep = iter(make(executor=executor, on_error="raise"))
    assert next(sweep) == 0
    with pytest.raises(ValueError, match="no value for 1") as caught:
        next(sweep)
    assert "points[1] = (1, " in caught.value.__notes__[0]  # type: ignore[attr-defined]
    assert next(sweep) == 2


@pytest.mark.parametrize("function", [remembers, remembers_async])
def test_in_an_event_loop(function: Any) -> None:
    async def collect() -> list[Any]:
        return [result async for result in make(function)]

    for count in (6, 7):
        assert asyncio.run(collect()) == [0, 2, 5]
        assert len(runs()) == count


def test_modes() -> None:
    make().results()
    with mode("refresh"):
        sweep = make()
    assert not sweep.errors
    assert sweep.results() == [0, 2, 5]
    assert len(runs()) == 12
    with mode("off"):
        sweep = make()
        assert not sweep.errors
    with mode("offline"):
        sweep = make()
    assert [each.index for each in sweep.errors] == [1, 4]
    assert len(runs()) == 12


def test_an_error_that_another_sweep_has_stored_meanwhile() -> None:
    sweep = make()
    assert len(sweep.missing) == 6
    make().results()
    assert [point[0] for point in sweep.missing] == [3]
    assert sweep.status() == (6, 0, 5, 1)
    assert sweep.results() == [0, 2, 5]
    assert runs() == [0, 1, 2, 3, 4, 5, 3]


def test_many_points_are_looked_for_by_a_listing() -> None:
    points = [(x, (5, 600), (), os.path.abspath("log")) for x in range(700)]
    first = remembers.starmap(points, on_error="collect")
    assert len(first.results()) == 698
    again = remembers.starmap(points)
    assert [each.index for each in again.errors] == [5, 600]
    assert again.missing == []
    assert len(runs()) == 700


def test_tables_leave_failed_points_out() -> None:
    pytest.importorskip("pandas")
    for _ in range(2):
        frame = make().to_pandas()
        assert list(frame["x"]) == [0, 2, 5]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root, to give rights up"
)
def test_a_worker_that_cannot_store_sends_the_error_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    monkeypatch.chdir("/")
    points = [(x, BAD, OTHER) for x in range(6)]
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("fork")
        remembers._move(f"{folder}/cache")
        with ProcessPoolExecutor(1, context, initializer=become_nobody) as pool:
            sweep = remembers.starmap(points, executor=pool, on_error="collect")
            assert list(sweep) == [0, 2, 5]
        assert [each.index for each in remembers.starmap(points).errors] == [1, 4]
        assert [point[0] for point in sweep.missing] == [3]


def test_a_changed_option_makes_them_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    make().results()
    options = remembers._options._replace(remember_errors=())
    other = type(remembers)(remembers.__wrapped__, options)
    other._move(remembers._root)
    sweep = make(other)
    assert not sweep.errors
    assert [point[0] for point in sweep.missing] == [1, 3, 4]
    with pytest.warns(CacheWarning, match="3 of 6 points failed"):
        assert sweep.results() == [0, 2, 5]
