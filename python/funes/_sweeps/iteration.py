"""Iterations over the points of a sweep."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from funes._sweeps.outcome import Outcome
from funes._sweeps.plan import MISSING, SENT, ends_loops
from funes._sweeps.serial import Serial
from funes._sweeps.sweep_run import MAX_AHEAD, SweepRun
from funes.errors import SweepError

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")
S = TypeVar("S")

#: The number of results that are read ahead at most: few at first, for a caller that needs only some.
_MAX_READ = 256

#: Coroutines that an event loop runs at the same time.
_MAX_COROUTINES = 64

#: Returned by `Iteration.advance` after the last point.
_END = object()


class SharedIterator(Iterator[S], Generic[S]):
    """An iterator that threads may share: each element is given to one of them."""

    def __init__(self, run: SweepRun[Any]) -> None:
        self._run = run
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._is_running = False

    def __next__(self) -> S:
        found = self.advance()
        if found is _END:
            raise StopIteration
        return cast("S", found)

    def _advance(self) -> S | object:
        raise NotImplementedError

    def advance(self) -> S | object:
        """Returns what `next` returns, or `_END` after the last element."""
        if not self._lock.acquire(blocking=False):
            if self._pid != os.getpid():  # the thread that would release the lock is missing here
                raise self._run.plan.forked(self._pid)
            self._lock.acquire()
        try:
            if self._is_running:
                raise RuntimeError("this iterator of a sweep is already running in this thread")
            self._is_running = True
            try:
                return self._advance()
            finally:
                self._is_running = False
        except BaseException as error:
            if not ends_loops(error):
                raise
            raise RuntimeError(
                f"{type(error).__name__} was raised while a sweep waited for the next point"
            ) from error
        finally:
            self._lock.release()


class Iteration(SharedIterator[S]):
    """Yields something for each point in their order. Goes on after an exception, unlike a generator."""

    def __init__(self, run: SweepRun[Any], form: Callable[[Outcome[Any]], S] | None) -> None:
        #: For `__del__`, which also deletes what could not begin.
        self._is_over = True
        super().__init__(run)
        #: None: the result is yielded.
        self._form = form
        self._index = 0
        self._has_failed = False
        self._display = run.display()
        #: Results of the next points.
        self._known: Iterator[S] = iter(())
        self._ahead = 1
        run.begin(self)
        self._is_over = False

    def _advance(self) -> S | object:
        for result in self._known:
            self._index += 1
            return result
        run = self._run
        if self._form is None:  # the usual case, and nothing else is needed for it
            known = run.known(self._index, self._ahead)
            self._ahead = min(2 * self._ahead, _MAX_READ)
            self._known = iter(known)
            for result in self._known:
                self._index += 1
                return result
        if self._has_failed:
            self._has_failed = False
            run.runner.start()
        while not self._is_over:
            if not run.ensure(self._index):
                self.close()
                run.warn_of_errors()
                break
            try:
                outcome = run.wait_for(self._index, self._display)
            except BaseException:
                self._display.close()
                raise
            if outcome.error is None:
                try:
                    found = outcome.result() if self._form is None else self._form(outcome)
                except Exception:
                    self._index += 1  # it would fail again
                    raise
                self._index += 1
                return found
            self._index += 1
            if not run.collects:
                self._has_failed = True
                self._display.close()
                raise outcome.error
        return _END

    def close(self) -> None:
        """Ends the iteration."""
        if not self._is_over:
            self._is_over = True
            self._display.close()
            self._run.leave(self)

    __del__ = close


class CompletedIteration(SharedIterator[Outcome[R]]):
    """Yields the outcome of each point as soon as it is known: stored results first."""

    def __init__(self, run: SweepRun[R]) -> None:
        super().__init__(run)
        self._outcomes = _as_completed(run)

    def _advance(self) -> Outcome[R] | object:
        return next(self._outcomes, _END)


def _as_completed(run: SweepRun[R]) -> Iterator[Outcome[R]]:
    run.runner.report_completions()
    keys, display = run.plan.keys, run.display()
    given: set[int] = set()
    again: dict[int, list[int]] = {}
    index = 0
    run.begin(given)
    try:
        while True:
            while run.ensure(index):
                number = keys.number(index)
                if number in given or keys.state(number) not in (MISSING, SENT):
                    given.add(number)
                    yield run.outcome(index)
                else:
                    again.setdefault(number, []).append(index)
                index += 1
                if not run.plan.is_complete and len(again) >= MAX_AHEAD:
                    break
            if not again:
                return
            next_number = run.wait(lambda: run.runner.next_completion(display.update))
            # Points that completed while they were looked at are not reported any more.
            numbers = list(again) if next_number is None else [next_number]
            for number in numbers:
                given.add(number)
                for each in again.pop(number, ()):
                    yield run.outcome(each)
    finally:
        display.close()
        run.leave(given)


class ThreadIteration(AsyncIterator[R]):
    """Yields results in an event loop. A thread of its executor waits for them."""

    def __init__(self, run: SweepRun[R]) -> None:
        self._results: Iteration[R] = Iteration(run, None)
        self._is_cancelled = False

    async def __anext__(self) -> R:
        import asyncio

        if self._is_cancelled:
            raise _cancelled()
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(None, context.run, self._results.advance)
        except asyncio.CancelledError:
            # The thread ends as soon as it can; what it gets then is not given to the caller.
            self._is_cancelled = True
            self._results.close()
            raise
        if found is _END:
            raise StopAsyncIteration
        return cast("R", found)


class TaskIteration(AsyncIterator[R]):
    """Computes the points of a coroutine function as tasks of the running loop, some at a time."""

    def __init__(self, run: SweepRun[R]) -> None:
        self._run = run
        self._index = 0
        #: The next point that may become a task.
        self._ahead = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._is_over = self._is_cancelled = False
        run.begin(self)

    async def __anext__(self) -> R:
        run = self._run
        while not self._is_over and run.ensure(self._index):
            if self._is_cancelled:
                raise _cancelled()
            index = self._index
            # Before the wait, during which another task may ask for the next point.
            self._index += 1
            await self._compute(index)
            outcome = run.outcome(index)
            if outcome.error is None:
                return outcome.result()
            if not run.collects:
                raise outcome.error
        if not self._is_over:
            self._is_over = True
            run.leave(self)
            run.warn_of_errors()
        raise StopAsyncIteration

    async def _compute(self, index: int) -> None:
        """Waits until a point is known, and begins those that follow."""
        import asyncio

        run, runner = self._run, cast("Serial", self._run.runner)
        keys = run.plan.keys
        number = keys.number(index)
        if keys.state(number) == MISSING:
            run.check()
            while len(self._tasks) < _MAX_COROUTINES and run.ensure(self._ahead):
                each = keys.number(self._ahead)
                if keys.state(each) == MISSING and each not in self._tasks:
                    self._tasks[each] = runner.begin_async(each)
                self._ahead += 1
        task = self._tasks.get(number)
        if task is None:
            return
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._is_cancelled = True
            for each_task in self._tasks.values():
                each_task.cancel()
            raise
        self._tasks.pop(number, None)
        if keys.state(number) == MISSING:
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is not None and ends_loops(error):
                runner.fail(number, error)
            elif error is not None:
                raise error


def _cancelled() -> SweepError:
    return SweepError(
        "this loop over a sweep was cancelled with its task; a new loop goes on from what is stored"
    )
