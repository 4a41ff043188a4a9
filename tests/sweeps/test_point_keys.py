"""The table of the keys of points, in Rust."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_functions import square

from funes._funes import PointKeys


def table(values: list[Any]) -> PointKeys:
    keys = PointKeys()
    assert keys.extend(square._core.key, square, zip(values, strict=True), ()) == len(values)
    return keys


@given(st.lists(st.integers(-200, 200), max_size=600))
def test_equal_points_share_a_number(values: list[int]) -> None:
    keys = table(values)
    distinct = list(dict.fromkeys(values))
    assert (len(keys), keys.distinct) == (len(values), len(distinct))
    assert [keys.number(i) for i in range(len(values))] == [distinct.index(v) for v in values]
    assert [keys.first(n) for n in range(len(distinct))] == [values.index(v) for v in distinct]
    assert [keys.arguments(n) for n in range(len(distinct))] == [
        square.key(v).arguments for v in distinct
    ]


@given(st.lists(st.integers(0, 5), max_size=80))
def test_states_are_counted_and_found(states: list[int]) -> None:
    keys = table(list(range(len(states))))
    for number, state in enumerate(states):
        keys.set_state(number, state)
    for state in range(6):
        assert keys.count(state) == states.count(state)
        found, start = [], keys.find(state, 0)
        while start is not None:
            found.append(start)
            start = keys.find(state, start + 1)
        assert found == [number for number, each in enumerate(states) if each == state]


def test_listing_marks_the_keys_that_have_entries() -> None:
    for x in range(5):
        square(x)
    keys = table([3, 100, 4, 3, 200])
    assert keys.count_listed(str(square.cache_path)) == 2
    keys.set_state(2, 7)
    keys.mark_listed(str(square.cache_path), 0, 1)
    assert [keys.state(number) for number in range(4)] == [1, 0, 7, 0]
    assert keys.count_listed(str(square.cache_path / "missing")) == 0


def test_recall_reads_by_key_in_one_state_only() -> None:
    square(3)
    keys = table([3, 4])
    store = square._store
    read = (store, square.__wrapped__, "square")
    assert keys.recall(*read, 0, 1) is None
    output, seconds = keys.recall(*read, 0, 0) or (None, 0)
    assert (output, seconds > 0) == (9, True)
    assert keys.recall(*read, 1, 0) is None
    assert keys.recall(*read, 2, 0) is None


def test_index_outside_is_refused() -> None:
    keys = table([1])
    for call in (keys.number, keys.first, keys.arguments, keys.state):
        with pytest.raises(IndexError):
            call(1)
    with pytest.raises(IndexError):
        keys.set_state(1, 1)
    assert keys.find(0, 5) is None


def test_error_leaves_the_points_before_it() -> None:
    keys = PointKeys()
    with pytest.raises(TypeError):
        keys.extend(square._core.key, square, [(1,), (2,), ()], ())
    assert len(keys) == 2
