"""Makes the sweeps of `f.map` and `f.starmap`."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from funes._sweeps.executors import choose
from funes._sweeps.grid import Grid
from funes._sweeps.ignored import Ignored
from funes._sweeps.points import Columns, GridPoints, Points, Rows
from funes._sweeps.progress import Show
from funes._sweeps.sweep import Sweep


class SweepOptions(TypedDict, total=False):
    """The options of `f.map` and `f.starmap`, for type checkers."""

    executor: Any
    on_error: Literal["raise", "collect"]
    retries: int
    progress: Show


def make_map(memo: Any, first: tuple[Any, ...], iterables: tuple[Any, ...], **options: Any) -> Any:
    """Returns the sweep of `f.map`. `first`: the object of a bound method."""
    if not iterables:
        raise TypeError("map takes an iterable for each parameter, or a grid")
    grids = [each for each in iterables if isinstance(each, Grid)]
    if grids and len(iterables) > 1:
        raise TypeError("map takes one grid, or an iterable for each parameter, not both")
    ignored = Ignored(memo)
    points = GridPoints(first, grids[0], ignored) if grids else Columns(first, iterables, ignored)
    return _make(memo, points, first, **options)


def make_starmap(memo: Any, first: tuple[Any, ...], points: Any, **options: Any) -> Any:
    """Returns the sweep of `f.starmap`."""
    kind = GridPoints if isinstance(points, Grid) else Rows
    rows = kind(first, points, Ignored(memo))
    return _make(memo, rows, first, **options)


def _make(
    memo: Any,
    points: Points,
    first: tuple[Any, ...],
    *,
    executor: Any = None,
    on_error: str = "raise",
    retries: int = 0,
    progress: Show = None,
) -> Sweep[Any]:
    choose.check(executor)
    if on_error not in ("raise", "collect"):
        raise ValueError(f'on_error must be "raise" or "collect", not {on_error!r}')
    if type(retries) is not int or retries < 0:
        raise ValueError(f"retries must be a number, 0 or more, not {retries!r}")
    if progress not in (None, False) and not callable(progress):
        raise TypeError(f"progress must be None, False or a function, not {progress!r}")
    return Sweep(
        memo,
        points,
        first,
        executor=executor,
        on_error=on_error,
        retries=retries,
        progress=progress,
    )
