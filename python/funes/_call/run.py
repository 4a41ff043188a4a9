"""One run of the function itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any


class Run:
    """How long one run of a function took, and why its result must not be kept, if so."""

    #: Without the time for seeding, or for waiting for other seeded runs.
    seconds = 0.0
    #: Why the result may not be what another run would give; empty if all is well.
    trouble = ""

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call the function, and look at the clock."""
        start = perf_counter()
        output = function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    async def call_async(
        self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Await the coroutine function, and look at the clock."""
        start = perf_counter()
        output = await function(*args, **kwargs)
        self.seconds = perf_counter() - start
        return output

    def doubt(self, trouble: str) -> None:
        """Note why the result must not be kept."""
        self.trouble = trouble
