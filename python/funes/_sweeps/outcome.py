"""The outcome of one point of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from funes._warnings import one_line, safe_repr

R = TypeVar("R")


class Outcome(Generic[R]):
    """A point of a sweep, with its result or exception. Yielded by `Sweep.as_completed`, listed in `Sweep.errors`."""

    def __init__(
        self,
        index: int,
        point: Any,
        load: Callable[[], R],
        about: tuple[bool, float | None, str] = (False, None, ""),
        error: BaseException | None = None,
    ) -> None:
        #: The position of the point, from 0 on.
        self.index = index
        #: The point, as it was given to `map`.
        self.point = point
        #: The exception, if the computation failed.
        self.error = error
        #: True if the result, or the exception, was stored before.
        self.is_hit = about[0]
        #: The run time in seconds, if this sweep computed the point.
        self.seconds = about[1]
        #: The host that computed the point, if this sweep computed it on another process.
        self.host = about[2]
        self._load = load

    def result(self) -> R:
        """Returns the result, or raises the exception of the point."""
        if self.error is not None:
            raise self.error
        return self._load()

    def __repr__(self) -> str:
        end = "cached" if self.is_hit else "computed"
        if self.error is not None:
            end = one_line(self.error)
        return f"<points[{self.index}] = {safe_repr(self.point)}: {end}>"


class Status(NamedTuple):
    """How much of a sweep is stored, returned by `Sweep.status`.

    Example:
        >>> print(Status(points=80, duplicates=0, stored=74, missing=6))
        74 of 80 points are stored, 6 are missing
    """

    #: The number of points that were taken.
    points: int
    #: The points that occur again.
    duplicates: int
    #: The distinct points that are stored: results, and exceptions that `remember_errors=` names.
    stored: int
    #: The distinct points that are not.
    missing: int

    def __str__(self) -> str:
        total = self.stored + self.missing
        missing = f"{self.missing:,} {'is' if self.missing == 1 else 'are'} missing"
        return f"{self.stored:,} of {total:,} points are stored, {missing}"
