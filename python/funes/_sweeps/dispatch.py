"""Sends the missing points of a sweep to an engine, and collects the answers."""

from __future__ import annotations

import itertools
import math
import os
import queue
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from funes._sweeps.computed import About, ComputedPoints
from funes._sweeps.executors.choose import choose
from funes._sweeps.executors.engine import Death, Engine, Event, Report
from funes._sweeps.interrupt import HELD
from funes._sweeps.plan import COMPUTED, FAILED, MISSING, SENT, UNSTORED, Plan, add_note
from funes._sweeps.returned_entries import publish, publish_error
from funes._sweeps.task import Answer, Answers, Kind, PlainAnswers, load_error, loads_answers
from funes._sweeps.task_maker import TaskMaker, chunk_size
from funes._warnings import one_line
from funes.errors import SweepError, WorkerDied

#: Seconds between two looks at signals and progress while waiting.
_TICK_SECONDS = 0.2

#: Called now and then during a wait.
Notify = Callable[[], object]


class Dispatcher:
    """Computes the missing points of a plan with an engine.

    A thread sends tasks and handles reports, so that engines never wait for the caller. `changed` guards all state.
    """

    def __init__(self, plan: Plan, executor: Any, retries: int, stops_at_errors: bool) -> None:
        self._plan = plan
        self._executor = executor
        self._maker = TaskMaker(plan, retries)
        self._stops_at_errors = stops_at_errors
        self.computed = ComputedPoints(plan.errors)
        self.changed = threading.Condition()
        #: Texts of warnings, to be given in the thread of the caller.
        self.warnings: deque[str] = deque()
        self._warned: set[str] = set()
        #: The points that completed since `report_completions` was called.
        self._completions: deque[int] = deque()
        self._reports_completions = False
        self._inbox: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        #: The process of the thread.
        self._pid = 0
        #: The keys of each task that was submitted and has not ended.
        self._tasks: dict[int, list[int]] = {}
        self._last_task = 0
        #: Keys to be sent again, in groups.
        self._again: deque[list[int]] = deque()
        #: Keys that another process computes.
        self._busy: dict[int, None] = {}
        self._deaths: Counter[int] = Counter()
        #: True while a task that may kill its worker is the only one.
        self._is_alone = False
        self._next = 0
        #: Keys after this number wait for the next `start`: an exception ends the iteration before them.
        self._limit = math.inf
        self._is_stopped = False
        #: Asks the thread to stop: `abandon` could not.
        self._is_abandoned = False
        #: What points raised that is no `Exception`, such as KeyboardInterrupt: it ends the iteration.
        self._raised: dict[int, BaseException] = {}
        self._broken: BaseException | None = None
        #: The keys of the points that were being computed when the pool of the user broke.
        self._suspects: list[int] = []
        #: What a point costs its worker in seconds on average; None if it is not known yet.
        self._seconds: float | None = None

    # For the caller

    def start(self, lowest: int = 0) -> None:
        """Lets the engine compute the missing points that were taken.

        Args:
            lowest: No key before this number became missing since the last call.

        Raises:
            SweepError: The definition of the function changed since the sweep was made.
        """
        self.check_process()
        with HELD, self.changed:
            # A task that is being cancelled may return points.
            if self._plan.keys.find(MISSING, lowest) is None and not self._tasks:
                return
        if self._plan.memo.definition != self._plan.keys.definition:
            raise self._plan.changed()
        with HELD, self.changed:
            self._is_stopped, self._limit, self._next = False, math.inf, min(self._next, lowest)
            self._is_abandoned = False
            self._raised.clear()
            if self._thread is None:
                self._broken, self._suspects = None, []
                self._engine = choose(
                    self._executor, self._inbox.put, self._plan.keys.count(MISSING)
                )
                self._seconds = self._plan.seconds_per_point()
                self._maker.make_token()
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._pump, daemon=True, name="funes-sweep")
                self._thread.start()
        self._inbox.put(None)

    def stop(self, *, at_once: bool = False) -> None:
        """Cancels what has not begun.

        Args:
            at_once: Also end what runs.
        """
        # At the end of the interpreter, a thread that does not run any more may hold the lock.
        if self._is_foreign or sys.is_finalizing():
            return
        with HELD:
            with self.changed:
                self._is_stopped = True
                engine = self._engine
            if engine is not None:
                engine.cancel()
                if at_once:
                    engine.kill()
            self._inbox.put(None)

    def abandon(self) -> None:
        """Cancels what has not begun, and waits for nothing.

        The garbage collector may delete an iteration while its thread holds a lock of the pool, for which the thread
        that sends tasks waits.
        """
        if self._is_foreign or sys.is_finalizing():
            return
        if self.changed.acquire(blocking=False):
            try:
                self.stop()
            finally:
                self.changed.release()
        else:
            self._is_abandoned = True
            self._inbox.put(None)

    def check_process(self) -> None:
        """Raises a `SweepError` in a forked child, which has no thread that sends tasks."""
        if self._is_foreign:
            raise self._plan.forked(self._pid)

    @property
    def _is_foreign(self) -> bool:
        return self._thread is not None and self._pid != os.getpid()

    def join(self, seconds: float | None) -> bool:
        """Waits until no task runs; returns whether that is so."""
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            with HELD, self.changed:
                if not self._tasks:
                    return True
                if end is not None and time.monotonic() > end:
                    return False
                self.changed.wait(_TICK_SECONDS)

    @property
    def running(self) -> int:
        """The number of points that were sent and have no answer."""
        with HELD, self.changed:
            return sum(len(self._unanswered(task)) for task in self._tasks)

    def wait(self, number: int, tick: Notify = lambda: None) -> None:
        """Waits until a point was computed or failed.

        Args:
            number: The number of its key.
            tick: Called now and then.

        Raises:
            SweepError: It will not be computed.
            BaseException: The point raised it, and it is no `Exception`.
        """
        keys = self._plan.keys
        while keys.state(number) in (MISSING, SENT):
            with HELD, self.changed:
                if keys.state(number) in (MISSING, SENT):
                    self._raise(self._raised.get(number))
                    self._check()
                    self.changed.wait(_TICK_SECONDS)
            tick()

    def report_completions(self) -> None:
        """Lets `next_completion` report points from now on."""
        with HELD, self.changed:
            self._reports_completions = True

    def next_completion(self, tick: Notify = lambda: None) -> int | None:
        """Waits for the next completed point; returns the number of its key, or None if no point is missing."""
        while True:
            with HELD, self.changed:
                if self._completions:
                    return self._completions.popleft()
                self._raise(next(iter(self._raised.values()), None))
                if not self._has_rest():
                    return None
                self._check()
                self.changed.wait(_TICK_SECONDS)
            tick()

    def recompute(self, number: int) -> None:
        """Computes a point again whose entry is gone or damaged."""
        with HELD, self.changed:
            self._plan.keys.set_state(number, MISSING)
        self.start(number)

    def _raise(self, error: BaseException | None) -> None:
        if error is not None:
            self.stop()
            raise error

    def _check(self) -> None:
        if self._broken is not None:
            raise self._sweep_error()
        if self._is_stopped:
            raise SweepError(f"the sweep was cancelled: {self._plan.progress()}")

    def _sweep_error(self) -> SweepError:
        assert self._broken is not None
        text = f"the executor is broken ({one_line(self._broken)}): {self._plan.progress()}. "
        if self._suspects:
            plan = self._plan
            labels = [plan.label(plan.keys.first(number)) for number in self._suspects]
            text += (
                f"A worker ended while these points were computed: {'; '.join(labels)}. If one of them ends its worker,"
                " a new pool breaks as well: pass a number as executor, whose workers compute all other points and"
                " name that one. Otherwise run it again with a new executor to go on."
            )
        else:
            text += "Run it again with a new executor to go on."
        error = SweepError(text)
        error.__cause__ = self._broken
        return error

    # The thread

    def _pump(self) -> None:
        while True:
            report = self._inbox.get()
            with self.changed:
                try:
                    if self._is_abandoned:
                        self._is_abandoned = False
                        self.stop()
                    self._handle_all(report)
                    self._fill()
                except BaseException as error:
                    self._break(error)
                is_over = self._is_over()
                if is_over:
                    # In one step: `start` either finds this thread, or starts another one.
                    self._close()
                self.changed.notify_all()
            if is_over:
                return

    def _handle_all(self, report: Report | None) -> None:
        """Handles a report and those that came meanwhile; None only wakes the thread."""
        while True:
            if report is not None:
                self._handle(report)
            if self._inbox.empty():
                return
            report = self._inbox.get()

    def _break(self, error: BaseException) -> None:
        """Gives the running tasks up after an unexpected error."""
        self._broken = error
        if self._engine is not None:
            self._engine.cancel()
        for task in list(self._tasks):
            self._return(task)

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._maker.forget_token()
        self._engine, self._thread = None, None

    def _has_rest(self) -> bool:
        keys = self._plan.keys
        return (
            bool(self._tasks or self._again or self._busy)
            or keys.find(MISSING, self._next) is not None
        )

    def _is_over(self) -> bool:
        """Returns whether the thread can end. `start` starts another one."""
        if self._tasks:
            return False
        if self._is_stopped or self._broken is not None or self._limit < math.inf:
            return True
        return self._plan.is_complete and not self._has_rest()

    # Sending

    def _fill(self) -> None:
        """Submits tasks as long as the engine can use them."""
        if self._is_stopped or self._broken is not None or self._engine is None:
            return
        tasks = []
        capacity = self._engine.capacity
        if self._engine.spreads_deaths and (self._again or self._is_alone):
            # A point that may kill its worker must not take other points with it.
            self._is_alone = bool(self._again) or bool(self._tasks)
            capacity = 1
        while len(self._tasks) < capacity:
            numbers, waits = self._next_chunk()
            data = None
            if numbers:
                here = self._engine.stays_here
                data = self._maker.make(numbers, waits, self._fail, stays_here=here)
            if numbers and data is None:
                continue  # no point of it can be sent
            if data is None:
                break
            self._last_task += 1
            self._tasks[self._last_task] = numbers
            tasks.append((self._last_task, data))
        if not tasks:
            return
        try:
            self._engine.submit(tasks)
        except BaseException as error:
            self._note_broken(error)
            for number, _ in tasks:
                self._return(number)

    def _next_chunk(self) -> tuple[list[int], bool]:
        """Returns the keys of the next task, and whether it waits for those that are computed elsewhere."""
        if self._again:
            return self._again.popleft(), False
        keys = self._plan.keys
        rest = max(1, keys.distinct - self._next)
        assert self._engine is not None
        size = chunk_size(self._plan, self._engine, rest, self._seconds)
        end = None if self._limit == math.inf else int(self._limit) + 1
        numbers = keys.claim(MISSING, SENT, self._next, size, end)
        if numbers:
            self._next = numbers[-1] + 1
            return numbers, False
        while self._busy:
            number = next(iter(self._busy))
            del self._busy[number]
            if not self._plan.is_done(number):
                return [number], True
            self._settle(number, ("", 0.0, True))
        return [], False

    # Reports

    def _handle(self, report: Report) -> None:
        if report.task not in self._tasks:
            return
        if report.event in (Event.ANSWERS, Event.END):
            self._take_answers(loads_answers(report.value))
        if report.event is Event.ANSWERS:
            return
        if report.event is Event.ERROR:
            for number in self._unanswered(report.task):
                self._fail(number, report.value)
        elif report.event is Event.DEATH:
            self._bury(self._unanswered(report.task), report.value)
        elif report.event is Event.BROKEN:
            self._note_broken(report.value)
        self._return(report.task)

    def _unanswered(self, task: int) -> list[int]:
        """Returns the keys of a task that have no answer."""
        state = self._plan.keys.state
        return [
            number
            for number in self._tasks[task]
            if state(number) == SENT and number not in self._busy
        ]

    def _return(self, task: int) -> None:
        """Ends a task; its keys without an answer are missing again, unless they are sent otherwise."""
        keys = self._plan.keys
        again = {number for group in self._again for number in group}
        numbers = self._unanswered(task)
        del self._tasks[task]
        for number in numbers:
            if number not in again:
                if self._plan.is_done(number):
                    self._settle(number, ("", 0.0, True))
                else:
                    keys.set_state(number, MISSING)
                    self._next = min(self._next, number)

    def _take_answers(self, answers: Answers) -> None:
        computed = 0
        if answers.plain.numbers:
            self._take_plain(answers.host, answers.plain)
            computed = len(answers.plain.numbers) - len(answers.plain.hits)
        for answer in answers.answers:
            if self._plan.keys.state(answer.number) != SENT:
                continue
            if answer.kind is Kind.BUSY:
                self._busy[answer.number] = None
                continue
            computed += not answer.is_hit
            self._take_answer(answers, answer)
        if computed:
            # Also what it takes to store the results.
            mean = answers.seconds / computed
            self._seconds = mean if self._seconds is None else (self._seconds + mean) / 2

    def _take_plain(self, host: str, plain: PlainAnswers) -> None:
        # The results are there before the states say so, which a caller looks at without the lock.
        self.computed.add_plain(host, plain)
        for number in self._plan.keys.move_all(plain.numbers, SENT, COMPUTED):
            self.computed.forget(number)  # another answer came first
        if self._reports_completions:
            self._completions += plain.numbers

    def _take_answer(self, answers: Answers, answer: Answer) -> None:
        about = answers.host, answer.seconds, answer.is_hit
        if answer.kind in (Kind.FAILED, Kind.MISMATCH):
            error = load_error(answer.data or b"")
            plan = self._plan
            if answer.kind is Kind.MISMATCH and plan.memo.definition != plan.keys.definition:
                error = plan.changed()  # in a thread of this process, no worker is to blame
            if answer.entry is not None:
                publish_error(plan, answer.number, answer.entry)
            add_note(error, f"on {answers.host} (process {answers.pid}):\n{answer.text.rstrip()}")
            self._fail(answer.number, error)
        elif answer.kind is Kind.UNSTORED:
            self._settle_unstored(answer.number, about, answer.data)
        elif answer.kind is Kind.ENTRY:
            self._publish(answers, answer)
        else:
            self._settle(answer.number, about, answer.data)

    def _settle(self, number: int, about: About, output: bytes | None = None) -> None:
        """Notes that a point is in the store."""
        self.computed.add(number, about, output)
        self._plan.keys.set_state(number, COMPUTED)
        self._complete(number)

    def _settle_unstored(self, number: int, about: About, output: Any) -> None:
        """Keeps the result of a point that is not in the store."""
        self.computed.add_unstored(number, about, output)
        self._plan.keys.set_state(number, UNSTORED)
        self._complete(number)

    def _complete(self, number: int) -> None:
        if self._reports_completions:
            self._completions.append(number)

    def _fail(self, number: int, error: BaseException) -> None:
        error = self._plan.failure(number, error)
        if not isinstance(error, Exception):
            self._raised[number] = error
            self._plan.keys.set_state(number, MISSING)
            self._limit = min(self._limit, number - 1)
            return
        self.computed.errors[number] = error
        self._plan.keys.set_state(number, FAILED)
        self._complete(number)
        if self._stops_at_errors:
            self._limit = min(self._limit, number)

    def _publish(self, answers: Answers, answer: Answer) -> None:
        """Stores the entry of a worker that cannot store it."""
        self._warn_once(
            f"{self._plan.memo.__qualname__}: {answers.host} cannot store results in {self._plan.folder}, so they are"
            " sent back and stored by this process"
        )
        about = answers.host, answer.seconds, answer.is_hit
        output = publish(self._plan, answer)
        if output is None:
            self._settle(answer.number, about)
        else:
            self._settle_unstored(answer.number, about, output)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.warnings.append(text)

    # Deaths

    def _note_broken(self, error: BaseException) -> None:
        """Notes that the engine cannot be used any more, and the points that may be the cause."""
        self._broken = error
        if self._suspects or "BrokenExecutor" not in {
            kind.__name__ for kind in type(error).__mro__
        }:
            return
        # A pool passes tasks on in their order, and a worker computes the points of a task in theirs.
        assert self._engine is not None
        for task in sorted(self._tasks):
            missing = (
                number for number in self._unanswered(task) if not self._plan.is_stored(number)
            )
            self._suspects += itertools.islice(missing, 1)
            if len(self._suspects) >= self._engine.workers:
                return

    def _bury(self, numbers: list[int], death: Death) -> None:
        """Sends the points of a dead worker again; finds the one that kills workers.

        The worker computed the points in their order, so that the first one that is not stored is suspected. It is
        sent alone, and the rest in halves.
        """
        assert self._engine is not None
        rest = []
        for number in numbers:
            if self._plan.is_done(number):
                self._settle(number, ("", 0.0, False))
            else:
                rest.append(number)
        if not rest:
            return
        if len(numbers) == 1:
            self._deaths[rest[0]] += 1
            if self._deaths[rest[0]] >= self._engine.max_deaths:
                self._fail(rest[0], _died(self._plan, rest[0], self._deaths[rest[0]], death))
                return
        half = (len(rest) + 2) // 2
        self._again += [group for group in ([rest[0]], rest[1:half], rest[half:]) if group]


def _died(plan: Plan, number: int, times: int, death: Death) -> WorkerDied:
    index = plan.keys.first(number)
    signal = f" by signal {death.signal}" if death.signal is not None else ""
    detail = f" ({death.detail})" if death.detail else ""
    return WorkerDied(
        f"{plan.label(index)} ended its worker{signal}, {times} time{'s' * (times != 1)}{detail}",
        plan.points.given(index),
        death.signal,
    )
