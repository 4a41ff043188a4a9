"""A sweep: the calls of a memorious function at many points."""

from __future__ import annotations

import functools
import html
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from funes._entries import codec
from funes._funes import hooks
from funes._sweeps import interrupt, tables
from funes._sweeps.dispatch import Dispatcher
from funes._sweeps.duration import about
from funes._sweeps.executors.choose import workers_of
from funes._sweeps.outcome import Outcome, Status
from funes._sweeps.plan import COMPUTED, FAILED, MISSING, SENT, STORED, UNSTORED, Plan
from funes._sweeps.points import Points
from funes._sweeps.progress import Display, Progress, Show
from funes._sweeps.serial import Serial
from funes._warnings import one_line, warn
from funes.errors import SweepError

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    import pandas as pd

R = TypeVar("R")
T = TypeVar("T")
S = TypeVar("S")

#: Points of an iterator that are taken ahead of the iteration at most, and for how many seconds.
_MAX_AHEAD = 10_000
_AHEAD_SECONDS = 0.02
_AHEAD_STEP = 64

#: Marks the end of an iteration in another thread, from which StopIteration cannot come.
_END = object()

#: Coroutines that an event loop runs at the same time.
_MAX_COROUTINES = 64


class Sweep(Generic[R]):
    """The calls of a memorious function at many points, made by `f.map` and `f.starmap`.

    It is a plan at first: the points were taken and their keys computed, and nothing was run. Iteration yields the
    results in the order of the points. Stored results are read. Missing ones are computed by the executor, and stored.
    A point that occurs several times is computed once, and each occurrence gets its own copy.

    There is no state besides the cache: after a crash, Ctrl-C or a change of the points, the same line computes what is
    missing.

    Example:
        >>> import tempfile
        >>> from funes import grid, memorious
        >>> @memorious(cache_dir=tempfile.mkdtemp())
        ... def score(rate, depth):
        ...     return rate * depth
        >>> sweep = score.map(grid(rate=[0.5, 2.0], depth=[1, 2]))
        >>> print(sweep)
        score: 4 points, 4 to compute
        >>> list(sweep)
        [0.5, 1.0, 2.0, 4.0]
        >>> print(sweep.status())
        4 of 4 points are stored, 0 are missing
    """

    def __init__(
        self,
        memo: Any,
        points: Points,
        first: tuple[Any, ...],
        *,
        executor: Any,
        on_error: str,
        retries: int,
        progress: Show,
    ) -> None:
        self._memo = memo
        self._plan = Plan(memo, points, first)
        self._executor = executor
        self._collects = on_error == "collect"
        self._show = progress
        self._runner: Dispatcher | Serial = (
            Serial(self._plan, retries)
            if executor is None
            else Dispatcher(self._plan, executor, retries, not self._collects)
        )
        self._is_started = False

    # The plan

    def __len__(self) -> int:
        """The number of points.

        Raises:
            TypeError: The points come from an iterator that was not read to its end.
        """
        if not self._plan.is_complete:
            raise TypeError(
                "the number of points is not known, since they come from an iterator; pass a list"
            )
        return len(self._plan.keys)

    @property
    def missing(self) -> list[Any]:
        """The distinct points that are not stored, as they were given. Of an iterator, those that were taken."""
        self._plan.refresh()
        keys = self._plan.keys
        found = []
        for state in (MISSING, SENT, FAILED, UNSTORED):
            number = keys.find(state, 0)
            while number is not None:
                found.append(keys.first(number))
                number = keys.find(state, number + 1)
        return [self._plan.points.given(index) for index in sorted(found)]

    @property
    def errors(self) -> list[Outcome[R]]:
        """The distinct points whose computation failed, with the exceptions, in their order."""
        return [
            self._outcome(self._plan.keys.first(number))
            for number in sorted(self._runner.computed.errors)
        ]

    def status(self) -> Status:
        """Returns how many points are stored now, by the cache folder alone.

        A sweep that any process makes of the same points has the same status, also after the process that computed
        has died.
        """
        keys = self._plan.keys
        stored = self._plan.count_stored()
        return Status(len(keys), len(keys) - keys.distinct, stored, keys.distinct - stored)

    def __repr__(self) -> str:
        return f"{self._memo.__name__}: {self._description()}"

    def _repr_html_(self) -> str:
        shown = (
            f"<p><b>{html.escape(self._memo.__name__)}</b>: {html.escape(self._description())}</p>"
        )
        grid = self._plan.points.grid
        if grid is None:
            return shown
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{len(values):,}</td><td>{html.escape(_axis_shown(values))}</td></tr>"
            for name, values in grid.axes.items()
        )
        return f"{shown}<table><tbody>{rows}</tbody></table>"

    def _description(self) -> str:
        keys = self._plan.keys
        points = len(keys)
        taken = "" if self._plan.is_complete else " taken from an iterator"
        parts = [f"{points:,} point{'s' * (points != 1)}{taken}"]
        missing = keys.count(MISSING) + keys.count(SENT)
        for count, word in (
            (keys.count(STORED), "cached"),
            (points - keys.distinct, "duplicates"),
            (keys.count(COMPUTED) + keys.count(UNSTORED), "computed"),
            (keys.count(FAILED), "failed"),
            (missing, "to compute"),
        ):
            parts += [f"{count:,} {word}"] if count else []
        seconds = self._plan.seconds_per_point() if missing else None
        if seconds is not None:
            workers = min(workers_of(self._executor), missing)
            where = f" on {workers:,} workers" if workers > 1 else ""
            parts[-1] += f" (about {about(seconds * missing / workers)}{where})"
        return ", ".join(parts)

    # Results

    def __iter__(self) -> Iterator[R]:
        return _Iteration(self, None)

    def items(self) -> Iterator[tuple[Any, R]]:
        """Returns an iterator of the points, as they were given, with their results, in their order."""
        return _Iteration(self, lambda outcome: (outcome.point, outcome.result()))

    def results(self) -> list[R]:
        """Computes what is missing and returns all results in the order of the points."""
        return list(self)

    def as_completed(self) -> Iterator[Outcome[R]]:
        """Yields an `Outcome` for each point as soon as it is known: stored results first.

        A failed point is yielded like any other; its `Outcome.result` raises the exception.
        """
        self._runner.report_completions()
        self._started()
        keys, display = self._plan.keys, self._display()
        given: set[int] = set()
        again: dict[int, list[int]] = {}
        index = 0
        try:
            while True:
                while self._ensure(index):
                    number = keys.number(index)
                    if number in given or keys.state(number) not in (MISSING, SENT):
                        given.add(number)
                        yield self._outcome(index)
                    else:
                        again.setdefault(number, []).append(index)
                    index += 1
                    if not self._plan.is_complete and len(again) >= _MAX_AHEAD:
                        break
                if not again:
                    return
                next_number = self._wait(lambda: self._runner.next_completion(display.update))
                # Points that completed while they were looked at are not reported any more.
                numbers = list(again) if next_number is None else [next_number]
                for number in numbers:
                    given.add(number)
                    for each in again.pop(number, ()):
                        yield self._outcome(each)
        finally:
            display.close()
            if again:
                self._abandon()

    def to_pandas(self) -> pd.DataFrame:
        """Computes what is missing and returns a `pandas.DataFrame` with a row for each point, in their order.

        The columns are those of `Results.to_pandas`: the arguments, the output (a column for each key of a dict), and
        ``time``, the run time in seconds. With ``on_error="collect"``, failed points are left out.

        Raises:
            ImportError: pandas is not installed.
        """
        return tables.to_pandas(self._memo, self._rows())

    def to_xarray(self) -> Any:
        """Computes what is missing and returns the results of a grid as an `xarray.DataArray` with its axes.

        Results that are dicts become an `xarray.Dataset` with a variable for each key. Arrays in results add dimensions
        of their own. With ``on_error="collect"``, failed points are NaN.

        Raises:
            TypeError: The points are not a grid.
            ImportError: xarray is not installed.
        """
        grid = self._plan.points.grid
        if grid is None:
            raise TypeError("to_xarray needs the points of a grid: f.map(grid(...))")
        xarray = tables.import_xarray()
        found: dict[int, Any] = dict(
            _Iteration(self, lambda outcome: (outcome.index, outcome.result()))
        )
        axes = {
            name: [tables.coordinate(value) for value in values]
            for name, values in grid.axes.items()
        }
        return tables.to_xarray(xarray, self._memo.__name__, axes, found)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for outcome in _Iteration(self, lambda outcome: outcome):
            args, kwargs = self._plan.points.arguments(outcome.index)
            call = self._memo._core.key(self._memo, args, kwargs)
            entry = self._entry(self._plan.keys.arguments(self._plan.keys.number(outcome.index)))
            if entry is None:
                entry = {"output": outcome.result(), "time": outcome.seconds}
            yield {"input": call.inputs, "output": entry["output"], "time": entry["time"]}

    # Computation

    def start(self) -> Sweep[R]:
        """Begins to compute what is missing, and returns at once. All points of an iterator are taken.

        Without an executor, a thread of this process computes.

        Returns:
            The sweep itself.
        """
        while self._plan.take(_MAX_AHEAD):
            pass
        if isinstance(self._runner, Serial):
            computed = self._runner.computed
            self._runner = Dispatcher(
                self._plan, _one_thread(), self._runner.retries, not self._collects
            )
            self._runner.computed = computed
        self._is_started = True
        self._runner.start()
        return self

    def cancel(self) -> None:
        """Cancels what has not begun. What runs ends and is stored. A later iteration goes on."""
        self._is_started = False
        self._runner.stop()

    def __enter__(self) -> Sweep[R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    # In an event loop

    async def __aiter__(self) -> AsyncIterator[R]:
        if isinstance(self._runner, Serial) and self._memo._core.is_async:
            async for result in self._in_this_loop():
                yield result
            return
        import asyncio

        results = iter(self)
        loop = asyncio.get_running_loop()
        while True:
            found = await loop.run_in_executor(None, next, results, _END)
            if found is _END:
                return
            yield cast("R", found)

    def __await__(self) -> Generator[Any, None, list[R]]:
        async def collect() -> list[R]:
            return [result async for result in self]

        return collect().__await__()

    async def _in_this_loop(self) -> AsyncIterator[R]:
        """Computes the points of a coroutine function as tasks of the running loop, some at a time."""
        import asyncio

        runner = cast("Serial", self._runner)
        keys, index = self._plan.keys, 0
        tasks: dict[int, asyncio.Task[None]] = {}
        ahead = 0
        try:
            while self._ensure(index):
                while len(tasks) < _MAX_COROUTINES and self._ensure(ahead):
                    number = keys.number(ahead)
                    if keys.state(number) == MISSING and number not in tasks:
                        tasks[number] = asyncio.ensure_future(runner.compute_async(number))
                    ahead += 1
                number = keys.number(index)
                if number in tasks:
                    await tasks.pop(number)
                outcome = self._outcome(index)
                index += 1
                if outcome.error is None:
                    yield outcome.result()
                elif not self._collects:
                    raise outcome.error
            self._warn_of_errors()
        finally:
            for task in tasks.values():
                task.cancel()

    # Used by iterations

    def _started(self) -> None:
        self._runner.start()

    def _ensure(self, index: int) -> bool:
        """Takes points until there is one with an index; returns whether there is one."""
        plan, keys = self._plan, self._plan.keys
        if plan.is_complete:
            return index < len(keys)
        known = keys.distinct
        if isinstance(self._runner, Serial):
            while len(keys) <= index and plan.take(1):
                pass
        else:
            end = time.monotonic() + _AHEAD_SECONDS
            while len(keys) <= index or (len(keys) < index + _MAX_AHEAD and time.monotonic() < end):
                if not plan.take(1 if len(keys) <= index else _AHEAD_STEP):
                    break
        if keys.distinct > known or plan.is_complete:
            self._runner.start(known)
        return index < len(keys)

    def _wait(self, work: Callable[[], T]) -> T:
        """Waits for points. Ctrl-C and SIGTERM cancel what has not begun."""
        try:
            with interrupt.termination():
                return work()
        except (KeyboardInterrupt, SystemExit) as error:
            interrupt.end(error, self._plan, self._runner)
            raise
        finally:
            while self._runner.warnings:
                warn(self._runner.warnings.popleft())

    def _wait_for(self, index: int, display: Display) -> Outcome[R]:
        number = self._plan.keys.number(index)
        if self._plan.keys.state(number) in (MISSING, SENT):
            self._wait(lambda: self._runner.wait(number, display.update))
        return self._outcome(index)

    def _outcome(self, index: int) -> Outcome[R]:
        """Returns the outcome of a point that was computed or is stored."""
        keys, computed = self._plan.keys, self._runner.computed
        number = keys.number(index)
        known = computed.about(number)
        facts: tuple[bool, float | None, str] = (True, None, "")
        if known is not None:
            facts = known[2], known[1], known[0]
        error = computed.errors.get(number)
        if error is not None:
            facts = False, None, ""
        return Outcome(
            index, self._plan.points.given(index), lambda: self._load(index), facts, error
        )

    def _load(self, index: int) -> R:
        """Returns the result of a point, each time another object."""
        plan, memo = self._plan, self._memo
        number = plan.keys.number(index)
        taken = self._runner.computed.take(number)
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
        self._runner.recompute(number)
        self._wait(lambda: self._runner.wait(number))
        taken = self._runner.computed.take(number)
        if taken is not None:
            return cast("R", taken[0])
        error = self._runner.computed.errors.get(number)
        if error is not None:
            raise error
        read = hooks().read_entry()(memo, call)
        if read is None:
            raise SweepError(
                f"the result of {plan.label(index)} was computed and stored, and cannot be read now"
            )
        return cast("R", read[0])

    def _reader(self) -> Callable[[int, int], tuple[Any, float] | None]:
        """Returns a function of a point and a state, which reads the result by its key, and its run time.

        The function returns None if the key is in another state, or there is no sound entry.
        """
        memo = self._memo
        try:
            about = memo._store, memo.__wrapped__, memo._function_name
        except OSError:  # there cannot be a cache folder
            return lambda _index, _state: None
        return functools.partial(self._plan.keys.recall, *about)

    def _computed(self, index: int) -> tuple[Any] | None:
        """Returns the result of a point that was just computed; None if there is another way to get it."""
        keys = self._plan.keys
        if index >= len(keys):
            return None
        number = keys.number(index)
        if keys.state(number) != COMPUTED:
            return None
        return self._runner.computed.take(number)

    def _entry(self, digest: str) -> dict[str, Any] | None:
        """Reads an entry by its key; None if there is no sound one."""
        memo = self._memo
        try:
            entry = memo._store.read(memo._function_name, self._plan.keys.definition, digest)
            if entry is None:
                return None
            return codec.load_entry(entry.body, entry.fast, memo.__wrapped__.__module__)
        except Exception:
            return None

    def _display(self) -> Display:
        return Display(self._show, self._memo.__name__, self._progress)

    def _progress(self) -> Progress:
        keys = self._plan.keys
        return Progress(
            keys.distinct if self._plan.is_complete else None,
            keys.count(STORED),
            keys.count(COMPUTED) + keys.count(UNSTORED),
            keys.count(FAILED),
        )

    def _abandon(self) -> None:
        """Cancels what has not begun, unless `start` was called."""
        if not self._is_started:
            self._runner.stop()

    def _warn_of_errors(self) -> None:
        errors = self._runner.computed.errors
        if errors and self._collects:
            first = min(errors)
            label = self._plan.label(self._plan.keys.first(first))
            warn(
                f"{self._memo.__qualname__}: {len(errors):,} of {self._plan.keys.distinct:,} points failed, the first"
                f" is {label}: {one_line(errors[first])}. See errors of the sweep."
            )


class _Iteration(Iterator[S], Generic[S]):
    """Yields something for each point in their order. Goes on after an exception, unlike a generator."""

    def __init__(self, sweep: Sweep[Any], form: Callable[[Outcome[Any]], S] | None) -> None:
        self._sweep = sweep
        #: None: the result is yielded.
        self._form = form
        self._index = 0
        self._is_over = False
        self._has_failed = False
        self._display = sweep._display()
        self._read = sweep._reader()
        sweep._started()

    def __next__(self) -> S:
        sweep = self._sweep
        if self._form is None:  # the usual case, and nothing else is needed for it
            found = self._read(self._index, STORED)
            if found is not None:
                self._index += 1
                return cast("S", found[0])
            computed = sweep._computed(self._index)
            if computed is not None:
                self._index += 1
                return cast("S", computed[0])
        if self._has_failed:
            self._has_failed = False
            sweep._started()
        while not self._is_over:
            if not sweep._ensure(self._index):
                self._is_over = True
                self._display.close()
                sweep._warn_of_errors()
                break
            try:
                outcome = sweep._wait_for(self._index, self._display)
            except BaseException:
                self._display.close()
                raise
            self._index += 1
            if outcome.error is None:
                return cast("S", outcome.result()) if self._form is None else self._form(outcome)
            if not sweep._collects:
                self._has_failed = True
                self._display.close()
                raise outcome.error
        raise StopIteration

    def __del__(self) -> None:
        if not getattr(self, "_is_over", True):
            self._display.close()
            self._sweep._abandon()


def _axis_shown(values: Iterable[Any]) -> str:
    texts = [repr(tables.coordinate(value)) for value in values]
    return ", ".join(texts if len(texts) <= 8 else [*texts[:4], "...", *texts[-2:]])


def _one_thread() -> Any:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="funes-sweep")
