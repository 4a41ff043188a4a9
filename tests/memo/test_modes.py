"""Modes turn the cache off, make it read-only, or refresh it: `funes.mode` and `FUNES_MODE`."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import dill
import pytest

import funes
from funes import CacheMissError, CacheWarning, load_cached_results, memorious, mode
from funes._funes import take_usage
from funes._memo.mode import current_mode, entered

#: Each run of a function adds a byte.
RUNS = Path("runs")


@pytest.fixture(autouse=True)
def _fresh_memos(cache: Path) -> None:
    for memo in (square, outer, square_async, draw, Model.value, listed, holds):
        memo._move(str(cache))
        memo._warned.clear()


def runs() -> int:
    return len(RUNS.read_bytes()) if RUNS.exists() else 0


def note() -> None:
    with RUNS.open("ab") as file:
        file.write(b"+")


def files(cache: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in cache.rglob("*")}


@memorious
def square(x: int) -> int:
    note()
    return x * x


@memorious
def listed(x: int) -> list[int]:
    note()
    return [x]


@memorious
def outer(x: int) -> int:
    note()
    return square(x) + 1


@memorious
async def square_async(x: int) -> int:
    note()
    await asyncio.sleep(0)
    return x * x


@memorious
def draw() -> float:
    return random.random()


@memorious
def holds() -> Any:
    return square


class Model:
    @memorious
    def value(self, x: int) -> int:
        note()
        return x


def test_off_runs_the_function_and_neither_reads_nor_stores(cache: Path) -> None:
    with mode("off"):
        assert square(3) == 9
        assert square(3) == 9
    assert runs() == 2
    assert not cache.exists()
    assert square(3) == square(3) == 9
    before = files(cache)
    with mode("off"):
        assert square(3) == 9
        assert square.refresh(3) == 9
    assert runs() == 5
    assert files(cache) == before


def test_off_accepts_arguments_without_a_key() -> None:
    import warnings

    with mode("off"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert listed(lambda: 1)[0]() == 1  # type: ignore[arg-type, operator]
        assert listed(threading.Lock())  # type: ignore[arg-type]


def test_readonly_reads_and_creates_nothing(cache: Path) -> None:
    with mode("readonly"):
        assert square(3) == 9
    assert not cache.exists()
    square(3)
    before = files(cache)
    square.cache_clear()
    with mode("readonly"):
        assert square(3) == square(3) == 9
        assert square(4) == 16
        assert square.refresh(3) == 9
    assert runs() == 4
    assert files(cache) == before


def test_readonly_leaves_damaged_entries(cache: Path) -> None:
    square(3)
    path = square.key(3).path
    path.write_bytes(b"damaged")
    square.cache_clear()
    before = files(cache)
    with mode("readonly"), pytest.warns(CacheWarning, match="damaged"):
        assert square(3) == 9
    assert files(cache) == before


def test_offline_reads_and_raises_at_a_miss(cache: Path) -> None:
    square(3)
    square.cache_clear()
    before = files(cache)
    with mode("offline"):
        assert square(3) == square(3) == 9
        with pytest.raises(
            CacheMissError, match=r"square has no result in mode offline: .*x: 3 -> 4"
        ):
            square(4)
        with pytest.raises(CacheMissError):
            square.refresh(3)
        with pytest.raises(CacheMissError, match="listed has no result"):
            listed(threading.Lock())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="positional argument"):
            square()  # type: ignore[call-overload]
    assert runs() == 1
    assert files(cache) == before
    assert issubclass(CacheMissError, (funes.FunesError, LookupError))


def test_refresh_mode_replaces_also_inner_results(cache: Path) -> None:
    outer(3)
    before = files(cache)
    with mode("refresh"):
        assert outer(3) == 10
        assert outer(5) == 26
    assert runs() == 6
    assert files(cache)[str(square.key(3).path)] != before[str(square.key(3).path)]
    assert outer(3) == 10
    assert runs() == 6


def test_inner_block_decides_and_outer_one_returns() -> None:
    square(1)
    with mode("offline"):
        with mode("off"):
            assert square(2) == 4
        with pytest.raises(CacheMissError):
            square(2)
        with pytest.raises(ZeroDivisionError), mode("off"):
            1 / 0  # noqa: B018
        with pytest.raises(CacheMissError):
            square(2)
    assert current_mode() is None


def test_mode_object_can_be_used_again_and_nested() -> None:
    off = mode("off")
    with off, off:
        square(1)
    with off:
        square(1)
    assert runs() == 2
    assert repr(off) == "mode('off')"


@pytest.mark.parametrize("name", ["on", "", "OFF", None, 1, ["off"]])
def test_unknown_mode_names_the_allowed_ones(name: Any) -> None:
    with pytest.raises(ValueError, match='must be one of "off", "readonly", "offline", "refresh"'):
        mode(name)


def test_mode_does_not_change_results_in_memory_afterwards() -> None:
    for _ in range(100):
        square(3)
    with mode("off"):
        square(3)
    for _ in range(100):
        square(3)
    assert runs() == 2
    assert square.cache_info().memory_hits >= 198


def test_seeded_calls_in_every_mode_draw_the_same_numbers() -> None:
    first = draw(global_seed=7)
    state = random.getstate()
    for name in ("off", "readonly", "offline", "refresh"):
        with mode(name):  # type: ignore[arg-type]
            assert draw(global_seed=7) == first
    with mode("off"):
        assert draw(global_seed=8) != first
    assert random.getstate() == state


def test_methods_and_bound_methods() -> None:
    model = Model()
    model.value(1)
    with mode("offline"):
        assert model.value(1) == 1
        with pytest.raises(CacheMissError):
            model.value(2)
    with mode("off"):
        assert model.value(1) == 1
    assert runs() == 2


def test_mode_switched_within_a_memorious_function(cache: Path) -> None:
    @memorious
    def switches(x: int) -> int:
        with mode("off"):
            return square(x) + 1

    assert switches(3) == switches(3) == 10
    assert runs() == 1
    assert not square.is_cached(3)
    assert current_mode() is None


# Decorators


def test_decorated_function_runs_in_the_mode() -> None:
    @mode("off")
    def work(x: int, *, y: int = 0) -> int:
        """Works."""
        return square(x) + y

    assert work(3, y=1) == work(3, y=1) == 10
    assert runs() == 2
    assert (work.__name__, work.__doc__) == ("work", "Works.")
    assert current_mode() is None


def test_decorated_coroutine_function_runs_in_the_mode() -> None:
    @mode("off")
    async def work() -> int:
        return await square_async(3)

    async def main() -> None:
        results = await asyncio.gather(work(), square_async(3), work(), square_async(3))
        assert results == [9] * 4

    asyncio.run(main())
    assert runs() == 3


def test_decorated_generators_run_their_steps_in_the_mode() -> None:
    seen: list[str | None] = []

    @mode("off")
    def steps() -> Iterator[int]:
        try:
            seen.append(current_mode())
            got = yield 1
            seen.append(current_mode())
            assert got == 5
            try:
                yield 2
            except ValueError:
                seen.append(current_mode())
            yield 3
        finally:
            seen.append(current_mode())

    generator = steps()
    assert next(generator) == 1
    assert current_mode() is None
    assert generator.send(5) == 2  # type: ignore[attr-defined]
    assert generator.throw(ValueError()) == 3  # type: ignore[attr-defined]
    generator.close()  # type: ignore[attr-defined]
    assert seen == ["off"] * 4
    assert current_mode() is None


def test_decorated_async_generators_run_their_steps_in_the_mode() -> None:
    @mode("off")
    async def steps() -> AsyncIterator[str | None]:
        yield current_mode()
        await asyncio.sleep(0)
        yield current_mode()

    async def main() -> None:
        async for seen in steps():
            assert seen == "off"
            assert current_mode() is None

    asyncio.run(main())


def test_generator_that_is_closed_in_another_context_leaves_no_mode_behind() -> None:
    def steps() -> Iterator[int]:
        with mode("off"):
            yield 1

    generator = steps()
    contextvars.copy_context().run(next, generator)
    assert entered == ["off"]
    with mode("readonly"):
        generator.close()  # type: ignore[attr-defined]
        assert current_mode() == "readonly"
    assert entered == []
    assert current_mode() is None


class Decorated:
    @mode("off")
    def plain(self, x: int) -> int:
        return square(x)

    @mode("off")
    @staticmethod
    def static(x: int) -> int:
        return square(x)

    @mode("off")
    @classmethod
    def of_class(cls, x: int) -> int:
        return square(x)

    @mode("off")
    @memorious
    def cached(self, x: int) -> int:
        note()
        return x


def test_decorated_methods() -> None:
    for call in (Decorated().plain, Decorated.static, Decorated().of_class):
        assert call(3) == 9
    assert Decorated().cached(9) == 9
    assert runs() == 4
    assert not square.is_cached(3)


def test_memorious_function_in_a_mode_keeps_its_methods() -> None:
    off = mode("off")(square)
    assert off(3) == 9
    assert not off.is_cached(3)
    assert off.__wrapped__ is square.__wrapped__
    assert off.refresh(3) == 9
    assert list(off.map([3])) == [9]
    assert runs() == 3
    assert "off" in repr(off)
    assert copy.copy(off)(3) == copy.deepcopy(off)(3) == 9
    with pytest.raises(AttributeError):
        off.nothing  # noqa: B018
    with pytest.raises(TypeError, match="decorates a function"):
        mode("off")(3)  # type: ignore[type-var]


# Threads, tasks, processes


def test_threads_have_no_mode_unless_they_run_in_a_copy_of_the_context() -> None:
    square(1)
    with mode("off"), ThreadPoolExecutor() as pool:
        inherits = getattr(sys.flags, "thread_inherit_context", False)
        assert pool.submit(current_mode).result() == ("off" if inherits else None)
        context = contextvars.copy_context()
        assert pool.submit(context.run, current_mode).result() == "off"


def test_modes_of_threads_do_not_mix() -> None:
    barrier = threading.Barrier(4)

    def work(name: Any) -> set[str | None]:
        seen = set()
        for _ in range(200):
            with mode(name):
                seen.add(current_mode())
                barrier.wait()
                seen.add(current_mode())
        return seen

    with ThreadPoolExecutor(4) as pool:
        names = ["off", "readonly", "offline", "refresh"]
        assert list(pool.map(work, names)) == [{name} for name in names]


def test_tasks_inherit_the_mode_in_which_they_were_created() -> None:
    async def main() -> None:
        with mode("off"):
            task = asyncio.create_task(square_async(3))
            threaded = asyncio.to_thread(square, 3)
            assert await threaded == 9
        assert await task == 9
        assert await square_async(3) == 9
        assert await square_async(3) == 9

    asyncio.run(main())
    assert runs() == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the forks of Unix")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_keeps_the_mode() -> None:
    with mode("off"):
        child = os.fork()
        if child == 0:
            square(3)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert runs() == 1
    assert not square.is_cached(3)


@pytest.mark.parametrize("pickler", [pickle, dill, cloudpickle])
def test_mode_travels_with_a_pickled_function(pickler: Any) -> None:
    usual = pickler.dumps(square)
    with mode("off"):
        data = pickler.dumps((square, Model().value))
    assert pickler.dumps(square) == usual
    function, bound = pickler.loads(data)
    assert function(3) == bound(3) + 6 == 9
    assert not square.is_cached(3)
    assert not function.is_cached(3)
    assert pickler.loads(pickler.dumps(function))(3) == 9
    assert runs() == 3
    with mode("refresh"):
        assert pickler.loads(pickler.dumps(function))(3) == 9
    assert not square.is_cached(3)


def process_pool(kind: str) -> Any:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    if kind == "concurrent":
        return ProcessPoolExecutor(1, mp_context=context)
    return context.Pool(1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["concurrent", "multiprocessing"])
def test_mode_travels_to_pools_that_pickle_in_a_thread(kind: str) -> None:
    with process_pool(kind) as pool:
        assert list(pool.map(square, [5])) == [25]  # the worker exists before the mode
        with mode("off"):
            assert list(pool.map(square, [3, 4])) == [9, 16]
        assert list(pool.map(mode("off")(square), [6])) == [36]
        assert [square.is_cached(x) for x in (3, 4, 5, 6)] == [False, False, True, False]


def test_mode_is_not_stored_with_results() -> None:
    with mode("refresh"):
        assert holds()(3) == 9
    holds.cache_clear()
    assert holds() is square
    with mode("refresh"):
        listed([square])  # type: ignore[arg-type]
    assert next(iter(load_cached_results(listed)))["input"]["x"] == [square]


# Sweeps


@pytest.mark.parametrize("executor", [None, 2])
def test_sweeps_in_modes(cache: Path, executor: int | None) -> None:
    square(1)
    with mode("off"):
        off = square.map([1, 2], executor=executor)
    assert str(off) == "square: 2 points, 2 to compute"
    assert list(off) == [1, 4]
    assert list(off) == [1, 4]
    assert off.missing == [1, 2]
    assert not square.is_cached(2)
    assert runs() == 3

    before = files(cache)
    with mode("readonly"):
        assert list(square.map([1, 3], executor=executor)) == [1, 9]
    assert runs() == 4
    assert files(cache) == before

    with mode("offline"):
        sweep = square.map([1, 3], executor=executor, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 2 points failed"):
        assert list(sweep) == [1]
    assert [type(each.error) for each in sweep.errors] == [CacheMissError]
    assert files(cache) == before

    with mode("refresh"):
        again = square.map([1, 1, 3], executor=executor)
    assert str(again).startswith("square: 3 points, 1 duplicate, 2 to compute")
    assert list(again) == [1, 1, 9]
    assert list(again) == [1, 1, 9]
    assert runs() == 6
    assert files(cache)[str(square.key(1).path)] != before[str(square.key(1).path)]
    assert list(square.map([1, 3], executor=executor)) == [1, 9]
    assert runs() == 6


def test_sweep_of_coroutines_in_modes() -> None:
    async def main() -> None:
        await square_async(1)
        with mode("off"):
            sweep = square_async.map([1, 2])
        assert await sweep == [1, 4]
        with mode("offline"):
            stored = square_async.map([1])
        assert await stored == [1]

    asyncio.run(main())
    assert runs() == 3


def test_sweep_tables_off(cache: Path) -> None:
    pytest.importorskip("pandas")
    square(2)
    with mode("off"):
        sweep = square.map([2])
    assert sweep.to_pandas()["output"].tolist() == [4]
    assert runs() == 2


# The environment

PROGRAM = """
import sys
from funes import CacheMissError, mode, memorious

@memorious
def f(x):
    print("run", x)
    return x

try:
    f(1); f(1)
    with mode("off"):
        f(2)
    f(1)
except CacheMissError as error:
    print("miss")
print(f.is_cached(1))
"""


def in_environment(value: str | None, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, **({} if value is None else {"FUNES_MODE": value})}
    return subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=True
    )


@pytest.mark.slow
def test_environment_sets_the_mode(tmp_path: Path, cache: Path) -> None:
    def output(value: str | None) -> list[str]:
        return in_environment(value, tmp_path).stdout.split("\n")[:-1]

    assert output("off") == ["run 1", "run 1", "run 2", "run 1", "False"]
    assert output("readonly") == ["run 1", "run 1", "run 2", "run 1", "False"]
    assert output("offline") == ["miss", "False"]
    assert not cache.exists()
    assert output("") == ["run 1", "run 2", "True"]
    before = files(cache)
    assert output("readonly") == ["run 2", "True"]
    assert output("offline") == ["run 2", "True"]
    assert files(cache) == before, "neither the statistics of hits"
    assert output("refresh") == ["run 1", "run 1", "run 2", "run 1", "True"]
    assert output(None) == ["run 2", "True"]


def test_unknown_mode_in_the_environment_warns_once(tmp_path: Path) -> None:
    done = in_environment("offlne", tmp_path)
    assert done.stdout.split() == ["run", "1", "run", "2", "True"]
    assert done.stderr.count("CacheWarning") == 1
    expected = "FUNES_MODE is ignored: it must be off, readonly, offline or refresh, not 'offlne'"
    assert expected in done.stderr


def test_wrapped_goes_around_the_cache(cache: Path) -> None:
    wrapped: Callable[[int], int] = square.__wrapped__
    assert wrapped(3) == 9
    assert not cache.exists()


def test_hits_in_a_mode_that_writes_nothing_are_not_saved() -> None:
    @memorious
    def half(x: int) -> float:
        return x / 2

    for _ in range(3):
        half(1)
    with mode("readonly"):
        for _ in range(5):
            half(1)
        with mode("off"):
            half(1)
    half(1)
    hits = {Path(folder).parent.name: hits for folder, hits, _ in take_usage()}
    assert hits["half"] == 3
