"""Sweeps in an event loop, and sweeps of coroutine functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from sweep_functions import fails_at, later, note, square

from funes import memorious

Lines = Callable[[], list[str]]


@pytest.mark.parametrize("executor", [None, 2])
def test_async_for_and_await(executor: int | None) -> None:
    async def main() -> tuple[list[int], list[int]]:
        found = [result async for result in square.map(range(4), executor=executor)]
        return found, await square.map(range(4, 6), executor=executor)

    assert asyncio.run(main()) == ([0, 1, 4, 9], [16, 25])


def test_event_loop_goes_on_while_a_function_computes() -> None:
    @memorious
    def slow(x: int) -> int:
        time.sleep(0.2)
        return x

    async def main() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        assert await slow.map([1, 2]) == [1, 2]
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) > 5


def test_coroutine_functions_run_at_the_same_time_in_the_loop_of_the_caller(
    log: str, lines: Lines
) -> None:
    loops = []

    @memorious(ignore=("log", "loops"))
    async def fetch(x: int, log: str, loops: list[object]) -> int:
        loops.append(asyncio.get_running_loop())
        note(log, f"begin {x}")
        await asyncio.sleep(0.05)
        note(log, f"end {x}")
        return x

    async def main() -> object:
        points = [{"x": x, "log": log, "loops": loops} for x in (1, 2, 3, 1)]
        assert await fetch.starmap(points) == [1, 2, 3, 1]
        return asyncio.get_running_loop()

    asyncio.run(main())
    assert [line.split()[0] for line in lines()] == ["begin"] * 3 + ["end"] * 3


@pytest.mark.parametrize("executor", [None, 2])
def test_coroutine_functions_outside_of_a_loop(executor: int | None) -> None:
    assert list(later.map([1, 2], executor=executor)) == [10, 20]
    assert later.is_cached(1)


def test_coroutines_of_a_worker_run_at_the_same_time(log: str, lines: Lines) -> None:
    assert list(later.map(range(10, 30), [log] * 20, executor=1)) == [x * 10 for x in range(10, 30)]
    words = [line.split()[0] for line in lines()]
    assert words[:10] == ["begin"] * 10


def test_sweep_within_a_running_loop_as_in_a_notebook() -> None:
    async def main() -> list[int]:
        return list(later.map([1, 2]))

    assert asyncio.run(main()) == [10, 20]


def test_errors_in_a_loop() -> None:
    @memorious
    async def failing(x: int) -> int:
        if x == 1:
            raise ValueError("one")
        return x

    async def main() -> None:
        with pytest.raises(ValueError, match="one"):
            await failing.map([0, 1, 2])
        with pytest.raises(ValueError, match="no value for 1"):
            await fails_at.map([0, 1], [(1,)] * 2, executor=1)
        with pytest.warns(UserWarning, match="1 of 3 points failed"):
            assert await failing.map([0, 1, 2], on_error="collect") == [0, 2]

    asyncio.run(main())
