"""A sweep before it runs: points, keys, the plan that it shows."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweep_functions import Model, config_value, product, square

import funes
from funes import UnhashableArgumentError, grid, memorious
from funes._sweeps.plan import add_note

Lines = Callable[[], list[str]]


def test_plan_runs_nothing(log: str, lines: Lines) -> None:
    product(0.1, 1)
    sweep = product.map(grid(rate=[0.1, 0.2], depth=[1, 2], log=[log]))
    assert repr(sweep).startswith("product: 4 points, 1 cached, 3 to compute (about 1 s)")
    assert len(sweep) == 4
    assert sweep.missing == [
        {"rate": 0.1, "depth": 2, "log": log},
        {"rate": 0.2, "depth": 1, "log": log},
        {"rate": 0.2, "depth": 2, "log": log},
    ]
    assert lines() == []


def test_description_counts_every_kind(log: str) -> None:
    for x in range(3):
        square(x)
    sweep = square.map([0, 1, 2, 0, 3, 3, 4], executor=2)
    assert (
        repr(sweep)
        == "square: 7 points, 3 cached, 2 duplicates, 2 to compute (about 1 s on 2 workers)"
    )
    assert list(sweep) == [0, 1, 4, 0, 9, 9, 16]
    assert repr(sweep) == "square: 7 points, 3 cached, 2 duplicates, 2 computed"
    assert repr(square.map([0, 0])) == "square: 2 points, 1 cached, 1 duplicate"
    assert repr(square.map([0])) == "square: 1 point, 1 cached"
    assert repr(square.map([])) == "square: 0 points"


class WithoutText:
    """An argument whose `repr` raises an exception."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __funes_key__(self) -> int:
        return self.x


def test_values_without_a_text_are_shown_by_their_type() -> None:
    @memorious
    def read(value: WithoutText) -> int:
        if value.x == 1:
            raise ValueError("one")
        return value.x

    points = grid(value=[WithoutText(0), WithoutText(1)])
    assert repr(points) == "grid(value=<list that cannot be shown>): 2 points"
    sweep = read.map(points, on_error="collect")
    assert "&lt;WithoutText that" in sweep._repr_html_()
    with pytest.warns(funes.CacheWarning, match=r"points\[1\] = <dict that .*>: ValueError"):
        assert list(sweep) == [0]
    assert repr(read.map([WithoutText(2)], on_error="collect").errors) == "[]"
    with pytest.raises(TypeError, match=r"points\[0\]: starmap .*<WithoutText that"):
        read.starmap([WithoutText(3)])


def test_long_axes_are_shown_in_part() -> None:
    shown = product.map(grid(rate=range(100_000), depth=[1]))._repr_html_()
    assert "<td>0, 1, 2, 3, ..., 99998, 99999</td>" in shown
    assert repr(grid(x=list(range(100)))) == "grid(x=<list>): 100 points"


def test_single_use_results_are_not_shared() -> None:
    """A generator can be stored nowhere, so each occurrence of the point computes its own."""

    @memorious
    def numbers(x: int) -> Iterator[int]:
        return (n for n in range(x))

    with pytest.warns(funes.CacheWarning, match="not stored"):
        sweep = numbers.map([3, 2, 3])
        assert [list(result) for result in sweep] == [[0, 1, 2], [0, 1], [0, 1, 2]]
        assert [list(result) for result in sweep] == [[0, 1, 2], [0, 1], [0, 1, 2]]


def test_sweep_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="make the sweep there"):
        pickle.dumps(square.map([1]))


def test_html_names_axes_and_escapes() -> None:
    shown = product.map(grid(rate=["<b>"], depth=range(100)))._repr_html_()
    assert "<b>product</b>: 100 points, 100 to compute" in shown
    assert "&lt;b&gt;" in shown
    assert "<td>100</td>" in shown
    assert "table" not in square.map([1, 2])._repr_html_()


@pytest.mark.parametrize("executor", [None, 2])
def test_generator_that_changes_one_dict_in_place(executor: int | None) -> None:
    def configs() -> Iterator[dict[str, int]]:
        config = {"a": 0}
        for number in range(5):
            config["a"] = number
            yield config

    sweep = config_value.map(configs(), executor=executor)
    assert list(sweep) == [0, 1, 4, 9, 16]
    assert list(config_value.map(configs(), executor=executor).items()) == [
        ({"a": number}, number**2) for number in range(5)
    ]


@pytest.mark.parametrize("executor", [None, 2])
def test_list_may_change_after_it_was_taken(executor: int | None) -> None:
    config = {"a": 3}
    configs = [config]
    axes = {"config": [config]}
    sweeps = [
        config_value.map(configs, executor=executor),
        config_value.starmap([{"config": config}], executor=executor),
        config_value.map(grid(**axes), executor=executor),
    ]
    config["a"] = 4
    configs.append({"a": 5})
    assert [list(sweep) for sweep in sweeps] == [[9], [9], [9]]
    assert not config_value.is_cached({"a": 4})


def test_map_takes_an_iterable_per_parameter() -> None:
    assert list(product.map([1.0, 2.0], itertools.repeat(3))) == [3.0, 6.0]
    assert list(product.map([1.0, 2.0, 3.0], [1, 2])) == [1.0, 4.0]
    assert list(product.map(np.array([0.5, 1.5]), (2, 4))) == [1.0, 6.0]
    assert list(square.map(range(3))) == [0, 1, 4]
    assert sorted(square.map({1, 2})) == [1, 4]


def test_starmap_spreads_tuples_and_mappings() -> None:
    points = [(1.0, 2), {"rate": 2.0, "depth": 3}, [3.0, 4]]
    sweep = product.starmap(points)
    assert list(sweep.items()) == [
        ((1.0, 2), 2.0),
        ({"rate": 2.0, "depth": 3}, 6.0),
        ((3.0, 4), 12.0),
    ]
    assert list(product.starmap(grid(rate=[2.0], depth=[1, 2]))) == [2.0, 4.0]


def test_map_never_spreads_an_argument() -> None:
    @memorious
    def kind(x: Any) -> str:
        return type(x).__name__

    assert list(kind.map([(1, 2), {"x": 1}])) == ["tuple", "dict"]


def test_methods() -> None:
    model = Model(3)
    assert list(model.scale.map([1, 2])) == [3, 6]
    assert list(model.scale.map(grid(x=[1], plus=[5]), executor=1)) == [8]
    assert list(model.scale.starmap([(1, 2), {"x": 4}])) == [5, 12]
    assert list(Model.name_of.map([1])) == ["Model 1"]
    assert model.scale.is_cached(1)


def test_equal_points_are_computed_once(log: str, lines: Lines) -> None:
    sweep = config_value.starmap([{"config": {"a": 2}, "log": log}] * 3)
    assert list(sweep) == [4, 4, 4]
    assert lines() == ["2"]


def test_each_occurrence_gets_its_own_copy(double: Any) -> None:
    @memorious
    def listed(x: int) -> list[int]:
        return [x]

    first, second = listed.map([1, 1])
    first.append(2)
    assert second == [1]
    assert listed(1) == [1]


def test_unhashable_argument_names_its_point(log: str, lines: Lines) -> None:
    points = [{"x": 1, "log": log}, {"x": (n for n in ()), "log": log}]
    with pytest.raises(UnhashableArgumentError, match=r"points\[1\]: argument 'x'"):
        square.starmap(points, executor=2)
    assert lines() == []


@pytest.mark.parametrize("executor", [None, 1])
def test_functions_and_classes_as_arguments(executor: int | None) -> None:
    @memorious
    def apply(function: Callable[[int], int], x: int) -> int:
        return function(x)

    class Adder:
        def __init__(self, x: int) -> None:
            self.x = x

        def __int__(self) -> int:
            return self.x + 1

    points = grid(function=[abs, lambda x: x * 2, Adder], x=[-3])
    assert [int(result) for result in apply.map(points, executor=executor)] == [3, -6, -2]
    assert apply.map(points).status().missing == 0


def test_result_that_is_not_stored_is_the_object_itself(cache: Path) -> None:
    made = []

    @memorious(ignore="made")
    def lock(x: int, made: list[Any]) -> Any:
        made.append(threading.Lock())
        return made[-1]

    with pytest.warns(funes.CacheWarning, match="not stored"):
        results = list(lock.map([1, 2], [made, made]))
    assert [type(result) for result in results] == [type(threading.Lock())] * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: product.starmap([(1.0, 2), {"rate": 1.0}]),
            "missing a required argument: 'depth'",
        ),
        (lambda: product.starmap([(1.0, 2), (1, 2, "log", 4)]), "too many positional arguments"),
        (lambda: product.starmap([(1.0, 2), {"rate": 1, "depth": 2, "x": 3}]), "unexpected .*'x'"),
        (lambda: list(product.starmap(iter([(1.0, 2), (1.0,)]))), "missing a required argument"),
        (lambda: Model(1).scale.starmap([(1, 2), ()]), "missing a required argument: 'x'"),
    ],
)
def test_wrong_arguments_name_their_point(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=rf"points\[1\]: (product|scale)\(\): .*{message}"):
        make()


def test_type_error_of_the_input_is_not_changed() -> None:
    def points() -> Iterator[Any]:
        yield 1
        raise TypeError("the input has a fault")

    with pytest.raises(TypeError, match=r"^the input has a fault") as caught:
        list(square.map(points()))
    assert "raised for points[1] of a sweep" in caught.value.__notes__


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (square.map, "an iterable for each parameter, or a grid"),
        (lambda: square.map(3), "itertools.repeat"),
        (lambda: square.map(grid(x=[1]), [2]), "not both"),
        (lambda: square.starmap([3]), r"points\[0\]: starmap takes tuples"),
        (lambda: square.starmap(["ab"]), r"points\[0\]: starmap takes tuples"),
        (lambda: square.map([1], executor="loky"), "executor must be None, a number"),
        (lambda: square.map([1], executor=True), "executor must be None, a number"),
        (lambda: square.map([1], executor=0), "at least 1 worker"),
        (lambda: square.map([1], on_error="ignore"), "on_error"),
        (lambda: square.map([1], retries=-1), "retries"),
        (lambda: square.map([1], progress="bar"), "progress"),
    ],
)
def test_wrong_use_says_what_is_right(call: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_endless_input(log: str, lines: Lines) -> None:
    sweep = square.map(itertools.count(), itertools.repeat(log))
    results = iter(sweep)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert lines() == ["0", "1", "2", "3", "4"]
    assert "taken from an iterator" in repr(sweep)
    with pytest.raises(TypeError, match="pass a list"):
        len(sweep)


def test_endless_input_with_workers_is_taken_ahead_within_a_bound() -> None:
    numbers = itertools.count()
    results = iter(square.map(numbers, executor=1))
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    del results
    assert 3 <= next(numbers) <= 10_100


def test_results_may_be_iterated_again(log: str, lines: Lines) -> None:
    for points in ([1, 2], iter([3, 4])):
        sweep = square.map(points, itertools.repeat(log))
        assert list(sweep) == list(sweep) == sweep.results()
    assert lines() == ["1", "2", "3", "4"]


def test_status_comes_from_the_folder_alone(tmp_path: Path) -> None:
    list(square.map([1, 2]))
    assert square.map([1, 2, 3, 3]).status() == (4, 1, 2, 1)
    code = (
        "import sweep_functions as s; sweep = s.square.map([1, 2, 3, 3])\n"
        "print(sweep.status()); print(sweep.missing)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stdout == "2 of 3 points are stored, 1 is missing\n[3]\n", done.stderr


def test_status_follows_other_processes() -> None:
    sweep = square.map([1, 2])
    assert sweep.status().missing == 2
    square(1)
    assert sweep.status().missing == 1
    assert sweep.missing == [2]
    square.forget(1)
    assert sweep.status().missing == 2


def test_edit_between_plan_and_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = 2

    @memorious
    def scaled(x: int) -> int:
        return x * factor

    for executor in (None, 2):
        factor = 2
        sweep = scaled.map([executor or 0, 10], executor=executor)
        factor = 3
        with pytest.raises(funes.SweepError, match="has changed since this sweep was made"):
            list(sweep)
        assert list(scaled.map([10], executor=executor)) == [30]


def test_result_that_was_deleted_is_computed_again(log: str, lines: Lines) -> None:
    for executor in (None, 2):
        sweep = square.map([5, 6], [log, log], executor=executor)
        assert list(sweep) == [25, 36]
        square.forget(6)
        assert list(sweep) == [25, 36]
        assert lines()[-1] == "6"
    assert lines() == ["5", "6", "6", "6"]


def test_damaged_result_is_computed_again(log: str, lines: Lines) -> None:
    sweep = square.map([7], [log])
    assert list(sweep) == [49]
    square.cache_clear()
    path = square.key(7).path
    path.write_bytes(path.read_bytes()[:-5] + b"wrong")
    with pytest.warns(funes.CacheWarning, match="damaged"):
        assert list(square.map([7], [log])) == [49]
    assert lines() == ["7", "7"]


def test_many_points_are_found_by_one_listing() -> None:
    for x in range(300):
        square(x)
    sweep = square.map(range(600))
    assert repr(sweep).startswith("square: 600 points, 300 cached, 300 to compute")
    assert list(sweep) == [x * x for x in range(600)]


def test_hits_of_sweeps_count_as_use(tmp_path: Path, run_python: Callable[..., str]) -> None:
    script = """
from funes import memorious
@memorious
def double(x):
    return 2 * x
print(list(double.map(range(5))))
"""
    run_python(script)
    run_python(script)
    stats = list((tmp_path / "cache").glob("double/*/stats.json"))
    assert len(stats) == 1
    assert '"hits": 5' in stats[0].read_text()


class CaughtError(Exception):
    """An exception with everything that a traceback shows."""

    def __init__(self, *, cause: bool, context: bool) -> None:
        super().__init__("caught")
        if cause:
            self.__cause__ = KeyError("the cause")
        if context:
            self.__context__ = OSError("the context")


@pytest.mark.parametrize("cause", [False, True])
@pytest.mark.parametrize("context", [False, True])
def test_notes_are_printed_beside_causes(cause: bool, context: bool) -> None:
    error = CaughtError(cause=cause, context=context)
    add_note(error, "the first note")
    add_note(error, "the second note")
    text = "".join(traceback.format_exception(error))
    for part, is_shown in (
        ("the first note", True),
        ("the second note", True),
        ("the cause", cause),
        ("the context", context and not cause),
    ):
        if part.endswith("note") and sys.version_info < (3, 11):
            assert part in text  # twice, if the package exceptiongroup adds notes to this Python
        else:
            assert text.count(part) == is_shown
    assert isinstance(error.__cause__, KeyError) == cause


def test_notes_of_causes_in_a_circle() -> None:
    error = CaughtError(cause=True, context=False)
    assert error.__cause__ is not None
    error.__cause__.__cause__ = error
    add_note(error, "the note")
    assert error.__notes__ == ["the note"]  # type: ignore[attr-defined]
