"""A sweep: the calls of a memorious function at many points."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from funes._results import markup
from funes._results.units import number_of
from funes._sweeps import tables
from funes._sweeps.duration import about
from funes._sweeps.executors.choose import workers_of
from funes._sweeps.iteration import (
    CompletedIteration,
    Iteration,
    TaskIteration,
    ThreadIteration,
)
from funes._sweeps.outcome import Outcome, Status
from funes._sweeps.plan import COMPUTED, FAILED, MISSING, SENT, STORED, UNSTORED, Plan
from funes._sweeps.points import Points
from funes._sweeps.progress import Show
from funes._sweeps.serial import Serial
from funes._sweeps.sweep_run import SweepRun
from funes._warnings import safe_repr

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

R = TypeVar("R")


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
        self._run: SweepRun[R] = SweepRun(
            self._plan, executor, collects=on_error == "collect", retries=retries, progress=progress
        )

    # The plan

    def __len__(self) -> int:
        """The number of points.

        Raises:
            TypeError: The points come from an iterator that was not read to its end.
        """
        if not self._plan.is_complete or self._plan.error is not None:
            raise TypeError(
                "the number of points is not known, since they come from an iterator; pass a list"
            )
        return len(self._plan.keys)

    @property
    def missing(self) -> list[Any]:
        """The distinct points that are not stored, as they were given. Of an iterator, those that were taken.

        Points whose exceptions are stored (``remember_errors=``) are in `errors` instead: nothing would compute them.
        """
        self._plan.refresh()
        keys = self._plan.keys
        found = []
        for state in (MISSING, SENT, FAILED, UNSTORED):
            number = keys.find(state, 0)
            while number is not None:
                if state != FAILED or not self._plan.is_failure_stored(number):
                    found.append(keys.first(number))
                number = keys.find(state, number + 1)
        return [self._plan.points.given(index) for index in sorted(found)]

    @property
    def errors(self) -> list[Outcome[R]]:
        """The distinct points whose computation failed, now or when the exception was stored, in their order."""
        return [
            self._run.outcome(self._plan.keys.first(number))
            for number in sorted(self._run.runner.computed.errors)
        ]

    def status(self) -> Status:
        """Returns how many points are stored now, by the cache folder alone.

        Results in a remote cache are received when the sweep takes the points.

        A sweep that any process makes of the same points has the same status, also after the process that computed
        has died.
        """
        return self._plan.status()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Sweep belongs to the process that made it, and cannot be pickled: send the points, and make the sweep"
            " there; what is stored is found"
        )

    def __repr__(self) -> str:
        return f"{self._memo.__name__}: {self._description()}"

    def _repr_html_(self) -> str:
        name, description = markup.text(self._memo.__name__), markup.text(self._description())
        shown = f"<p><b>{name}</b>: {description}</p>"
        grid = self._plan.points.grid
        if grid is None:
            return shown
        rows = (
            (name, f"{len(values):,}", _axis_shown(values)) for name, values in grid.axes.items()
        )
        return markup.block(shown, markup.facts(rows))

    def _description(self) -> str:
        keys = self._plan.keys
        points = len(keys)
        taken = "" if self._plan.is_complete else " taken from an iterator"
        parts = [f"{number_of(points, 'point')}{taken}"]
        missing = keys.count(MISSING) + keys.count(SENT)
        for count, word in (
            (keys.count(STORED), "cached"),
            (points - keys.distinct, "duplicate" if points - keys.distinct == 1 else "duplicates"),
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
        return Iteration(self._run, None)

    def items(self) -> Iterator[tuple[Any, R]]:
        """Returns an iterator of the points, as they were given, with their results, in their order."""
        return Iteration(self._run, lambda outcome: (outcome.point, outcome.result()))

    def results(self) -> list[R]:
        """Computes what is missing and returns all results in the order of the points."""
        return list(self)

    def as_completed(self) -> Iterator[Outcome[R]]:
        """Yields an `Outcome` for each point as soon as it is known: stored results first.

        A failed point is yielded like any other; its `Outcome.result` raises the exception.
        """
        return CompletedIteration(self._run)

    def to_pandas(self, flatten: bool = False) -> pd.DataFrame:
        """Computes what is missing and returns a `pandas.DataFrame` with a row for each point, in their order.

        The columns are those of `Results.to_pandas`: the arguments, the output (a column for each key of a dict), and
        ``time``, the run time in seconds. With ``on_error="collect"``, failed points are left out.

        Args:
            flatten: As for `Results.to_pandas`.

        Raises:
            ImportError: pandas is not installed.
        """
        return tables.to_pandas(self._memo, self._rows(), flatten=flatten)

    def to_xarray(self) -> Any:
        """Computes what is missing and returns the results of a grid as an `xarray.DataArray` with its axes.

        Results that are dicts become an `xarray.Dataset` with a variable for each key; a key that is the name of an
        axis becomes ``output.<key>``. Arrays in results add dimensions of their own. Values that no other array holds
        unchanged become an array of objects. With ``on_error="collect"``, failed points are NaN.

        Raises:
            TypeError: The points are not a grid.
            ImportError: xarray is not installed.
        """
        grid = self._plan.points.grid
        if grid is None:
            raise TypeError("to_xarray needs the points of a grid: f.map(grid(...))")
        xarray = tables.import_xarray()
        found: dict[int, Any] = dict(
            Iteration(self._run, lambda outcome: (outcome.index, outcome.result()))
        )
        axes = {
            name: [tables.coordinate(value) for value in values]
            for name, values in grid.axes.items()
        }
        return tables.to_xarray(xarray, self._memo.__name__, axes, found)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for outcome in Iteration(self._run, lambda outcome: outcome):
            args, kwargs = self._plan.points.arguments(outcome.index)
            call = self._memo._core.key(self._memo, args, kwargs)
            entry = self._run.entry(
                self._plan.keys.arguments(self._plan.keys.number(outcome.index))
            )
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
        self._run.start()
        return self

    def cancel(self) -> None:
        """Cancels what has not begun. What runs ends and is stored. A later iteration goes on."""
        self._run.cancel()

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

    def __aiter__(self) -> AsyncIterator[R]:
        if isinstance(self._run.runner, Serial) and self._memo._core.is_async:
            return TaskIteration(self._run)
        return ThreadIteration(self._run)

    def __await__(self) -> Generator[Any, None, list[R]]:
        async def collect() -> list[R]:
            return [result async for result in self]

        return collect().__await__()


def _axis_shown(values: Sequence[Any]) -> str:
    is_short = len(values) <= 8
    parts = [values] if is_short else [values[:4], values[-2:]]
    return ", ..., ".join(
        ", ".join(safe_repr(tables.coordinate(value)) for value in part) for part in parts
    )
