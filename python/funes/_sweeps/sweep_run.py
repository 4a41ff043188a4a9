"""Takes the points of a sweep, lets missing ones be computed, and reads the results."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from funes._entries import unpickler
from funes._funes import hooks
from funes._sweeps import interrupt
from funes._sweeps.dispatch import Dispatcher
from funes._sweeps.executors.engine import is_thread_of
from funes._sweeps.outcome import Outcome
from funes._sweeps.plan import COMPUTED, FAILED, MISSING, SENT, STORED, UNSTORED, Plan
from funes._sweeps.progress import Display, Progress, Show
from funes._sweeps.serial import Serial
from funes._warnings import one_line, warn
from funes.errors import SweepError

R = TypeVar("R")
T = TypeVar("T")

#: Points of an iterator that are taken ahead of the iteration at most, and for how many seconds.
MAX_AHEAD = 10_000
_AHEAD_SECONDS = 0.02
_AHEAD_STEP = 64


class SweepRun(Generic[R]):
    """The plan of a sweep and the runner that computes it, for iterations and tables."""

    def __init__(
        self, plan: Plan, executor: Any, *, collects: bool, retries: int, progress: Show
    ) -> None:
        self.memo = plan.memo
        self.plan = plan
        self.collects = collects
        self._show = progress
        self.runner: Dispatcher | Serial = (
            Serial(plan, retries)
            # An executor could wait for itself; in the mode offline, nothing is computed.
            if executor is None or is_thread_of(executor) or plan.mode == "offline"
            else Dispatcher(plan, executor, retries, not collects)
        )
        self._executor = executor
        self._is_started = False
        self._handlers = interrupt.Handlers(holds=executor is not None)
        self._is_cancelled = False
        #: The iterations that have not ended, by their `id`.
        self._iterations: set[int] = set()

    def start(self) -> None:
        """Begins to compute what is missing, and returns at once. All points of an iterator are taken."""
        while self.plan.take(MAX_AHEAD):
            pass
        if self.plan.error is not None:
            raise self.plan.error
        self._is_cancelled = False
        if isinstance(self.runner, Serial):
            computed = self.runner.computed
            self.runner = Dispatcher(
                self.plan, _one_thread(), self.runner.retries, not self.collects
            )
            self.runner.computed = computed
        self._is_started = True
        with contextlib.closing(self.display()):
            self.runner.start()

    def cancel(self) -> None:
        """Cancels what has not begun. What runs ends and is stored."""
        self._is_started, self._is_cancelled = False, True
        self.runner.stop()

    def begin(self, iteration: object) -> None:
        """Lets an iteration begin."""
        self._is_cancelled = False
        self.runner.start()
        self._iterations.add(id(iteration))

    def leave(self, iteration: object) -> None:
        """Ends an iteration. The last one cancels what has not begun, unless `start` was called."""
        self._iterations.discard(id(iteration))
        if not self._iterations and not self._is_started:
            self.runner.abandon()

    def ensure(self, index: int) -> bool:
        """Takes points until there is one with an index; returns whether there is one.

        Raises:
            Exception: The point with this index could not be taken.
        """
        plan, keys = self.plan, self.plan.keys
        if plan.is_complete:
            return self._has(index)
        known = keys.distinct
        if isinstance(self.runner, Serial):
            while len(keys) <= index and plan.take(1):
                pass
        else:
            end = time.monotonic() + _AHEAD_SECONDS
            while len(keys) <= index or (len(keys) < index + MAX_AHEAD and time.monotonic() < end):
                if not plan.take(1 if len(keys) <= index else _AHEAD_STEP):
                    break
        if (keys.distinct > known or plan.is_complete) and not self._is_cancelled:
            self.runner.start(known)
        return self._has(index)

    def _has(self, index: int) -> bool:
        if index < len(self.plan.keys):
            return True
        if self.plan.error is not None:
            raise self.plan.error
        return False

    def check(self) -> None:
        """Raises a `SweepError` if the sweep was cancelled."""
        if self._is_cancelled:
            raise SweepError(f"the sweep was cancelled: {self.plan.progress()}")

    def wait(self, work: Callable[[], T]) -> T:
        """Waits for points. Ctrl-C and SIGTERM cancel what has not begun.

        Raises:
            SweepError: The sweep was cancelled, or this thread or process cannot wait for it.
        """
        self.check()
        if isinstance(self.runner, Dispatcher):
            self.runner.check_process()
            if is_thread_of(self._executor):
                raise SweepError(
                    f"the sweep of {self.memo.__qualname__} waits for its executor from one of its own threads, which"
                    " could wait forever: make the sweep in the function that uses it, or make it without an executor"
                )
        try:
            self._handlers.begin()
            return work()
        except (KeyboardInterrupt, SystemExit) as error:
            interrupt.end(error, self.plan, self.runner)
            raise
        finally:
            while self.runner.warnings:
                warn(self.runner.warnings.popleft())

    def wait_for(self, index: int, display: Display) -> Outcome[R]:
        """Waits until a point is known; returns its outcome."""
        number = self.plan.keys.number(index)
        if self.plan.keys.state(number) in (MISSING, SENT):
            self.wait(lambda: self.runner.wait(number, display.update))
        return self.outcome(index)

    def outcome(self, index: int) -> Outcome[R]:
        """Returns the outcome of a point that was computed or is stored."""
        keys, computed = self.plan.keys, self.runner.computed
        number = keys.number(index)
        known = computed.about(number)
        facts: tuple[bool, float | None, str] = (True, None, "")
        if known is not None:
            facts = known[2], known[1], known[0]
        error = computed.errors.get(number)
        if error is not None:
            facts = number in self.plan.remembered, None, ""
        return Outcome(
            index, self.plan.points.given(index), lambda: self._load(index), facts, error
        )

    def _load(self, index: int) -> R:
        """Returns the result of a point, each time another object."""
        plan, memo = self.plan, self.memo
        number = plan.keys.number(index)
        taken = self.runner.computed.take(number)
        if taken is not None:
            return cast("R", taken[0])
        found = self._reader()(index, plan.keys.state(number))
        if found is not None:
            return cast("R", found[0])
        if memo.definition != plan.keys.definition:
            raise plan.changed()
        args, kwargs = plan.points.arguments(index)
        call = memo._core.key(memo, args, kwargs)
        read = hooks().read_entry()(memo, call)
        if read is not None:
            return cast("R", read[0])
        # The entry is gone or damaged since the sweep was made.
        self.runner.recompute(number)
        with contextlib.closing(self.display()):
            self.wait(lambda: self.runner.wait(number))
        taken = self.runner.computed.take(number)
        if taken is not None:
            return cast("R", taken[0])
        error = self.runner.computed.errors.get(number)
        if error is not None:
            raise error
        read = hooks().read_entry()(memo, call)
        if read is None:
            raise SweepError(
                f"the result of {plan.label(index)} was computed and stored, and cannot be read now"
            )
        return cast("R", read[0])

    @property
    def _entries(self) -> tuple[Any, Any, str, float | None] | None:
        """The first arguments of `PointKeys.recall`; None if there cannot be a cache folder."""
        memo = self.memo
        try:
            return memo._store, memo.__wrapped__, memo._function_name, self.plan.max_age
        except OSError:
            return None

    def _reader(self) -> Callable[[int, int], tuple[Any, float] | None]:
        """Returns a function of a point and a state, which reads the result by its key, and its run time.

        The function returns None if the key is in another state, or there is no sound entry.
        """
        entries = self._entries
        if entries is None:
            return lambda _index, _state: None
        return functools.partial(self.plan.keys.recall, *entries)

    def known(self, index: int, count: int) -> list[Any]:
        """Returns results of consecutive points that are at hand: stored before, or computed meanwhile.

        Returns fewer than `count` results, or none, if the next result is not known, or there is another way to get it.
        """
        keys = self.plan.keys
        entries = self._entries
        if entries is not None:
            results = keys.recall_run(*entries, (index, count), STORED)
            if results:
                return results
        computed = self.runner.computed
        results = computed.take_plain(keys.run(index, count, COMPUTED))
        if not results and index < len(keys):
            number = keys.number(index)
            if keys.state(number) == COMPUTED:
                results += computed.take(number) or ()
        return results

    def entry(self, digest: str) -> dict[str, Any] | None:
        """Reads an entry by its key; None if there is no sound one."""
        memo = self.memo
        if self.plan.mode == "off":
            return None
        try:
            entry = memo._core.read(memo, self.plan.keys.definition, digest, False)
            if entry is None:
                return None
            return unpickler.load_entry(entry.body, entry.fast, memo.__wrapped__.__module__)
        except Exception:
            return None

    def display(self) -> Display:
        """Returns a progress display of the sweep. Until it is closed, signals are handled."""
        self._handlers.begin()
        return Display(self._show, self.memo.__name__, self._progress, self._handlers.end)

    def _progress(self) -> Progress:
        keys = self.plan.keys
        return Progress(
            keys.distinct if self.plan.is_complete else None,
            keys.count(STORED),
            keys.count(COMPUTED) + keys.count(UNSTORED),
            keys.count(FAILED),
        )

    def warn_of_errors(self) -> None:
        """Warns of failed points, if they are collected."""
        errors = self.runner.computed.errors
        if errors and self.collects:
            first = min(errors)
            label = self.plan.label(self.plan.keys.first(first))
            warn(
                f"{self.memo.__qualname__}: {len(errors):,} of {self.plan.keys.distinct:,} points failed, the first"
                f" is {label}: {one_line(errors[first])}. See errors of the sweep."
            )


def _one_thread() -> Any:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="funes-sweep")
