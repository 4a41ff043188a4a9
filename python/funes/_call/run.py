"""A single run of the undecorated function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any


class Run:
    """The duration of one run, and the reason why its result must not be stored, if there is one."""

    #: The duration of the run in seconds, without seeding and without waiting for other seeded
    #: runs.
    seconds = 0.0
    #: The reason why the result must not be stored; empty if it may be stored.
    problem = ""

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Calls the function, and measures the duration."""
        start = perf_counter()
        output = function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    async def call_async(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Calls the coroutine function, awaits its result, and measures the duration."""
        start = perf_counter()
        output = await function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    def reject(self, problem: str) -> None:
        """Records the reason why the result must not be stored."""
        self.problem = problem
