"""`cache_if` decides which results are stored, and `cache_info` counts those that are not."""

from __future__ import annotations

import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from funes import CacheWarning, hash_definition, memorious, mode

pytestmark = pytest.mark.usefixtures("cache")


def refuses_none(result: Any, seconds: float) -> bool:
    assert seconds >= 0
    return result is not None


@memorious(cache_if=refuses_none)
def find(x: int) -> int | None:
    with open("runs", "ab") as file:
        file.write(b"+")
    return x if x > 0 else None


@pytest.fixture(autouse=True)
def _fresh(cache: Path) -> None:
    find._move(str(cache))
    find._warned.clear()
    find.cache_clear()


def runs() -> int:
    return len(Path("runs").read_bytes())


def test_result_that_the_predicate_refuses_is_returned_and_not_stored() -> None:
    assert find(0) is None
    assert find(0) is None
    assert find(1) == find(1) == 1
    assert runs() == 3
    assert [find.is_cached(x) for x in (0, 1)] == [False, True]
    info = find.cache_info()
    assert (info.misses, info.uncached, info.reasons) == (3, 2, {"cache_if": 2})
    find.cache_clear()
    assert find.cache_info().reasons == {}


def test_predicate_gets_the_run_time() -> None:
    seen = []

    @memorious(cache_if=lambda result, seconds: seen.append((result, seconds)) or seconds > 1e9)
    def f(x: int) -> int:
        return x

    assert f(1) == 1
    assert seen[0][0] == 1
    assert 0 < seen[0][1] < 60
    assert not f.is_cached(1)


def test_predicate_that_raises_warns_once() -> None:
    @memorious(cache_if=lambda result, _: result["missing"])
    def f(x: int) -> dict[str, int]:
        return {"x": x}

    with pytest.warns(CacheWarning, match="cache_if raised KeyError: 'missing'"):
        assert f(1) == {"x": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(2) == {"x": 2}
    assert not f.is_cached(1)
    assert f.cache_info().reasons == {"cache_if raised": 2}


def test_predicate_is_not_part_of_the_definition() -> None:
    def f(x: int) -> int:
        return x

    assert memorious(cache_if=lambda *_: True)(f).definition == memorious(f).definition
    assert memorious(cache_if=refuses_none)(f).definition == hash_definition(f)


def test_refused_refresh_leaves_the_entry() -> None:
    verdict = [True]

    @memorious(cache_if=lambda *_: verdict[0])
    def f(x: int) -> int:
        return x

    f(1)
    stamp = f.key(1).path.stat().st_mtime_ns
    verdict[0] = False
    assert f.refresh(1) == 1
    assert f.key(1).path.stat().st_mtime_ns == stamp
    assert f.cache_info().reasons == {"cache_if": 1}


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_predicate_holds_for_a_function_that_was_sent(pickler: Any) -> None:
    sent = pickler.loads(pickler.dumps(find))
    assert sent(0) is None
    assert not find.is_cached(0)


@pytest.mark.parametrize("executor", [None, 1])
def test_predicate_holds_in_sweeps(executor: int | None) -> None:
    sweep = find.map([0, 1, 0], executor=executor)
    assert list(sweep) == [None, 1, None]
    assert sweep.missing == [0]
    assert find.is_cached(1)


def test_async_functions() -> None:
    import asyncio

    @memorious(cache_if=refuses_none)
    async def f(x: int) -> int | None:
        return x or None

    async def main() -> None:
        assert await f(0) is None
        assert await f(1) == 1

    asyncio.run(main())
    assert [f.is_cached(x) for x in (0, 1)] == [False, True]


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_reasons_of_uncached_calls() -> None:
    @memorious
    def f(x: Any) -> Any:
        if isinstance(x, list):
            x.append(1)
        return threading.Lock() if x == "lock" else x

    f(threading.Lock())
    f([])
    f([])
    f("lock")
    with mode("off"):
        f(1)
    with mode("readonly"):
        f(1)
    f(1)
    assert f.cache_info().reasons == {
        "argument cannot be hashed": 1,
        "inputs changed": 2,
        "mode off": 1,
        "mode readonly": 1,
        "result cannot be pickled": 1,
    }
    assert f.cache_info().uncached == 6
    assert f.cache_info().misses == 7
