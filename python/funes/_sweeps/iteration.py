"""Iterations over the points of a sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from funes._sweeps.outcome import Outcome
from funes._sweeps.plan import MISSING, SENT
from funes._sweeps.serial import Serial
from funes._sweeps.sweep_run import MAX_AHEAD, SweepRun

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")
S = TypeVar("S")

#: The number of results that are read ahead at most: few at first, for a caller that needs only some.
_MAX_READ = 256

#: Coroutines that an event loop runs at the same time.
_MAX_COROUTINES = 64


class Iteration(Iterator[S], Generic[S]):
    """Yields something for each point in their order. Goes on after an exception, unlike a generator."""

    def __init__(self, run: SweepRun[Any], form: Callable[[Outcome[Any]], S] | None) -> None:
        self._run = run
        #: None: the result is yielded.
        self._form = form
        self._index = 0
        self._is_over = False
        self._has_failed = False
        self._display = run.display()
        #: Results of the next points.
        self._known: Iterator[S] = iter(())
        self._ahead = 1
        run.runner.start()

    def __next__(self) -> S:
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
                self._is_over = True
                self._display.close()
                run.warn_of_errors()
                break
            try:
                outcome = run.wait_for(self._index, self._display)
            except BaseException:
                self._display.close()
                raise
            self._index += 1
            if outcome.error is None:
                return cast("S", outcome.result()) if self._form is None else self._form(outcome)
            if not run.collects:
                self._has_failed = True
                self._display.close()
                raise outcome.error
        raise StopIteration

    def __del__(self) -> None:
        if not getattr(self, "_is_over", True):
            self._display.close()
            self._run.abandon()


def as_completed(run: SweepRun[R]) -> Iterator[Outcome[R]]:
    """Yields the outcome of each point as soon as it is known: stored results first."""
    run.runner.report_completions()
    run.runner.start()
    keys, display = run.plan.keys, run.display()
    given: set[int] = set()
    again: dict[int, list[int]] = {}
    index = 0
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
        if again:
            run.abandon()


async def in_this_loop(run: SweepRun[R]) -> AsyncIterator[R]:
    """Computes the points of a coroutine function as tasks of the running loop, some at a time."""
    import asyncio

    runner = cast("Serial", run.runner)
    keys, index = run.plan.keys, 0
    tasks: dict[int, asyncio.Task[None]] = {}
    ahead = 0
    try:
        while run.ensure(index):
            while len(tasks) < _MAX_COROUTINES and run.ensure(ahead):
                number = keys.number(ahead)
                if keys.state(number) == MISSING and number not in tasks:
                    tasks[number] = asyncio.ensure_future(runner.compute_async(number))
                ahead += 1
            number = keys.number(index)
            if number in tasks:
                await tasks.pop(number)
            outcome = run.outcome(index)
            index += 1
            if outcome.error is None:
                yield outcome.result()
            elif not run.collects:
                raise outcome.error
        run.warn_of_errors()
    finally:
        for task in tasks.values():
            task.cancel()
