"""Results as data: selection, versions, inputs only, frames, files and previews."""

from __future__ import annotations

import datetime
import html
import os
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from funes import CacheWarning, UnhashableArgumentError, load_cached_results, memorious, open_cache
from funes._entries import large_arguments, unpickler
from funes._results import results as module
from funes.types import Results

pytestmark = pytest.mark.usefixtures("cache")

Printed = Callable[[], list[str]]


def stored_in_order(memo: Any, *calls: Any, start: int = 0) -> None:
    """Call a function with each argument in turn; sets the times of the files a second apart."""
    for second, argument in enumerate(calls, start):
        arguments = argument if isinstance(argument, tuple) else (argument,)
        memo(*arguments)
        os.utime(memo.key(*arguments).path, (second, second))


@pytest.fixture
def train() -> Any:
    @memorious
    def train(lr: float, epochs: int = 3, **options: Any) -> dict[str, Any]:
        return {"loss": lr * epochs}

    return train


@pytest.fixture
def double() -> Any:
    @memorious
    def double(x: Any) -> Any:
        return [x, x]

    return double


class Loud:
    """Prints a line when it is unpickled."""

    def __reduce__(self) -> Any:
        return loaded, ()


def loaded() -> Loud:
    print("loaded")
    return Loud()


@pytest.fixture
def loud(printed: Printed) -> Any:
    @memorious(memory=0)
    def loud(x: int) -> Any:
        return globals()["Loud"]()

    for x in range(4):
        loud(x)
    printed()
    return loud


def xs(results: Results) -> list[Any]:
    return [result["input"]["x"] for result in results]


# Iteration


def test_repeated_iteration_sees_new_results(double: Any) -> None:
    results = load_cached_results(double)
    assert (len(results), bool(results), list(results)) == (0, False, [])
    stored_in_order(double, 1, 2)
    assert xs(results) == xs(results) == [1, 2]
    assert len(results) == 2
    assert results
    first, second = iter(results), iter(results)
    assert next(first)["input"] == next(second)["input"] == {"x": 1}


def test_many_results_come_unsorted_and_once(double: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SORTED", 10)
    numbers = [5, 3, 9, 1, 7, 2, 8, 4, 6, 0]
    stored_in_order(double, *numbers)
    assert xs(load_cached_results(double)) == numbers
    stored_in_order(double, 11, start=len(numbers))
    results = load_cached_results(double)
    assert sorted(xs(results)) == [*range(10), 11]
    assert results.to_pandas()["x"].tolist() == [*numbers, 11]


def test_len_reads_no_file(double: Any) -> None:
    double(1)
    double(2)
    double.key(1).path.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_cached_results(double)) == 2
        assert len(load_cached_results(double, where={"x": 2})) == 1
        assert len(load_cached_results(double, where=lambda given: True)) == 1


# Selection


def test_where_mapping_compares_like_cache_keys(double: Any) -> None:
    arguments = [1, 1.0, True, "1", (1,), [1], None, np.arange(3), np.arange(3.0), {"a": 1}]
    stored_in_order(double, *[(argument,) for argument in arguments])
    for argument in arguments:
        (found,) = load_cached_results(double, where={"x": argument})
        assert type(found["input"]["x"]) is type(argument)
        assert np.array_equal(found["input"]["x"], argument)
        assert len(load_cached_results(double, where={"x": argument})) == 1
    assert not load_cached_results(double, where={"x": 2})


def test_where_mapping_needs_all_values_to_match(train: Any) -> None:
    for lr in (0.1, 0.2):
        for epochs in (3, 4):
            train(lr, epochs)
    found = [r["input"] for r in load_cached_results(train, where={"lr": 0.1, "epochs": 4})]
    assert found == [{"lr": 0.1, "epochs": 4, "options": {}}]
    assert len(load_cached_results(train, where={})) == 4


def test_where_accepts_keywords_and_seed(train: Any) -> None:
    train(0.1)
    train(0.1, momentum=0.9)
    train(0.1, global_seed=7)
    (found,) = load_cached_results(train, where={"momentum": 0.9})
    assert found["input"]["options"] == {"momentum": 0.9}
    (found,) = load_cached_results(train, where={"global_seed": 7})
    assert found["input"]["global_seed"] == 7
    assert not load_cached_results(train, where={"momentun": 0.9})
    assert len(load_cached_results(train, where={"options": {}})) == 2


def test_where_never_matches_keywords_that_were_not_stored(train: Any) -> None:
    class Stuck:
        def __reduce__(self) -> Any:
            raise ValueError("stuck")

        def __funes_key__(self) -> str:
            return "stuck"

    train(0.1, stuck=Stuck())
    (found,) = load_cached_results(train, inputs_only=True)
    assert found["input"]["options"] == "<not stored: ValueError: stuck>"
    assert not load_cached_results(train, where={"stored": 1})


def test_where_refuses_unknown_argument() -> None:
    @memorious(ignore=("verbose",))
    def fixed(x: int, verbose: bool = False) -> int:
        return x

    with pytest.raises(KeyError, match=r"no argument 'y'; there are 'x', 'global_seed'"):
        load_cached_results(fixed, where={"y": 1})
    with pytest.raises(KeyError, match="no argument 'verbose'"):
        load_cached_results(fixed, where={"verbose": True})
    assert not load_cached_results(fixed, where={"y": 1}, versions="all")


def test_where_refuses_unhashable_value(double: Any) -> None:
    with pytest.raises(UnhashableArgumentError):
        load_cached_results(double, where={"x": (n for n in "ab")})
    with pytest.raises(TypeError, match="where takes a mapping of input values, or a function"):
        load_cached_results(double, where=3)  # type: ignore[arg-type]


def test_where_function_gets_the_inputs(train: Any) -> None:
    stored_in_order(train, 0.1, 0.2, (0.3, 5))
    given: list[Any] = []

    def low(inputs: dict[str, Any]) -> bool:
        given.append(inputs)
        return bool(inputs["lr"] < 0.25)

    results = load_cached_results(train, where=low)
    assert [r["output"]["loss"] for r in results] == [pytest.approx(0.3), pytest.approx(0.6)]
    assert given[2] == {"lr": 0.3, "epochs": 5, "options": {}}
    assert results.to_pandas()["lr"].tolist() == [0.1, 0.2]


def test_error_of_where_function_reaches_the_caller(double: Any) -> None:
    double(1)
    results = load_cached_results(double, where=lambda given: given["y"])
    for use in (list, len, bool, Results.to_pandas):
        with pytest.raises(KeyError, match="'y'"):
            use(results)


def test_outputs_of_filtered_results_are_not_loaded(loud: Any, printed: Printed) -> None:
    printed()
    for where in ({"x": 2}, lambda given: given["x"] == 2):
        for result in load_cached_results(loud, where=where):
            assert result["input"] == {"x": 2}
        assert printed() == ["loaded"]
    assert len(load_cached_results(loud, where={"x": 2})) == 1
    assert bool(load_cached_results(loud, where={"x": 2}))
    assert printed() == []


def test_inputs_only_loads_no_outputs(loud: Any, printed: Printed) -> None:
    printed()
    results = load_cached_results(loud, inputs_only=True)
    assert [list(result) for result in results] == [["input", "time"]] * 4
    assert sorted(results.to_pandas().columns) == ["time", "x"]
    assert xs(load_cached_results(loud, {"x": 3}, inputs_only=True)) == [3]
    assert printed() == []


def test_inputs_only_works_if_output_cannot_be_loaded(
    loud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        pass

    @memorious
    def make(x: int) -> Any:
        return globals()["Kept"]()

    monkeypatch.setitem(globals(), "Kept", Gone)
    Gone.__qualname__ = "Kept"
    Gone.__name__ = "Kept"
    make(1)
    monkeypatch.delitem(globals(), "Kept")
    assert xs(load_cached_results(make, versions="all", inputs_only=True)) == [1]
    with pytest.warns(CacheWarning, match="Kept"):
        assert xs(load_cached_results(make, versions="all")) == []


def test_where_loads_large_arguments_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @memorious(large_argument=1000)
    def size(data: Any, n: int) -> int:
        return len(data) + n

    one, other = np.arange(1000), np.arange(1000) + 1
    for n in range(5):
        size(one, n)
        size(other, n)
    results = load_cached_results(size, where={"data": other}, inputs_only=True)
    loaded: list[Any] = []
    load = unpickler.load
    counting = types.SimpleNamespace(load=lambda *a: loaded.append(a) or load(*a))
    monkeypatch.setattr(large_arguments, "unpickler", counting)
    assert len(results) == 5
    assert len(loaded) == 2
    assert all(result["input"]["data"].tolist() == other.tolist() for result in results)
    (found,) = load_cached_results(size, where=lambda given: given["data"][0] + given["n"] == 5)
    assert found["output"] == 1004


# Versions


@pytest.fixture
def versions() -> tuple[Any, Any]:
    def define(factor: int) -> Any:
        @memorious
        def scale(x: int) -> int:
            return factor * x

        return scale

    old, new = define(2), define(3)
    stored_in_order(old, 1, 2)
    stored_in_order(new, 1, start=2)
    return old, new


def test_requested_versions_are_returned(versions: tuple[Any, Any]) -> None:
    old, new = versions
    assert [r["output"] for r in load_cached_results(new)] == [3]
    results = load_cached_results(new, versions="all")
    assert [(r["output"], r["definition"]) for r in results] == [
        (2, old.definition),
        (4, old.definition),
        (3, new.definition),
    ]
    assert list(next(iter(results))) == ["input", "output", "time", "definition"]
    for asked in (old.definition, old.definition[:7], [old.definition[:7]], [old.definition] * 2):
        found = load_cached_results(new, versions=asked)
        assert [r["output"] for r in found] == [2, 4]
    assert len(load_cached_results(new, {"x": 1}, versions="all")) == 2


def test_missing_and_ambiguous_versions_are_refused(versions: tuple[Any, Any]) -> None:
    with pytest.raises(KeyError, match="no version 'xyz'"):
        load_cached_results(versions[0], versions=["xyz"])
    with pytest.raises(KeyError, match="give more digits"):
        load_cached_results(versions[0], versions="")


def test_table_of_several_versions_has_definition_column(versions: tuple[Any, Any]) -> None:
    old, new = versions
    frame = load_cached_results(new, versions="all").to_pandas()
    assert list(frame.columns) == ["x", "output", "time", "definition"]
    assert frame["definition"].tolist() == [old.definition, old.definition, new.definition]
    assert list(load_cached_results(new).to_pandas().columns) == ["x", "output", "time"]


def test_argument_named_definition_is_prefixed() -> None:
    @memorious
    def look(definition: str) -> int:
        return 1

    look("a")
    assert load_cached_results(look).to_pandas()["definition"].tolist() == ["a"]
    frame = load_cached_results(look, versions="all").to_pandas()
    assert list(frame.columns) == ["input.definition", "output", "time", "definition"]


def test_results_without_the_code_of_the_function(versions: tuple[Any, Any], cache: Path) -> None:
    old, new = versions
    function = open_cache(cache).function("scale")
    assert [r["output"] for r in function.version(old.definition).results()] == [2, 4]
    assert list(
        function.version(new.definition).results({"x": 1}, inputs_only=True).to_pandas()
    ) == [
        "x",
        "time",
    ]
    frame = function.results().to_pandas()
    assert frame["output"].tolist() == [2, 4, 3]
    assert frame["definition"].nunique() == 2
    assert repr(function.results({"x": 2})).startswith("1 result of scale")


# Frames and files

VALUES: dict[str, list[Any]] = {
    "whole": [1, 2],
    "real": [0.5, float("inf")],
    "both": [1, 2.5],
    "text": ["a", "é"],
    "data": [b"a", b""],
    "yes": [True, False],
    "nothing": [None, None],
    "some": [None, 3],
    "day": [datetime.date(2026, 1, 1), datetime.date(1, 1, 1)],
    "moment": [datetime.datetime(2026, 1, 1, 2, 3, 4, 5), None],
    "span": [datetime.timedelta(1), datetime.timedelta(0)],
    "lists": [[1, 2], []],
    "tuples": [(1.5,), (2.5, 3.5)],
    "records": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    "numpy": [np.float64(0.5), np.float64(1.5)],
    "array": [np.arange(3), np.arange(2)],
    "nested": [[[1], [2, 3]], []],
}
PLAIN: dict[str, list[Any]] = {
    **VALUES,
    "both": [1.0, 2.5],
    "tuples": [[1.5], [2.5, 3.5]],
    "numpy": [0.5, 1.5],
    "array": [[0, 1, 2], [0, 1]],
}

ODD: dict[str, list[Any]] = {
    "mixed": [1, "a"],
    "bool and int": [True, 1],
    "large": [2**70, 1],
    "large and real": [2**60 + 1, 0.5],
    "objects": [range(3), range(4)],
    "records": [{"a": 1}, {"b": 2}],
    "not texts": [{1: 2}, {1: 3}],
    "empty": [{}, {}],
    "lists": [[1, "a"], [2]],
    "surrogates": ["\ud800", "a"],
    "zones": [datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc), None],
    "complex": [1j, 2j],
}


def keeper(columns: dict[str, list[Any]]) -> Any:
    names = list(columns)

    @memorious
    def keep(row: int, **values: Any) -> None:
        return None

    for row in range(2):
        keep(row, **{name: columns[name][row] for name in names})
        os.utime(keep.key(row, **{name: columns[name][row] for name in names}).path, (row, row))
    return keep


def test_polars_has_the_same_columns_and_values(train: Any) -> None:
    pl: Any = pytest.importorskip("polars")
    stored_in_order(train, 0.1, (0.2, 4))
    frame = load_cached_results(train).to_polars()
    assert frame.columns == ["lr", "epochs", "loss", "time"]
    assert frame["lr"].to_list() == [0.1, 0.2]
    assert frame["epochs"].dtype == pl.Int64
    assert frame["time"].dtype == pl.Float64
    assert load_cached_results(train).to_polars(exclude=["lr", "time"]).columns == [
        "epochs",
        "loss",
    ]
    with pytest.raises(KeyError, match="exclude: there is no column 'los'"):
        load_cached_results(train).to_polars(exclude="los")


@pytest.mark.parametrize("name", VALUES)
def test_column_of_one_type_keeps_that_type(name: str, tmp_path: Path) -> None:
    pl: Any = pytest.importorskip("polars")
    results = load_cached_results(keeper({name: VALUES[name]}))
    frame = results.to_polars()
    assert frame[name].dtype != pl.Object
    assert frame[name].to_list() == PLAIN[name]
    path = tmp_path / "results.parquet"
    results.to_parquet(path)
    found = pyarrow.parquet.read_table(path)[name].to_pylist()
    assert found == PLAIN[name]
    assert list(map(type, found)) == list(map(type, PLAIN[name]))


@pytest.mark.parametrize("name", ODD)
def test_column_of_mixed_types_is_objects_and_refused_by_parquet(name: str, tmp_path: Path) -> None:
    pl: Any = pytest.importorskip("polars")
    results = load_cached_results(keeper({name: ODD[name]}))
    column = results.to_polars()[name]
    assert column.dtype == pl.Object
    assert column.to_list() == ODD[name]
    path = tmp_path / "results.parquet"
    with pytest.raises(TypeError, match=rf"no type for the values of column '{name}' \("):
        results.to_parquet(path)
    assert not path.exists()
    results.to_parquet(path, exclude=name)
    assert name not in pyarrow.parquet.read_table(path).column_names


def test_missing_value_is_null(train: Any) -> None:
    pl: Any = pytest.importorskip("polars")
    stored_in_order(train, 0.1)
    train(0.2, momentum=5)
    frame = load_cached_results(train).to_polars()
    assert frame["momentum"].to_list() == [None, 5]
    assert frame["momentum"].dtype == pl.Int64


def test_frames_and_files_without_results_are_empty(train: Any, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    results = load_cached_results(train)
    assert results.to_polars().columns == ["lr", "epochs", "time"]
    assert len(results.to_polars()) == 0
    results.to_parquet(tmp_path / "empty.parquet", exclude="loss")
    assert pyarrow.parquet.read_table(tmp_path / "empty.parquet").num_rows == 0


def test_polars_writes_parquet_without_pyarrow(
    train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("polars")
    stored_in_order(train, 0.1, (0.2, 4))
    results = load_cached_results(train)
    results.to_parquet(tmp_path / "arrow.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    results.to_parquet(tmp_path / "polars.parquet")
    monkeypatch.undo()
    frames = [pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("arrow", "polars")]
    pd.testing.assert_frame_equal(*frames)


def test_missing_library_is_named(
    double: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pandas", "polars", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    results = load_cached_results(double)
    with pytest.raises(ImportError, match=r"to_pandas needs pandas: pip install 'funes\[pandas\]'"):
        results.to_pandas()
    with pytest.raises(ImportError, match=r"to_polars needs polars: pip install 'funes\[polars\]'"):
        results.to_polars()
    with pytest.raises(ImportError, match=r"to_parquet needs .*: pip install 'funes\[parquet\]'"):
        results.to_parquet(tmp_path / "results.parquet")


# Previews


def test_repr_shows_few_results(train: Any) -> None:
    assert repr(load_cached_results(train)) == "0 results of train"
    stored_in_order(train, 0.1, (0.25, 40))
    lines = repr(load_cached_results(train)).splitlines()
    assert lines[0] == "2 results of train"
    assert lines[1].split() == ["lr", "epochs", "loss", "time"]
    assert lines[2].split()[:3] == ["0.1", "3", "0.3"]
    assert lines[3].split()[:3] == ["0.25", "40", "10"]
    assert len({len(line) for line in lines[1:]}) == 1


def test_repr_of_many_results_shows_first_rows_and_number(double: Any) -> None:
    stored_in_order(double, *range(25))
    lines = repr(load_cached_results(double)).splitlines()
    assert lines[0] == "25 results of double, the first:"
    assert [line.split()[0] for line in lines[2:]] == [str(n) for n in range(10)]
    lines = repr(load_cached_results(double, where=lambda given: given["x"] % 2)).splitlines()
    assert lines[0] == "12 results of double, the first:"
    assert [line.split()[0] for line in lines[2:]] == [str(n) for n in range(1, 20, 2)]


def test_repr_with_where_reads_a_bounded_number_of_results(
    double: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_SORTED", 10)
    stored_in_order(double, *range(25))
    looked_at: list[Any] = []
    results = load_cached_results(double, where=lambda given: looked_at.append(given) or False)
    assert repr(results) == "0 results of double among the first 10 of 25"
    assert len(looked_at) == 10


def test_repr_is_short_and_escaped(double: Any) -> None:
    stored_in_order(double, ("x" * 1000,), ("<b>\n\x1b[31m",), (list(range(1000)),))
    text = repr(load_cached_results(double))
    assert max(map(len, text.splitlines())) < 100
    assert "\x1b" not in text
    page = load_cached_results(double)._repr_html_()
    assert page.count("<tr>") == 4
    assert "<b>" not in page
    assert html.escape("<b>") in page
    assert load_cached_results(double, where={"x": 0})._repr_html_() == "<p>0 results of double</p>"


def test_repr_does_not_load_large_outputs() -> None:
    @memorious
    def large(x: int) -> Any:
        return [np.zeros(1 << 18), Loud()]

    large(1)
    size = large.key(1).path.stat().st_size
    assert f"<{size:,} bytes>" in repr(load_cached_results(large))


def test_repr_does_not_warn(double: Any) -> None:
    stored_in_order(double, 1, 2)
    double.key(1).path.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(repr(load_cached_results(double)).splitlines()) == 3
