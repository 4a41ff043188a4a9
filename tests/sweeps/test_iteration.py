"""Iterations over the points of a sweep: exceptions that end loops, early exits, threads, forks, cancellation."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sweep_functions import later, note, raises, square, waits

import funes
from funes import grid, memorious
from funes.types import Sweep

Lines = Callable[[], list[str]]

#: The exceptions that end a loop, a generator or a task, so that a caller would not see them.
ENDINGS = [StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError]


async def collected(sweep: Sweep[Any]) -> list[Any]:
    return [result async for result in sweep]


USES: dict[str, Callable[[Sweep[Any]], object]] = {
    "list": list,
    "results": lambda sweep: sweep.results(),
    "items": lambda sweep: list(sweep.items()),
    "as_completed": lambda sweep: [outcome.result() for outcome in sweep.as_completed()],
    "to_pandas": lambda sweep: sweep.to_pandas(),
    "to_xarray": lambda sweep: sweep.to_xarray(),
    "async for": lambda sweep: asyncio.run(collected(sweep)),
    "await": lambda sweep: asyncio.run(collected(sweep)),
}


@pytest.mark.parametrize(
    ("executor", "use"),
    [(None, use) for use in USES] + list(itertools.product([1, "threads"], ["list", "async for"])),
)
@pytest.mark.parametrize("kind", ENDINGS, ids=lambda kind: str(kind.__name__))
def test_exception_that_ends_loops_becomes_an_error_that_names_the_point(
    kind: type[BaseException], executor: Any, use: str
) -> None:
    if use in ("to_pandas", "to_xarray"):
        pytest.importorskip(use.removeprefix("to_"))
    pool = ThreadPoolExecutor(1) if executor == "threads" else executor
    sweep = raises.map(grid(x=[0, 1, 2], kind=[kind]), executor=pool)
    with pytest.raises(RuntimeError, match=rf"points\[1\].*raised {kind.__name__}") as caught:
        USES[use](sweep)
    assert isinstance(caught.value.__cause__, kind)
    assert [type(outcome.error) for outcome in sweep.errors] == [RuntimeError]


@pytest.mark.parametrize("kind", [StopAsyncIteration, GeneratorExit, asyncio.CancelledError])
def test_exception_of_a_coroutine_that_ends_loops(kind: type[BaseException]) -> None:
    @memorious
    async def fetch(x: int) -> int:
        if x == 1:
            raise kind
        return x

    for use in ("list", "async for", "await"):
        with pytest.raises(RuntimeError, match=rf"points\[1\].*raised {kind.__name__}"):
            USES[use](fetch.map([0, 1, 2]))
    with pytest.warns(funes.CacheWarning, match="1 of 3 points failed"):
        assert asyncio.run(collected(fetch.map([0, 1, 2], on_error="collect"))) == [0, 2]


def test_end_of_loop_that_is_raised_by_a_function_for_progress() -> None:
    def show(progress: object) -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(square.map([1, 2], progress=show))


def broken_input() -> Iterator[object]:
    yield 1
    yield 2
    raise OSError("the input broke")


@pytest.mark.parametrize("executor", [None, 1])
@pytest.mark.parametrize(
    ("points", "kind", "message"),
    [
        (broken_input, OSError, "the input broke"),
        (
            lambda: iter([1, 2, (n for n in ()), 4]),
            funes.UnhashableArgumentError,
            r"^points\[2\]: ",
        ),
        (lambda: map(int, ["1", "2", "x"]), ValueError, "invalid literal"),
    ],
)
def test_error_of_the_input_comes_after_the_points_before_it_and_again(
    points: Callable[[], Iterator[Any]], kind: type[Exception], message: str, executor: Any
) -> None:
    sweep = square.map(points(), executor=executor)
    for _ in range(2):
        results, found = iter(sweep), []
        with pytest.raises(kind, match=message) as caught:
            found.extend(results)
        assert found == [1, 4]
        assert getattr(caught.value, "__notes__", []) in ([], ["raised for points[2] of a sweep"])
    with pytest.raises(kind, match=message):
        square.map(points(), executor=executor).start()
    with pytest.raises(TypeError, match="not known"):
        len(sweep)


def test_interrupted_input_is_no_end_of_the_points() -> None:
    def points() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    sweep = square.map(points())
    with pytest.raises(KeyboardInterrupt):
        list(sweep)
    with pytest.raises(funes.SweepError, match="interrupted"):
        list(sweep)


# Leaving a loop


@pytest.mark.parametrize("executor", [None, 2])
def test_break_out_of_async_for_and_for_leave_what_runs(
    executor: Any, log: str, lines: Lines
) -> None:
    """What was begun ends and is stored, what was not begun is cancelled, and a later loop goes on."""

    async def main() -> None:
        sweep = later.map(range(150), [log] * 150, executor=executor)
        async for result in sweep:
            assert result == 0
            break
        begun = 0
        for _ in range(100):
            await asyncio.sleep(0.05)
            now = lines()
            begun = sum(line.startswith("begin") for line in now)
            if begun == len(now) - begun:
                break
        assert 1 <= begun < 150
        assert sweep.status().stored == begun
        assert await sweep == [10 * x for x in range(150)]

    asyncio.run(main())
    assert len(lines()) == 300


def test_cancelled_task_cancels_its_coroutines_and_a_later_loop_goes_on(
    log: str, lines: Lines
) -> None:
    @memorious(ignore="log", files="ignore")
    async def slow(x: int, log: str) -> int:
        note(log, x)
        await asyncio.sleep(0.01 if x < 2 or len(lines()) > 4 else 60)
        return x

    async def main() -> None:
        sweep = slow.map(range(4), [log] * 4)
        results = sweep.__aiter__()
        assert [await results.__anext__() for _ in range(2)] == [0, 1]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(results.__anext__(), 0.1)
        with pytest.raises(funes.SweepError, match="cancelled"):
            await results.__anext__()
        assert await sweep == [0, 1, 2, 3]

    asyncio.run(main())


@pytest.mark.parametrize("executor", [None, 1])
def test_cancelled_task_loses_no_result_of_a_thread(executor: Any) -> None:
    async def main() -> None:
        sweep = waits.map(range(3), [0.3] * 3, executor=executor)
        results = sweep.__aiter__()
        assert await results.__anext__() == 0
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(results.__anext__(), 0.1)
        with pytest.raises(funes.SweepError, match="cancelled"):
            await results.__anext__()
        assert await sweep == [0, 1, 2]

    asyncio.run(main())


@pytest.mark.parametrize("executor", [None, 2])
def test_loop_in_a_loop_over_the_same_sweep(executor: Any) -> None:
    sweep = waits.map(range(6), [0.02] * 6, executor=executor)
    pairs = []
    for first in sweep:
        for second in sweep:
            pairs.append((first, second))
            break
        next(sweep.items())
    assert pairs == [(x, 0) for x in range(6)]


def test_async_iterator_goes_on_after_an_error() -> None:
    async def main(sweep: Sweep[Any]) -> list[object]:
        results, found = sweep.__aiter__(), []
        while True:
            try:
                found.append(await results.__anext__())
            except StopAsyncIteration:  # noqa: PERF203
                return found
            except ValueError as error:
                found.append(str(error))

    @memorious
    async def fetch(x: int) -> int:
        if x == 1:
            raise ValueError("one")
        return x

    assert asyncio.run(main(fetch.map(range(3)))) == [0, "one", 2]
    points = grid(x=range(3), kind=[ValueError])
    assert asyncio.run(main(raises.map(points))) == [0, "1", 2]
    assert asyncio.run(main(raises.map(points, executor=1))) == [0, "1", 2]


def test_tasks_share_an_async_iterator() -> None:
    async def main(sweep: Sweep[int]) -> list[int]:
        results = sweep.__aiter__()

        async def take() -> list[int]:
            found = []
            while True:
                try:
                    found.append(await results.__anext__())
                except StopAsyncIteration:  # noqa: PERF203
                    return found

        return sorted(itertools.chain(*await asyncio.gather(*(take() for _ in range(4)))))

    assert asyncio.run(main(later.map(range(40)))) == [10 * x for x in range(40)]
    assert asyncio.run(main(square.map(range(40)))) == [x * x for x in range(40)]
    assert asyncio.run(main(square.map(range(50, 90), executor=1))) == [
        x * x for x in range(50, 90)
    ]


# Threads and forks


def in_threads(count: int, work: Callable[[], Iterable[Any]]) -> list[Any]:
    """Returns what several threads got at the same time."""
    barrier = threading.Barrier(count)

    def run() -> list[Any]:
        barrier.wait()
        return list(work())

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run) for _ in range(count)]
        return [future.result(60) for future in futures]


@pytest.mark.parametrize("executor", [None, 1, "threads"])
@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("is_lazy", [False, True])
def test_threads_share_an_iterator(executor: Any, is_stored: bool, is_lazy: bool) -> None:
    """Each point is given once: in order within each thread, and none is lost."""
    pool = ThreadPoolExecutor(2) if executor == "threads" else executor
    if is_stored:
        list(square.map(range(600)))
    points = iter(range(600)) if is_lazy else range(600)
    for use in (iter, lambda sweep: sweep.items()):
        results = use(square.map(points, executor=pool))
        found = in_threads(4, lambda results=results: results)  # type: ignore[misc]
        each = [[r if isinstance(r, int) else r[1] for r in part] for part in found]
        assert all(part == sorted(part) for part in each)
        assert sorted(itertools.chain(*each)) == [x * x for x in range(600)]
        points = iter(range(600)) if is_lazy else points


def test_threads_share_the_iterator_of_completed_points() -> None:
    results = square.map(range(300), executor=1).as_completed()
    found = itertools.chain(*in_threads(4, lambda: results))
    assert sorted(outcome.result() for outcome in found) == [x * x for x in range(300)]


@pytest.mark.parametrize("executor", [None, 1])
def test_threads_share_a_sweep(executor: Any, log: str, lines: Lines) -> None:
    """Each thread has an iterator of its own over points that are taken one by one."""

    def points() -> Iterator[int]:
        for x in range(300):
            time.sleep(0)
            yield x

    sweep = square.map(points(), itertools.repeat(log), executor=executor)
    assert in_threads(4, lambda: sweep) == [[x * x for x in range(300)]] * 4
    assert sorted(map(int, lines())) == list(range(300))


def test_iterator_that_is_used_by_its_own_point_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    @memorious
    def circular(x: int) -> int:
        return next(sys.held)  # type: ignore[attr-defined, no-any-return]

    results = iter(circular.map([1]))
    monkeypatch.setattr(sys, "held", results, raising=False)
    with pytest.raises(RuntimeError, match="already running"):
        next(results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("executor", [None, 1, "threads"])
def test_forked_child_goes_on_or_is_told_why_not(executor: Any) -> None:
    pool = ThreadPoolExecutor(1) if executor == "threads" else executor
    sweep = waits.map(range(8), [0.05] * 8, executor=pool)
    results = iter(sweep)
    assert next(results) == 0
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = repr(list(results))
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        timer = threading.Timer(20, lambda: os.kill(pid, 9))
        timer.start()
        text = file.read()
        timer.cancel()
    os.waitpid(pid, 0)
    if executor is None:
        assert text == "[1, 2, 3, 4, 5, 6, 7]"
    else:
        assert text.startswith("SweepError: ")
        assert "make it again in this process" in text
    assert list(results) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_end_of_a_forked_child_leaves_the_token_of_the_sweep(
    cache: Path, run_python: Callable[..., str]
) -> None:
    output = run_python("""
import os, sys, time, warnings
from pathlib import Path
from funes import memorious

@memorious
def waits(x):
    time.sleep(0.3 * (x > 0))
    return x

def tokens():
    return len(list(Path("cache").rglob(".tmp-sweep-*")))

results = iter(waits.map(range(4), executor=1))
next(results)
before = tokens()
warnings.simplefilter("ignore")  # Python 3.12 warns of a fork beside threads
pid = os.fork()
if pid == 0:
    sys.exit(0)
_, status = os.waitpid(pid, 0)
print(before, tokens(), status)
""")
    assert output.split() == ["1", "1", "0"]


# Cancellation


def executors(kind: Any) -> Any:
    if kind == "threads":
        return ThreadPoolExecutor(1)
    if kind == "processes":
        import multiprocessing

        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    return kind


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.parametrize("kind", [None, "threads", 1, "processes"])
def test_cancel_does_the_same_with_every_executor(
    kind: Any, is_lazy: bool, log: str, lines: Lines
) -> None:
    """What has not begun is cancelled, a running iteration ends with an error, and a later one goes on."""
    count = 100
    points: Any = [{"x": x, "seconds": 0.01, "log": log} for x in range(count)]
    sweep = waits.starmap(iter(points) if is_lazy else points, executor=executors(kind))
    results = iter(sweep)
    assert next(results) == 0
    sweep.cancel()
    with pytest.raises(funes.SweepError, match=r"was cancelled: \d+ of [\d,]+ points are stored"):
        list(results)
    time.sleep(1.0)
    begun = sum(line.startswith("begin") for line in lines())
    ended = sum(line.startswith("end") for line in lines())
    assert begun == ended < count
    assert list(sweep) == list(range(count))
    assert len(lines()) == 2 * count


@pytest.mark.parametrize("kind", [None, "threads", 1])
def test_cancel_from_another_thread(kind: Any) -> None:
    sweep = waits.map(range(400), [0.01] * 400, executor=executors(kind))
    for results in iter(sweep), iter(sweep.as_completed()):
        next(results)
        threading.Thread(target=sweep.cancel).start()
        with pytest.raises(funes.SweepError, match="was cancelled"):
            list(results)
    assert 0 < sweep.status().stored < 400


def test_iteration_that_could_not_begin_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    sweep = square.map([1])
    sweep._run.display = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        iter(sweep)
    assert "Iteration" not in capfd.readouterr().err


# Sweeps in sweeps


@pytest.fixture(params=[1, 2])
def pool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ThreadPoolExecutor:
    """Returns a pool that functions find as `sys.held`, which is part of no key."""
    pool = ThreadPoolExecutor(request.param)
    monkeypatch.setattr(sys, "held", pool, raising=False)
    return pool


@pytest.mark.parametrize("is_async", [False, True])
def test_nested_sweep_in_the_same_pool_of_threads(pool: ThreadPoolExecutor, is_async: bool) -> None:
    @memorious
    def outer(x: int, is_async: bool) -> int:
        inner = square.map(range(x, x + 3), executor=sys.held)  # type: ignore[attr-defined]
        return sum(asyncio.run(collected(inner)) if is_async else inner)

    sweep = outer.map(range(1, 6), [is_async] * 5, executor=pool)
    assert sweep.start().results() == [14, 29, 50, 77, 110]


def test_sweep_that_waits_for_its_own_thread_is_refused(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious
    def outer(x: int) -> int:
        return sum(sys.held)  # type: ignore[attr-defined]

    monkeypatch.setattr(sys, "held", square.map([1, 2], executor=pool))
    with pytest.raises(funes.SweepError, match="from one of its own threads"):
        list(outer.map([1], executor=pool))


@pytest.mark.parametrize("executor", [None, 1])
def test_nested_sweeps_with_own_workers(executor: Any) -> None:
    @memorious
    def outer(x: int) -> int:
        return sum(square.map(range(x), executor=1))

    assert list(outer.map([2, 3], executor=executor)) == [1, 5]


COLLECTED = """
import faulthandler, gc, threading, time
from concurrent.futures import ThreadPoolExecutor
from funes import memorious

@memorious
def slow(x):
    time.sleep(0.01)
    return x

class Cycle: pass

faulthandler.dump_traceback_later(60, exit=True)
pool = ThreadPoolExecutor(2)
iteration = iter(slow.map(range(400), executor=pool))
next(iteration)
changed = iteration._run.runner.changed
cycle = Cycle()
cycle.cycle, cycle.iteration = cycle, iteration
del cycle, iteration
with pool._shutdown_lock:  # as `pool.submit`, which may start a garbage collection
    held = 0
    while held < 50:  # the thread of the sweep waits in `pool.submit`
        time.sleep(0.01)
        held = 0 if changed.acquire(blocking=False) and not changed.release() else held + 1
    gc.collect()
pool.shutdown()
print(slow.cache_info().misses < 400)
"""


def test_garbage_collection_of_an_iteration_waits_for_no_lock(
    run_python: Callable[..., str], cache: Path
) -> None:
    assert run_python(COLLECTED, FUNES_CACHE_DIR=str(cache)) == "True\n"
