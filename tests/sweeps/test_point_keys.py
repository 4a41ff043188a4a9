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
    assert keys.extend(square._core, square, zip(values, strict=True), ()) == len(values)
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
    read = (store, square.__wrapped__, "square", None)
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
        keys.extend(square._core, square, [(1,), (2,), ()], ())
    assert len(keys) == 2


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_keys_are_claimed_in_their_order(states: list[int], start: int, count: int) -> None:
    keys = table(list(range(len(states))))
    for number, state in enumerate(states):
        keys.set_state(number, state)
    end = start + 20
    expected = [n for n, state in enumerate(states) if state == 1 and start <= n < end][:count]
    assert keys.claim(1, 2, start, count, end) == expected
    now = [keys.state(number) for number in range(len(states))]
    assert now == [2 if n in expected else state for n, state in enumerate(states)]
    rest = [n for n, state in enumerate(now) if state == 1]
    assert keys.claim(1, 3, 0, 100) == rest


def test_keys_in_another_state_are_not_moved() -> None:
    keys = table([5, 6, 7])
    keys.set_state(1, 4)
    assert keys.move_all([2, 1, 0], 0, 3) == [1]
    assert [keys.state(number) for number in range(3)] == [3, 4, 3]
    with pytest.raises(IndexError):
        keys.move_all([3], 0, 1)


def test_digests_and_first_points_of_keys() -> None:
    keys = table([5, 6, 5, 7])
    assert keys.digests([2, 0]).hex() == keys.arguments(2) + keys.arguments(0)
    assert keys.firsts([2, 0]) == [3, 0]
    for call in (keys.digests, keys.firsts):
        with pytest.raises(IndexError):
            call([3])


def test_run_of_points_ends_at_another_state() -> None:
    keys = table([5, 6, 5, 7, 5])
    keys.set_state(2, 1)
    assert keys.run(0, 10, 0) == [0, 1, 0]
    assert keys.run(1, 1, 0) == [1]
    assert keys.run(3, 10, 0) == keys.run(9, 10, 0) == []


@pytest.mark.parametrize("count", [3, 100])
def test_run_of_results_ends_at_the_first_without_a_sound_entry(count: int) -> None:
    for x in range(count):
        square(x)
    keys = table([*range(count), 1, count])
    read = (square._store, square.__wrapped__, "square", None)
    expected = [x * x for x in (*range(count), 1)]
    assert keys.recall_run(*read, (0, count + 2), 0) == expected
    assert keys.recall_run(*read, (2, 1), 0) == [4]
    assert keys.recall_run(*read, (0, 2), 1) == []
    (square.cache_path / f"{keys.arguments(2)}.dill").unlink()
    assert keys.recall_run(*read, (0, count + 2), 0) == [0, 1]
