"""`max_age` lets entries expire."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from funes import CacheMissError, CacheWarning, load_cached_results, memorious, mode
from funes.types import Memo

HOUR = 3600


@pytest.fixture(autouse=True)
def _here(cache: Path) -> None:
    assert cache.parent == Path.cwd()


def runs() -> int:
    return len(Path("runs").read_bytes()) if os.path.exists("runs") else 0


def note() -> None:
    with open("runs", "ab") as file:
        file.write(b"+")


def make(max_age: Any = HOUR, **options: Any) -> Memo[[int], list[int]]:
    @memorious(files="ignore", max_age=max_age, **options)
    def hourly(x: int) -> list[int]:
        note()
        return [x, runs()]

    return hourly


def set_age(memo: Any, seconds: float, *args: Any) -> None:
    """Gives an entry an age, and forgets the copy in memory."""
    then = time.time() - seconds
    os.utime(memo.key(*args).path, (then, then))
    memo.cache_clear()


@pytest.mark.parametrize("max_age", [HOUR, float(HOUR), timedelta(hours=1)])
def test_entry_expires_and_is_replaced(max_age: Any) -> None:
    hourly = make(max_age)
    assert hourly(1) == hourly(1) == [1, 1]
    set_age(hourly, HOUR - 60, 1)
    assert hourly(1) == [1, 1]
    assert hourly.is_cached(1)
    set_age(hourly, HOUR + 60, 1)
    assert not hourly.is_cached(1)
    assert hourly(1) == [1, 2]
    assert hourly.is_cached(1)
    hourly.cache_clear()
    assert hourly(1) == [1, 2]


def test_results_in_memory_expire() -> None:
    short = make(0.5)
    start = time.monotonic()
    results = set()
    while time.monotonic() < start + 1.3:
        results.add(tuple(short(1)))
        time.sleep(0.001)
    assert 3 <= len(results) <= 4
    assert short.cache_info().memory_hits > 50


def test_scalar_results_in_memory_expire() -> None:
    @memorious(files="ignore", max_age=0.3)
    def short(x: int) -> int:
        note()
        return x

    for _ in range(200):
        short(1)
    time.sleep(0.4)
    for _ in range(200):
        short(1)
    assert runs() == 2


def test_age_zero_computes_every_call() -> None:
    always = make(0)
    assert always(1) == [1, 1]
    assert always(1) == [1, 2]
    assert not always.is_cached(1)


def test_entry_from_the_future_is_not_trusted_without_limit() -> None:
    hourly = make()
    hourly(1)
    set_age(hourly, -HOUR / 2, 1)
    assert hourly(1) == [1, 1]
    set_age(hourly, -2 * HOUR, 1)
    assert hourly(1) == [1, 2]


def test_failed_computation_leaves_the_expired_entry() -> None:
    @memorious(files="ignore", max_age=HOUR)
    def fails(x: int) -> int:
        note()
        if runs() == 2:
            raise ValueError("no value")
        return x

    fails(1)
    set_age(fails, 2 * HOUR, 1)
    with pytest.raises(ValueError, match="no value"):
        fails(1)
    assert len(load_cached_results(fails)) == 1
    assert fails(1) == 1
    assert fails.is_cached(1)


@pytest.mark.parametrize("name", ["readonly", "offline"])
def test_expired_entry_is_served_with_one_warning_if_nothing_may_be_stored(name: Any) -> None:
    hourly = make()
    hourly(1)
    hourly(2)
    set_age(hourly, 2 * HOUR, 1)
    set_age(hourly, 2 * HOUR, 2)
    with mode(name):
        with pytest.warns(CacheWarning, match=f"older than max_age, and is used in mode {name}"):
            assert hourly(1) == [1, 1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert hourly(1) == [1, 1]
            assert hourly(2) == [2, 2]
        assert not hourly.is_cached(1)
    assert runs() == 2
    assert hourly(1) == [1, 3]
    with mode("offline"), pytest.raises(CacheMissError):
        hourly(3)


def test_listing_marks_expired_results() -> None:
    pd = pytest.importorskip("pandas")
    hourly = make()
    hourly(1)
    hourly(2)
    set_age(hourly, 2 * HOUR, 1)
    found = {each["input"]["x"]: each["expired"] for each in load_cached_results(hourly)}
    assert found == {1: True, 2: False}
    frame = load_cached_results(hourly).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["x", "output", "time", "expired"]
    lasting = make(None)
    lasting(1)
    assert "expired" not in next(iter(load_cached_results(lasting)))


@pytest.mark.parametrize("count", [3, 300])
def test_sweep_counts_expired_points_as_missing(count: int) -> None:
    hourly = make()
    assert len(list(hourly.map(range(count)))) == count
    set_age(hourly, 2 * HOUR, 1)
    sweep = hourly.map(range(count))
    assert sweep.missing == [1]
    assert sweep.status().missing == 1
    assert f"{count - 1} cached" in str(sweep)
    assert list(sweep)[1] == [1, count + 1]
    assert hourly.map(range(count)).missing == []
    assert runs() == count + 1


def test_workers_replace_expired_entries() -> None:
    hourly = make()
    hourly(1)
    set_age(hourly, 2 * HOUR, 1)
    assert list(hourly.map([1, 1], executor=1)) == [[1, 2], [1, 2]]
    assert hourly.is_cached(1)


PROGRAM = """
import sys, time
from funes import memorious

@memorious(files="ignore", max_age=3600)
def hourly(x):
    with open("runs", "ab") as file:
        file.write(b"+")
    time.sleep(0.3)
    return x

if sys.argv[1:]:
    import os
    os.utime(hourly.key(1).path, (time.time() - 7200,) * 2)
else:
    hourly(1)
"""


@pytest.mark.slow
def test_of_several_processes_one_replaces_an_expired_entry() -> None:
    Path("program.py").write_text(PROGRAM)

    def start(*args: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "program.py", *args])

    assert start().wait() == 0
    assert start("expire").wait() == 0
    processes = [start() for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert runs() == 2


def test_methods_async_and_seeded_calls_expire() -> None:
    import asyncio
    import random

    class Model:
        @memorious(files="ignore", max_age=HOUR)
        def value(self, x: int) -> int:
            note()
            return x

    @memorious(files="ignore", max_age=HOUR)
    async def value_async(x: int) -> int:
        note()
        return x

    @memorious(files="ignore", max_age=HOUR)
    def draw() -> float:
        note()
        return random.random()

    model = Model()
    for call, expire in (
        (lambda: model.value(1), lambda: set_age(model.value, 2 * HOUR, 1)),
        (lambda: asyncio.run(value_async(1)), lambda: set_age(value_async, 2 * HOUR, 1)),
    ):
        before = runs()
        assert call() == call() == 1
        expire()
        assert call() == call() == 1
        assert runs() == before + 2
    first = draw(global_seed=1)
    path = draw.key(global_seed=1).path
    os.utime(path, (time.time() - 2 * HOUR,) * 2)
    draw.cache_clear()
    before = runs()
    assert draw(global_seed=1) == first
    assert runs() == before + 1


def test_explain_names_expired_entries() -> None:
    hourly = make()
    hourly(1)
    assert hourly.explain(1).is_hit
    set_age(hourly, 2 * HOUR, 1)
    explanation = hourly.explain(1)
    assert (explanation.why, explanation.is_hit, explanation.path) == (
        "expired",
        False,
        hourly.key(1).path,
    )
    assert "is older than max_age" in str(explanation)


def test_log_names_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    hourly = make()
    with caplog.at_level("INFO", "funes"):
        hourly(1)
        set_age(hourly, 2 * HOUR, 1)
        hourly(1)
        hourly.refresh(1)
    assert "is older than max_age" in caplog.messages[1]
    assert "its result is refreshed" in caplog.messages[2]
