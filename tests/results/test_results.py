"""Stored results as dicts and as pandas tables."""

from __future__ import annotations

import gc
import inspect
import math
import os
import shutil
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from funes import CacheWarning, load_cached_results, load_cached_results_as_pandas, memorious

pytestmark = pytest.mark.usefixtures("cache")


def stored_in_order(memo: Any, *calls: Any, **common: Any) -> None:
    """Call a function with each argument in turn; sets the times of the files a second apart."""
    for second, argument in enumerate(calls):
        arguments = argument if isinstance(argument, tuple) else (argument,)
        memo(*arguments, **common)
        os.utime(memo.key(*arguments, **common).path, (second, second))


@pytest.fixture
def train() -> Any:
    @memorious
    def train(lr: float, depth: int = 3) -> dict[str, Any]:
        return {"loss": lr * depth, "depth": -depth}

    return train


# As dicts


def test_results_are_dicts_in_the_order_of_storing(double: Any) -> None:
    stored_in_order(double, 5, 1, 3)
    results = list(load_cached_results(double))
    assert [result["input"] for result in results] == [{"x": 5}, {"x": 1}, {"x": 3}]
    assert [result["output"] for result in results] == [10, 2, 6]
    assert all(list(result) == ["input", "output", "time"] for result in results)
    assert all(type(result["time"]) is float and result["time"] >= 0 for result in results)


def test_results_stored_at_the_same_time_are_sorted_by_name(double: Any) -> None:
    for x in range(20):
        double(x)
        os.utime(double.key(x).path, (7, 7))
    expected = sorted(range(20), key=lambda x: double.key(x).arguments)
    assert [result["input"]["x"] for result in load_cached_results(double)] == expected


def test_no_results_are_empty(double: Any) -> None:
    assert list(load_cached_results(double)) == []


@pytest.mark.slow
def test_iteration_keeps_one_result_in_memory() -> None:
    @memorious
    def big(x: int) -> Any:
        return np.full(3, x)

    for x in range(4):
        big(x)
    results = load_cached_results(big)
    seen = []
    for result in results:
        seen.append(weakref.ref(result["output"]))
        gc.collect()
        assert sum(reference() is not None for reference in seen) == 1
    assert len(seen) == 4


def test_the_seed_is_an_input(double: Any) -> None:
    double(1)
    double(1, global_seed=0)
    double(1, global_seed=None)
    inputs = [result["input"] for result in load_cached_results(double)]
    assert len(inputs) == 3
    assert all(
        expected in inputs
        for expected in ({"x": 1}, {"x": 1, "global_seed": 0}, {"x": 1, "global_seed": None})
    )


def test_unreadable_result_is_skipped_with_a_warning_and_stays(double: Any) -> None:
    stored_in_order(double, 1, 2, 3, 4)
    flipped, short, empty = (double.key(x).path for x in (1, 2, 3))
    flipped.write_bytes(bytes(byte ^ 1 for byte in flipped.read_bytes()))
    short.write_bytes(short.read_bytes()[:-3])
    empty.write_bytes(b"")
    contents = [path.read_bytes() for path in (flipped, short, empty)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = list(load_cached_results(double))
    assert [result["output"] for result in results] == [8]
    assert [warning.category for warning in caught] == [CacheWarning] * 3
    for path, warning in zip((flipped, short, empty), caught, strict=True):
        assert path.name in str(warning.message)
        assert warning.filename == __file__
    assert [path.read_bytes() for path in (flipped, short, empty)] == contents


class Gone:
    pass


def test_result_with_missing_class_does_not_stop_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @memorious
    def make(x: int) -> Any:
        return globals()["Gone"]() if x else 0

    stored_in_order(make, 1, 0)
    monkeypatch.delitem(globals(), "Gone")
    with pytest.warns(CacheWarning, match=r"cannot be read \(AttributeError: .*Gone"):
        assert [result["output"] for result in load_cached_results(make)] == [0]


def test_result_deleted_during_iteration_is_skipped_silently(double: Any) -> None:
    stored_in_order(double, 1, 2, 3)
    results = iter(load_cached_results(double))
    assert next(results)["output"] == 2
    double.forget(2)
    assert [result["output"] for result in results] == [6]


def test_the_results_of_a_method_are_found_by_its_class_and_its_instances() -> None:
    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @memorious
        def by(self, x: int) -> int:
            return self.factor * x

    scale = Scale(3)
    scale.by(2)
    for fn in (scale.by, Scale.by):
        (result,) = load_cached_results(fn)
        assert list(result["input"]) == ["self", "x"]
        assert (result["input"]["self"].factor, result["output"]) == (3, 6)


@pytest.mark.parametrize(
    ("fn", "name"), [(math.sqrt, "sqrt"), (lambda: 0, "<lambda>"), (7, "int"), ("double", "str")]
)
@pytest.mark.parametrize("load", [load_cached_results, load_cached_results_as_pandas])
def test_function_without_decorator_is_refused(
    load: Callable[..., Any], fn: Any, name: str
) -> None:
    with pytest.raises(TypeError, match=rf"{load.__name__} takes a function .*@memorious.*{name}"):
        load(fn)


# As a table


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(row) for row in frame.drop(columns="time").to_dict("records")]


def test_columns_are_inputs_then_output_then_time(double: Any) -> None:
    stored_in_order(double, 5, 1.5)
    frame = load_cached_results_as_pandas(double)
    assert list(frame.columns) == ["x", "output", "time"]
    assert rows(frame) == [{"x": 5.0, "output": 10.0}, {"x": 1.5, "output": 3.0}]
    assert frame["time"].dtype == float
    assert list(frame.index) == [0, 1]


def test_dict_output_has_one_column_per_key() -> None:
    @memorious
    def score(lr: float, epochs: int = 2) -> dict[str, Any]:
        return {"accuracy": lr * epochs, "name": "a"}

    stored_in_order(score, 0.1, (0.2, 3))
    frame = load_cached_results_as_pandas(score)
    assert list(frame.columns) == ["lr", "epochs", "accuracy", "name", "time"]
    assert rows(frame) == [
        {"lr": 0.1, "epochs": 2, "accuracy": 0.2, "name": "a"},
        {"lr": 0.2, "epochs": 3, "accuracy": pytest.approx(0.6), "name": "a"},
    ]


def test_the_seed_is_a_column(double: Any) -> None:
    stored_in_order(double, 1)
    stored_in_order(double, 1, global_seed=7)
    frame = load_cached_results_as_pandas(double)
    assert list(frame.columns) == ["x", "global_seed", "output", "time"]
    assert sorted(frame["global_seed"].fillna(-1)) == [-1, 7]


def test_output_key_named_like_an_input_is_prefixed(train: Any) -> None:
    stored_in_order(train, 0.5)
    frame = load_cached_results_as_pandas(train)
    assert list(frame.columns) == ["lr", "depth", "loss", "output.depth", "time"]
    assert rows(frame) == [{"lr": 0.5, "depth": 3, "loss": 1.5, "output.depth": -3}]


def test_time_column_is_always_the_run_time() -> None:
    @memorious
    def wait(time: str, output: int) -> dict[str, Any]:
        return {"time": "of the output", "output": "o", "output.time": 1}

    @memorious
    def whole(output: int) -> int:
        return -output

    stored_in_order(wait, ("of the input", 5))
    frame = load_cached_results_as_pandas(wait)
    assert rows(frame) == [
        {
            "input.time": "of the input",
            "output": 5,
            "output.time": "of the output",
            "output.output": "o",
            "output.output.time": 1,
        }
    ]
    assert frame["time"].dtype == float
    whole(5)
    assert rows(load_cached_results_as_pandas(whole)) == [{"output": 5, "output.output": -5}]


def test_column_names_depend_on_all_rows() -> None:
    """A keyword that only the last call has is an input, too."""

    @memorious
    def free(**options: Any) -> dict[str, int]:
        return {"alpha": 1}

    free()
    os.utime(free.key().path, (0, 0))
    free(alpha=5, beta=6)
    frame = load_cached_results_as_pandas(free)
    assert list(frame.columns) == ["alpha", "beta", "output.alpha", "time"]
    assert frame["output.alpha"].tolist() == [1, 1]
    assert math.isnan(frame["alpha"][0])
    assert frame["alpha"][1] == 5


def test_variable_arguments() -> None:
    @memorious
    def many(x: int, /, *rest: int, **options: int) -> int:
        return x

    many(1, 2, 3, x=4, y=5)
    frame = load_cached_results_as_pandas(many)
    assert rows(frame) == [{"x": 1, "rest": (2, 3), "options.x": 4, "y": 5, "output": 1}]


def test_outputs_of_several_types() -> None:
    outputs: list[Any] = [{"a": 1}, 7, {}, {3: 4, "b": None}, [1, 2], np.array([1, 2])]

    @memorious
    def output(number: int) -> Any:
        return outputs[number]

    stored_in_order(output, *range(len(outputs)))
    frame = load_cached_results_as_pandas(output, exclude="time")
    assert list(frame.columns) == ["number", "a", "output.3", "b", "output"]
    assert frame["a"][0] == 1
    assert frame["output.3"][3] == 4
    assert frame["b"][3] is None
    assert frame["output"][1] == 7
    assert frame["output"][4] == [1, 2]
    assert frame["output"][5].tolist() == [1, 2]
    assert frame["a"].isna().tolist() == [False, True, True, True, True, True]


def test_column_type_changes_no_value() -> None:
    values = [(1, 2), [3], {"k": 4}, None, "text", 2**70, True, np.float32(0.5), (5, 6), [[7], []]]

    @memorious
    def keep(x: Any) -> Any:
        return [x]

    for second, value in enumerate(values):
        keep(value)
        os.utime(keep.key(value).path, (second, second))
    column = load_cached_results_as_pandas(keep)["x"]
    assert list(column) == values
    assert [type(value) for value in column] == [type(value) for value in values]


def test_large_seeds_keep_all_digits(double: Any) -> None:
    stored_in_order(double, 1)
    stored_in_order(double, 2, global_seed=2**62 + 1)
    seeds = load_cached_results_as_pandas(double)["global_seed"]
    assert 2**62 + 1 in seeds.tolist()


@pytest.mark.parametrize("exclude", ["lr", ["lr"], ("lr",), {"lr"}, iter(["lr"])])
def test_columns_can_be_excluded(train: Any, exclude: Any) -> None:
    stored_in_order(train, 0.5)
    frame = load_cached_results_as_pandas(train, exclude=exclude)
    assert list(frame.columns) == ["depth", "loss", "output.depth", "time"]


def test_columns_can_become_the_index(train: Any) -> None:
    stored_in_order(train, 0.5, (1.0, 4))
    frame = load_cached_results_as_pandas(train, index="lr")
    assert frame.index.name == "lr"
    assert frame.loc[1.0, "loss"] == 4
    frame = load_cached_results_as_pandas(train, exclude=["time"], index=("depth", "lr"))
    assert frame.index.names == ["depth", "lr"]
    assert list(frame.columns) == ["loss", "output.depth"]
    assert frame.loc[(4, 1.0), "output.depth"] == -4


def test_unknown_column_error_lists_existing_columns(train: Any) -> None:
    stored_in_order(train, 0.5)
    for parameter in ("exclude", "index"):
        with pytest.raises(KeyError, match=rf"{parameter}: .*'los'.* 'lr', 'depth', 'loss', "):
            load_cached_results_as_pandas(train, **{parameter: ["lr", "los"]})
    with pytest.raises(KeyError, match=r"'lr' is excluded at the same time"):
        load_cached_results_as_pandas(train, exclude="lr", index="lr")


def test_empty_table_has_columns_of_inputs() -> None:
    @memorious(ignore=("verbose",))
    def unused(x: int, *rest: int, y: int = 1, verbose: bool = False, **more: int) -> None: ...

    frame = load_cached_results_as_pandas(unused)
    assert list(frame.columns) == ["x", "rest", "y", "time"]
    assert len(frame) == 0
    frame = load_cached_results_as_pandas(unused, exclude=["score", "x"], index=["y", "seed"])
    assert list(frame.columns) == ["rest", "time"]
    assert frame.index.names == ["y", "seed"]


def test_unreadable_result_is_left_out_of_table(double: Any) -> None:
    stored_in_order(double, 1, 2)
    double.key(1).path.write_bytes(b"")
    with pytest.warns(CacheWarning, match="was skipped"):
        frame = load_cached_results_as_pandas(double)
    assert frame["x"].tolist() == [2]


def test_only_the_table_needs_pandas(double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    double(1)
    assert len(list(load_cached_results(double))) == 1
    with pytest.raises(ImportError, match=r"pip install 'funes\[pandas\]'"):
        load_cached_results_as_pandas(double)


def test_signature_is_as_documented() -> None:
    signature = inspect.signature(load_cached_results_as_pandas)
    assert list(signature.parameters) == ["fn", "exclude", "index", "flatten"]
    assert [p.default for p in signature.parameters.values()] == [
        inspect.Parameter.empty,
        None,
        None,
        False,
    ]


def test_results_in_copied_cache_are_found(tmp_path: Path) -> None:
    """Caches can be copied to another computer, and merged by copying."""

    def define(folder: str) -> Any:
        @memorious(cache_dir=tmp_path / folder)
        def triple(x: float) -> float:
            return x * 3

        return triple

    stored_in_order(define("here"), 1, 2)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    outputs = [result["output"] for result in load_cached_results(define("there"))]
    assert outputs == [3, 6]
