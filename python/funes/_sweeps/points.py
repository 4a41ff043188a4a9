"""The points of a sweep: as they were given, and as arguments of calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from funes._sweeps.arguments import (
    ATOMS,
    Arguments,
    Copy,
    Original,
    is_constant,
    keep,
    load,
    load_all,
)
from funes._sweeps.grid import Grid
from funes._sweeps.ignored import Ignored, keep_live
from funes._warnings import safe_repr

#: What `PointKeys.extend` takes: positional arguments, or keyword arguments.
Call = tuple[Any, ...] | dict[str, Any]


class Points:
    """Points that are taken from the user's iterables one after the other.

    Each is kept as it is when it is taken, so that the user may change it afterwards.
    """

    #: The number of points; None if they come from an iterator.
    size: int | None
    #: The axes, if the points are a grid.
    grid: Grid | None = None
    #: True if all arguments are known to be immutable values, which are kept as they are.
    is_plain = False

    def calls(self) -> Iterator[Call]:
        """Yields the arguments of each point and keeps them. May be called once."""
        raise NotImplementedError

    def kept(self, index: int) -> Arguments:
        """Returns the arguments of a point that was taken, as they are kept."""
        raise NotImplementedError

    def all_kept(self, indices: list[int]) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
        """Returns the arguments of points like `kept`: positional ones, and keyword arguments unless there are none."""
        calls = list(map(self.kept, indices))
        keywords = [kwargs for _, kwargs in calls]
        return [args for args, _ in calls], keywords if any(keywords) else []

    def given(self, index: int) -> Any:
        """Returns a point that was taken, as the user gave it."""
        raise NotImplementedError

    def arguments(self, index: int) -> Arguments:
        """Returns the arguments of a point that was taken."""
        return load_all(*self.kept(index))


class Columns(Points):
    """The points of `f.map(*iterables)`: an iterable for each parameter."""

    def __init__(
        self, first: tuple[Any, ...], iterables: tuple[Iterable[Any], ...], ignored: Ignored
    ) -> None:
        self._first = ignored.keep_all(first)
        self._ignored = ignored
        self._live_first = first
        self._source: list[Iterable[Any]] = []
        #: The kept values: whole at once, or as they are taken.
        self._columns: list[Sequence[Any]] = []
        self._taken: list[list[Any]] = []
        sizes = []
        for position, values in enumerate(iterables, len(first)):
            size = _size_of(values)
            if size is None:
                self._source.append(values)
                self._taken.append([])
                self._columns.append(self._taken[-1])
                continue
            values = values if isinstance(values, (range, tuple)) else list(values)
            sizes.append(len(values))
            self._source.append(values)
            is_ignored = ignored.has_position(position)
            self._columns.append(_kept_column(values, keep_live if is_ignored else keep))
            self._taken.append([])
        # As for `zip`, the shortest iterable counts.
        self.size = min(sizes) if len(sizes) == len(iterables) else None
        if self.size is not None:
            self.is_plain = _are_plain([self._first, *self._columns])

    def calls(self) -> Iterator[Call]:
        if self.size is not None:
            return zip(*map(itertools.repeat, self._live_first), *self._source, strict=False)
        return self._one_by_one()

    def _one_by_one(self) -> Iterator[Call]:
        growing = [
            (number, taken)
            for number, (taken, column) in enumerate(zip(self._taken, self._columns, strict=True))
            if taken is column
        ]
        for values in zip(*self._source, strict=False):
            for number, taken in growing:
                taken.append(self._ignored.keep_at(len(self._live_first) + number, values[number]))
            yield (*self._live_first, *values)

    def kept(self, index: int) -> Arguments:
        return (*self._first, *(column[index] for column in self._columns)), {}

    def all_kept(self, indices: list[int]) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
        columns = [map(column.__getitem__, indices) for column in self._columns]
        return list(zip(*map(itertools.repeat, self._first), *columns, strict=False)), []

    def given(self, index: int) -> Any:
        values = tuple(load(column[index]) for column in self._columns)
        return values[0] if len(values) == 1 else values


class Rows(Points):
    """The points of `f.starmap(points)`: positional arguments as tuples, keyword arguments as mappings."""

    def __init__(self, first: tuple[Any, ...], points: Iterable[Any], ignored: Ignored) -> None:
        self._first = ignored.keep_all(first)
        self._ignored = ignored
        self._live_first = first
        self.size = _size_of(points)
        self._source = points
        self._rows: list[Any] = []

    def calls(self) -> Iterator[Call]:
        for point in self._source:
            if isinstance(point, Mapping):
                call: Call = dict(point)
                keep_named = self._ignored.keep_named
                self._rows.append({name: keep_named(name, value) for name, value in point.items()})
                yield call
            else:
                values = _tuple_of(point, len(self._rows))
                self._rows.append(self._ignored.keep_all(values, len(self._first)))
                yield (*self._live_first, *values)

    def kept(self, index: int) -> Arguments:
        row = self._rows[index]
        return (self._first, row) if isinstance(row, dict) else ((*self._first, *row), {})

    def given(self, index: int) -> Any:
        row = self._rows[index]
        if isinstance(row, dict):
            return {name: load(value) for name, value in row.items()}
        return tuple(map(load, row))


class GridPoints(Points):
    """The points of a grid, which are made when they are read."""

    def __init__(self, first: tuple[Any, ...], points: Grid, ignored: Ignored) -> None:
        self._first = ignored.keep_all(first)
        self._live = points
        axes = {
            name: _kept_column(values, keep_live if ignored.has_name(name) else keep)
            for name, values in points.axes.items()
        }
        self.grid = Grid(axes)
        self.is_plain = _are_plain([self._first, *axes.values()])
        self.size = len(points)

    def calls(self) -> Iterator[Call]:
        return iter(self._live)

    def kept(self, index: int) -> Arguments:
        return self._first, self.grid[index] if self.grid is not None else {}

    def given(self, index: int) -> Any:
        return {name: load(value) for name, value in self.kept(index)[1].items()}


def _size_of(values: Any) -> int | None:
    """Returns the number of elements; None for an iterator.

    Raises:
        TypeError: It is not iterable.
    """
    iter_of = getattr(type(values), "__iter__", None) or getattr(type(values), "__getitem__", None)
    if iter_of is None:
        raise TypeError(
            f"map takes an iterable for each parameter, not a value of type {type(values).__name__};"
            " wrap a value that is the same at all points in itertools.repeat"
        )
    return len(values) if hasattr(type(values), "__len__") else None


def _kept_column(values: Sequence[Any], keep: Callable[[Any], Any]) -> Sequence[Any]:
    """Returns the kept elements; the sequence itself if none of it can change."""
    kinds = set() if isinstance(values, range) else set(map(type, values))
    if kinds <= ATOMS:
        return values
    # An object that occurs several times, such as a large array, is copied once.
    copies: dict[int, Any] = {}
    column = []
    for value in values:
        if is_constant(value):
            column.append(value)
            continue
        if id(value) not in copies:
            copies[id(value)] = keep(value)
        column.append(copies[id(value)])
    return column


def _are_plain(columns: Iterable[Sequence[Any]]) -> bool:
    """Returns whether all kept values are immutable values."""
    kinds = {kind for column in columns if type(column) is not range for kind in map(type, column)}
    return kinds.isdisjoint((Copy, Original))


def _tuple_of(point: Any, index: int) -> tuple[Any, ...]:
    if isinstance(point, (str, bytes)) or not isinstance(point, Iterable):
        raise TypeError(
            f"points[{index}]: starmap takes tuples of positional arguments and mappings of keyword arguments,"
            f" not {safe_repr(point)}"
        )
    return tuple(point)
