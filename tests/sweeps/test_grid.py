"""`grid`: a lazy product of axes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from funes import grid
from funes.types import Grid


def test_order_is_that_of_nested_loops() -> None:
    points = grid(a=[1, 2], b=["", "y"], c=range(3))
    expected = [
        dict(zip("abc", values, strict=True))
        for values in itertools.product([1, 2], ["", "y"], range(3))
    ]
    assert list(points) == expected
    assert [points[index] for index in range(len(points))] == expected
    assert [points[index] for index in range(-len(points), 0)] == expected
    assert points[2:9:3] == expected[2:9:3]


def test_large_grid_takes_no_memory() -> None:
    points = grid(**{f"x{number}": range(1000) for number in range(6)})
    assert len(points) == 10**18
    assert points[10**18 - 1] == {f"x{number}": 999 for number in range(6)}


def test_axes_keep_their_values() -> None:
    points = grid(rate=iter([0.1, 0.2]), depth=range(1, 4))
    assert dict(points.axes) == {"rate": (0.1, 0.2), "depth": range(1, 4)}
    with pytest.raises(TypeError):
        points.axes["rate"] = ()  # type: ignore[index]


def test_repr_counts() -> None:
    assert repr(grid(a=[1, 2], b=range(3))) == "grid(a=[1, 2], b=range(0, 3)): 2 x 3 = 6 points"
    assert repr(grid(a=[1])) == "grid(a=[1]): 1 point"
    assert repr(grid(a=list(range(100)))) == "grid(a=<list>): 100 points"


def test_empty_axis_gives_no_point() -> None:
    assert list(grid(a=[], b=[1])) == []
    assert len(grid()) == 1
    assert list(grid()) == [{}]


@pytest.mark.parametrize("values", ["abc", b"abc", 3, None])
def test_single_value_is_refused(values: Any) -> None:
    with pytest.raises(TypeError, match=r"the axis 'rate' needs several values.*rate=\["):
        grid(rate=values)


def test_index_outside_is_refused() -> None:
    points = grid(a=[1, 2])
    for index in (2, -3):
        with pytest.raises(IndexError, match="2 points"):
            points[index]
    with pytest.raises(TypeError):
        points["a"]  # type: ignore[call-overload]
    assert isinstance(points, Grid)
