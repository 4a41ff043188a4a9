"""A single run of the undecorated function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any


class Run:
    """The duration of one run, and the reason why its result must not be stored, if there is one."""

    #: Duration in seconds, without seeding and without waiting for other seeded runs.
    seconds = 0.0
    #: Why the result must not be stored; empty if it may be.
    problem = ""

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Calls the function and measures its time."""
        start = perf_counter()
        output = function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    async def call_async(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Awaits the coroutine function and measures its time."""
        start = perf_counter()
        output = await function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    def reject(self, problem: str) -> None:
        """Notes why the result must not be stored."""
        self.problem = problem
