"""The grid of a sweep: every combination of the values of some parameters."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

from funes._warnings import safe_repr


def grid(**axes: Iterable[Any]) -> Grid:
    """Returns every combination of the values of some parameters, for `f.map`.

    The first parameter varies slowest. The combinations are made when they are read, so that a grid takes no more
    memory than its axes.

    Args:
        **axes: The values of each parameter. ``global_seed`` is an axis like any other.

    Raises:
        TypeError: An axis is a single value, or a string, whose letters would become the values.

    Example:
        >>> points = grid(rate=[0.1, 0.01], depth=range(1, 9))
        >>> len(points), points[3]
        (16, {'rate': 0.1, 'depth': 4})
        >>> points
        grid(rate=[0.1, 0.01], depth=range(1, 9)): 2 x 8 = 16 points
    """
    return Grid(axes)


class Grid(Sequence[dict[str, Any]]):
    """A product of axes, returned by `grid`. Its elements are dicts of keyword arguments."""

    def __init__(self, axes: Mapping[str, Iterable[Any]]) -> None:
        self._given = {name: _shown(values) for name, values in axes.items()}
        self._axes = {name: _axis(name, values) for name, values in axes.items()}
        self._strides: list[tuple[str, Sequence[Any], int]] = []
        size = 1
        for name, values in reversed(self._axes.items()):
            self._strides.append((name, values, size))
            size *= len(values)
        self._strides.reverse()
        self._size = size

    @property
    def axes(self) -> Mapping[str, Sequence[Any]]:
        """The values of each parameter, in the order of the call of `grid`."""
        return MappingProxyType(self._axes)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(self._size))]
        number = operator.index(index)
        if not -self._size <= number < self._size:
            raise IndexError(f"the grid has {self._size:,} points, and none with the index {index}")
        number %= self._size
        return {name: values[number // size % len(values)] for name, values, size in self._strides}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.__getitem__, range(self._size))

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}={shown}" for name, shown in self._given.items())
        sizes = " x ".join(str(len(values)) for values in self._axes.values())
        product = f"{sizes} = " if len(self._axes) > 1 else ""
        return f"grid({axes}): {product}{self._size:,} point{'s' * (self._size != 1)}"


def _axis(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(
            f"grid: the axis {name!r} needs several values, not {safe_repr(values)}: write {name}=[{safe_repr(values)}]"
        )
    return values if isinstance(values, (range, tuple)) else tuple(values)


def _shown(values: Any) -> str:
    if isinstance(values, (list, tuple, set, dict)) and len(values) > 30:
        return f"<{type(values).__name__}>"
    shown = safe_repr(values)
    return shown if len(shown) <= 60 and "\n" not in shown else f"<{type(values).__name__}>"
