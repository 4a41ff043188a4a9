"""The calls of the points of a task, driven from Python."""

from __future__ import annotations

from typing import Any

import pytest
from sweep_functions import fails_at, scores, square

from funes._funes import InFlightCall, PointRuns


def runs_of(
    memo: Any, calls: list[tuple[Any, ...]], *, waits: bool = True, collects: bool = True
) -> PointRuns:
    keys = [memo.key(*args) for args in calls]
    digests = bytes.fromhex("".join(key.arguments for key in keys))
    numbers = [10 + index for index in range(len(calls))]
    return PointRuns(memo, memo.definition, numbers, digests, waits, collects)


def drive(runs: PointRuns, index: int, args: tuple[Any, ...], kwargs: Any = None) -> Any:
    """Makes the calls of Python code that a point asks for."""
    asked = runs.begin(index, args, kwargs)
    while type(asked) is tuple and len(asked) == 3:
        function, positional, keywords = asked
        try:
            returned = function(*positional, **keywords)
        except ValueError as error:
            asked = runs.fail(error)
        else:
            asked = runs.go_on(returned)
    return asked


def test_immutable_results_are_collected() -> None:
    square(3)
    runs = runs_of(square, [(2,), (3,), (4,)])
    for index, x in enumerate([2, 3, 4]):
        assert drive(runs, index, (x,)) in (None, True)
    numbers, outputs, seconds, hits = runs.collected()
    assert (numbers, outputs, hits) == ([10, 11, 12], [4, 9, 16], [11])
    assert seconds[0] > 0
    assert seconds[1] == 0
    assert runs.collected() == ([], [], [], [])
    assert square.is_cached(4)


def test_other_results_come_back_at_once() -> None:
    runs = runs_of(scores, [(1.0, 2), (1.0, 2)])
    result, seconds, is_hit, is_stored = drive(runs, 0, (1.0,), {"depth": 2})
    assert (result, is_hit, is_stored) == ({"sum": 3.0, "product": 2.0}, False, True)
    assert seconds > 0
    assert drive(runs, 1, (1.0, 2))[2:] == (True, True)
    assert runs.collected()[0] == []
    assert drive(runs_of(square, [(7,)], collects=False), 0, (7,))[0] == 49


def test_unstored_results_are_not_collected() -> None:
    # A file where the folder of the function should be.
    square.cache_path.parent.parent.mkdir(parents=True, exist_ok=True)
    square.cache_path.parent.write_text("")
    with pytest.warns(UserWarning, match="square"):
        result, _, is_hit, is_stored = drive(runs_of(square, [(5,)]), 0, (5,))
    assert (result, is_hit, is_stored) == (25, False, False)


def test_call_with_another_key_is_not_run(log: str, lines: Any) -> None:
    runs = runs_of(square, [(2, log)])
    assert runs.begin(0, (3, log), None) is False
    other = PointRuns(square, "0" * 40, [0], bytes(20), True, True)
    assert other.begin(0, (3, log), None) is False
    assert lines() == []
    assert not square.is_cached(3)


def test_error_of_the_function_ends_its_point_only() -> None:
    runs = runs_of(fails_at, [(1, (1,)), (2, (1,))])
    with pytest.raises(ValueError, match="no value for 1"):
        drive(runs, 0, (1, (1,)))
    assert drive(runs, 1, (2, (1,))) in (None, True)
    assert runs.collected()[:2] == ([11], [2])


@pytest.mark.parametrize("does_wait", [False, True])
def test_point_that_is_computed_elsewhere(does_wait: bool) -> None:
    key = square.key(6)
    flight = InFlightCall((str(square.cache_path), key.arguments), is_async=False)
    assert flight.take()
    runs = runs_of(square, [(6,), (7,)], waits=does_wait)
    asked = runs.begin(0, (6,), None)
    if does_wait:
        function, _, _ = asked
        assert function.__name__ == "wait"
    else:
        assert asked in (None, True)
        assert runs.busy == [10]
        assert drive(runs, 1, (7,)) in (None, True)
        assert runs.collected()[0] == [11]
    flight.end(False)


def test_wrong_use_is_refused() -> None:
    runs = runs_of(square, [(1,)])
    with pytest.raises(IndexError, match="no such point"):
        runs.begin(1, (1,), None)
    for call in (lambda: runs.go_on(1), lambda: runs.fail(ValueError())):
        with pytest.raises(RuntimeError, match="no call waits"):
            call()
    with pytest.raises(ValueError, match="each point needs a digest"):
        PointRuns(square, square.definition, [1], b"", True, True)
    with pytest.raises(TypeError, match="missing"):
        runs.begin(0, (), None)
