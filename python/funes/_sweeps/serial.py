"""Computes the points of a sweep in this process, one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from funes._memo.mode import in_mode
from funes._sweeps.arguments import Arguments, Original, keep, load_all
from funes._sweeps.computed import ComputedPoints, Fresh, Unstored
from funes._sweeps.plan import COMPUTED, FAILED, MISSING, UNSTORED, Plan, ends_loops
from funes._sweeps.worker import is_computed_elsewhere, run_coroutine, watched_folder
from funes.errors import SweepError

if TYPE_CHECKING:
    import asyncio


class Serial:
    """Computes a point when it is asked for."""

    def __init__(self, plan: Plan, retries: int) -> None:
        self._plan = plan
        self.retries = retries
        #: Texts of warnings: there are none.
        self.warnings: deque[str] = deque()
        self.computed = ComputedPoints(plan.errors)
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, lowest: int = 0) -> None:
        """Lets `next_completion` look again from a number on; points are computed when they are asked for."""
        self._next = min(self._next, lowest)

    def stop(self, *, at_once: bool = False) -> None:
        """Does nothing: no point is being computed while the caller has control."""

    def abandon(self) -> None:
        """Does nothing, like `stop`."""

    def join(self, seconds: float | None) -> bool:  # noqa: ARG002
        """Returns True: no point is being computed."""
        return True

    @property
    def running(self) -> int:
        """The number of points that are being computed."""
        return 0

    def recompute(self, number: int) -> None:
        """Computes a point again whose entry is gone or damaged."""
        self._plan.keys.set_state(number, MISSING)

    def wait(self, number: int, tick: Callable[[], object] = lambda: None) -> None:
        """Computes a point."""
        keys = self._plan.keys
        if keys.state(number) != MISSING:
            return
        stores = self._plan.mode in (None, "refresh")
        folder = watched_folder(self._plan.memo, keys.definition) if stores else None
        # While another process computes it, other points can be computed here.
        digest = keys.arguments(number)
        start = number + 1
        while is_computed_elsewhere(folder, digest):
            other = keys.find(MISSING, start)
            if other is None:
                break  # the call waits
            start = other + 1
            if not is_computed_elsewhere(folder, keys.arguments(other)):
                self._compute(other)
                tick()
        self._compute(number)
        tick()

    def report_completions(self) -> None:
        """Does nothing: `next_completion` computes."""

    def next_completion(self, tick: Callable[[], object] = lambda: None) -> int | None:
        """Computes a point; returns the number of its key, or None if no point is missing."""
        number = self._plan.keys.find(MISSING, self._next)
        if number is None:
            return None
        self._next = number + 1
        self.wait(number, tick)
        return number

    def _compute(self, number: int) -> None:
        memo = self._plan.memo
        for attempt in range(self.retries + 1):
            given = self._checked(number)
            if given is None:
                return
            args, kwargs = given
            before = self._before(number)
            misses, start = memo._core.statistics()[2], time.perf_counter()
            try:
                with in_mode(self._plan.mode):
                    output = memo(*args, **kwargs)
                    if memo._core.is_async:
                        output = run_coroutine(output)
            except BaseException as error:
                if not isinstance(error, Exception) and not ends_loops(error):
                    raise
                if attempt == self.retries:
                    self.fail(number, error)
                continue
            seconds = time.perf_counter() - start
            is_hit = memo._core.statistics()[2] == misses
            self._keep(number, output, (seconds, is_hit), before)
            break

    def begin_async(self, number: int) -> asyncio.Task[None]:
        """Computes a point of a coroutine function as a task of the running event loop."""
        import asyncio

        task = asyncio.ensure_future(self._compute_async(number))
        # The loop keeps weak references only, and the caller may leave before the task ends.
        self._tasks.add(task)
        task.add_done_callback(self._end_task)
        return task

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it is not reported if the caller has left

    async def _compute_async(self, number: int) -> None:
        for attempt in range(self.retries + 1):
            given = self._checked(number)
            if given is None:
                return
            args, kwargs = given
            before = self._before(number)
            start = time.perf_counter()
            try:
                with in_mode(self._plan.mode):
                    output = await self._plan.memo(*args, **kwargs)
            except Exception as error:
                if attempt == self.retries:
                    self.fail(number, error)
                continue
            self._keep(number, output, (time.perf_counter() - start, False), before)
            break

    def _checked(self, number: int) -> Arguments | None:
        """Returns the arguments of a key; None if one of them has changed, and so the point has failed.

        Raises:
            SweepError: The definition of the function changed since the sweep was made.
        """
        plan = self._plan
        self._check_definition()
        # There was no entry, so a result in memory must not answer unless there is one now.
        plan.memo._core.recheck_folder()
        args, kwargs = plan.points.kept(plan.keys.first(number))
        given = load_all(args, kwargs)
        if any(type(kept) is Original for kept in (*args, *kwargs.values())):
            call = plan.memo._core.key(plan.memo, *given)
            if call.arguments != plan.keys.arguments(number):
                self.fail(
                    number,
                    SweepError("an argument has changed since this sweep was made; make it again"),
                )
                return None
        return given

    def _check_definition(self) -> None:
        if self._plan.memo.definition != self._plan.keys.definition:
            raise self._plan.changed()

    def fail(self, number: int, error: BaseException) -> None:
        """Notes that the computation of a point raised an exception."""
        self.computed.errors[number] = self._plan.failure(number, error)
        self._plan.keys.set_state(number, FAILED)

    def _before(self, number: int) -> tuple[int, ...] | None:
        """Returns the stamp of the entry that a computation is to replace."""
        return self._plan.stamp(number) if self._plan.mode == "refresh" else None

    def _keep(
        self,
        number: int,
        output: Any,
        about: tuple[float, bool],
        before: tuple[int, ...] | None,
    ) -> None:
        """Keeps the result of a point that was computed in this process."""
        seconds, is_hit = about
        if self._plan.is_stored(number) and (before is None or self._plan.stamp(number) != before):
            self.computed.add(number, ("", seconds, is_hit), Fresh(output))
            self._plan.keys.set_state(number, COMPUTED)
        else:
            self._check_definition()  # it may have changed while the function ran
            # The first caller gets the object itself, as from a call.
            kept = keep(output)
            if type(kept) is not Original:
                self.computed.add_unstored(number, ("", seconds, is_hit), Unstored(kept))
            # Otherwise the next caller gets a result that is computed again: a generator may be used up.
            self.computed.add(number, ("", seconds, is_hit), Fresh(output))
            self._plan.keys.set_state(number, UNSTORED)
