"""A file counts for the innermost call to which the code that opens it belongs, and for the calls around it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funes import memorious

pytestmark = pytest.mark.usefixtures("cache")


#: What calls use without it being part of their keys.
HELD: list[Any] = []


def held() -> list[Any]:
    return getattr(sys.modules[__name__], "HELD")  # type: ignore[no-any-return]  # noqa: B009


def text(name: str) -> str:
    return Path(name).read_text()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Returns an event loop of another thread, which runs already."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def counts(function: Callable[[], Any], name: str) -> bool:
    """Returns whether a change of a file lets a function compute again, which it must have computed."""
    before = function()
    Path(name).write_text(f"{text(name)}.")
    return bool(function() != before)


def in_an_empty_context() -> str:
    return contextvars.Context().run(text, "a")


def in_a_loop_of_its_own() -> str:
    async def read() -> str:
        return text("a") + await asyncio.to_thread(text, "b")

    return asyncio.run(read())


@pytest.mark.parametrize("function", [in_an_empty_context, in_a_loop_of_its_own])
def test_code_in_another_context_counts(function: Callable[[], str]) -> None:
    for name in "ab":
        Path(name).write_text("1")
    assert counts(memorious(function), "a")


def test_a_coroutine_in_a_running_loop_counts(loop: asyncio.AbstractEventLoop) -> None:
    async def read() -> str:
        return text("a")

    def ask() -> str:
        return asyncio.run_coroutine_threadsafe(read(), held()[-1]).result()

    held().append(loop)
    Path("a").write_text("1")
    assert counts(memorious(ask), "a")
    held().clear()


def test_a_plain_call_in_a_task_counts_for_itself() -> None:
    inner = memorious(lambda: text("a"))

    async def outer() -> str:
        first = text("b")
        await asyncio.sleep(0)
        return first + inner() + text("c")

    memo = memorious(outer)
    for name in "abc":
        Path(name).write_text("1")
    assert [counts(lambda: asyncio.run(memo()), name) for name in "abc"] == [True] * 3
    assert [counts(inner, name) for name in "abc"] == [True, False, False]


def test_a_task_in_a_plain_call_counts_for_itself() -> None:
    async def slowly() -> str:
        await asyncio.sleep(0.001)
        return text("a")

    inner = memorious(slowly)

    def outer() -> str:
        async def both() -> list[str]:
            async def other() -> str:
                return text("b")

            return list(await asyncio.gather(inner(), other()))

        return "".join(asyncio.run(both())) + text("c")

    memo = memorious(outer)
    for name in "abc":
        Path(name).write_text("1")
    assert [counts(memo, name) for name in "abc"] == [True] * 3
    assert [counts(lambda: asyncio.run(inner()), name) for name in "abc"] == [True, False, False]


def test_plain_calls_of_several_tasks_count_apart() -> None:
    memos = [memorious(lambda name=name: text(name)) for name in "ab"]

    async def both() -> list[str]:
        async def call(memo: Any) -> str:
            await asyncio.sleep(0)
            return str(memo())

        return list(await asyncio.gather(*map(call, memos)))

    for name in "ab":
        Path(name).write_text("1")
    asyncio.run(both())
    assert [counts(memos[0], name) for name in "ab"] == [True, False]
    assert [counts(memos[1], name) for name in "ab"] == [False, True]


def test_a_step_of_another_task_within_a_plain_call_counts_for_both() -> None:
    async def waiting() -> str:
        await asyncio.sleep(0)
        return text("a")

    task = memorious(waiting)

    @memorious
    def plain() -> str:
        # As an event loop does that runs within another one.
        context, steps = held()
        with pytest.raises(StopIteration) as ended:
            context.run(steps.send, None)
        return str(ended.value.value)

    Path("a").write_text("1")
    context, steps = contextvars.copy_context(), task().__await__()
    context.run(steps.send, None)
    held()[:] = context, steps
    assert plain() == "1"
    held().clear()
    assert plain.is_cached()
    assert task.is_cached()
    Path("a").write_text("2")
    assert not plain.is_cached()
    assert not task.is_cached()
