"""`to_pandas` and `to_xarray`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from sweep_functions import config_value, draw, fails_at, product, scores, square

from funes import grid, memorious

pandas = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")


@pytest.mark.parametrize("executor", [None, 2])
def test_frame_has_a_row_per_point_in_their_order(executor: int | None) -> None:
    product(2.0, 1)
    points = grid(depth=[1, 2], rate=[2.0, 1.0])
    frame = product.map(points, executor=executor).to_pandas()
    assert list(frame.columns) == ["rate", "depth", "log", "output", "time"] or list(
        frame.columns
    ) == ["rate", "depth", "output", "time"]
    assert frame["output"].tolist() == [2.0, 1.0, 4.0, 2.0]
    assert frame["depth"].tolist() == [1, 1, 2, 2]
    assert (frame["time"] > 0).all()
    again = product.map(points).to_pandas()
    pandas.testing.assert_frame_equal(frame, again)


def test_frame_of_dicts_seeds_and_duplicates() -> None:
    frame = scores.starmap([(1.0, 2), {"rate": 3.0, "depth": 4}, (1.0, 2)]).to_pandas()
    assert frame.drop(columns="time").to_dict("list") == {
        "rate": [1.0, 3.0, 1.0],
        "depth": [2, 4, 2],
        "sum": [3.0, 7.0, 3.0],
        "product": [2.0, 12.0, 2.0],
    }
    frame = draw.map(grid(scale=[1.0], global_seed=[0, 1])).to_pandas()
    assert frame["global_seed"].tolist() == [0, 1]
    assert frame["output"].tolist() == [draw(1.0, global_seed=0), draw(1.0, global_seed=1)]


def test_frame_leaves_collected_failures_out() -> None:
    sweep = fails_at.map(range(3), [(1,)] * 3, on_error="collect")
    with pytest.warns(UserWarning, match="1 of 3 points failed"):
        frame = sweep.to_pandas()
    assert frame["output"].tolist() == [0, 2]


def test_frame_of_results_that_are_not_stored(cache: Any) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="not stored"):
        frame = square.map([1, 2]).to_pandas()
    assert frame["output"].tolist() == [1, 4]
    assert (frame["time"] > 0).all()


@pytest.mark.parametrize("executor", [None, 2])
def test_array_has_the_axes_of_the_grid(executor: int | None) -> None:
    points = grid(rate=[0.5, 1.0, 2.0], depth=range(1, 5))
    array = product.map(points, executor=executor).to_xarray()
    assert array.dims == ("rate", "depth")
    assert array.name == "product"
    for rate, depth in itertools.product([0.5, 1.0, 2.0], range(1, 5)):
        assert array.sel(rate=rate, depth=depth).item() == rate * depth


def test_dicts_become_variables_and_arrays_add_dimensions() -> None:
    dataset = scores.map(grid(rate=[1.0, 2.0], depth=[3])).to_xarray()
    assert set(dataset.data_vars) == {"sum", "product"}
    assert dataset["sum"].sel(rate=2.0, depth=3).item() == 5.0

    @memorious
    def powers(x: int) -> Any:
        return np.array([x, x**2, x**3])

    array = powers.map(grid(x=[2, 3])).to_xarray()
    assert array.dims == ("x", "powers_dim_0")
    assert array.values.tolist() == [[2, 4, 8], [3, 9, 27]]
    assert array.dtype == np.array([1]).dtype


def test_failed_points_are_nan_and_odd_values_are_objects() -> None:
    sweep = fails_at.map(grid(x=[0, 1, 2], bad=[(1,)]), on_error="collect")
    with pytest.warns(UserWarning, match="1 of 3 points failed"):
        array = sweep.to_xarray()
    assert array.values.ravel()[[0, 2]].tolist() == [0.0, 2.0]
    assert np.isnan(array.values.ravel()[1])

    @memorious
    def lists(x: int) -> list[int]:
        return [0] * x

    array = lists.map(grid(x=[1, 2])).to_xarray()
    assert array.values.tolist() == [[0], [0, 0]]


def test_values_that_are_no_labels_become_texts() -> None:
    array = config_value.map(grid(config=[{"a": 1}, {"a": 2}])).to_xarray()
    assert array.coords["config"].values.tolist() == ["{'a': 1}", "{'a': 2}"]
    assert array.values.tolist() == [1, 4]


def test_grid_without_axes_has_one_value() -> None:
    @memorious
    def one() -> int:
        return 1

    array = one.map(grid()).to_xarray()
    assert (array.shape, array.item()) == ((), 1)


def test_only_a_grid_has_axes() -> None:
    with pytest.raises(TypeError, match="a grid"):
        square.map([1]).to_xarray()


@memorious
def same(x: Any) -> Any:
    return x


@memorious
def described(x: Any, seed: int) -> Any:
    return {"x": x, "seed": str(seed), "output.x": 0, 1: "int", "1": "str"}


@pytest.fixture(autouse=True)
def _own_cache(cache: Any) -> None:
    same._move(str(cache))
    described._move(str(cache))


def typed(values: Any) -> list[Any]:
    """Returns values with their types; numpy's scalars as those of Python."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    return [(type(value), repr(value)) for value in plain]


@pytest.mark.parametrize(
    "values",
    [
        [1, "a"],
        [1.5, "a", b"a"],
        [True, 1, 0],
        [True, False],
        [True, 0.5],
        [2**60 + 1, 0.5],
        [2**60 + 1, 2**70],
        [2**63, -1],
        ["a\0", "b"],
        [b"a\0", b"b"],
        [None, 1],
        [1, None, "x"],
        [float("nan"), "x"],
        [np.float64(0.5), True],
        [np.int64(2**60 + 1), np.float64(0.5)],
        [np.bool_(True), 3],
        [1j, 2**60 + 1],
    ],
    ids=repr,
)
def test_values_of_several_types_stay_as_they_are(values: list[Any]) -> None:
    sweep = same.map(grid(x=values))
    array = sweep.to_xarray()
    frame = sweep.to_pandas()
    for found in (array.values, array.coords["x"].values, frame["x"], frame["output"]):
        assert typed(found) == typed(values)


@pytest.mark.parametrize(
    "results",
    [
        [[1, "a"], [2, "b"]],
        [[True, 1], [0, 0]],
        [[1], [1, 2]],
        [[[1], [1, 2]], [[1], [1, 2]]],
        [(1, 2**70), (1, 2)],
        [np.array([2**60 + 1]), np.array([0.5])],
        [np.array([True]), np.array([2])],
        [np.array([1]), "a"],
        [{"a": 1}, 3],
    ],
    ids=repr,
)
def test_results_that_no_array_holds_unchanged_become_objects(results: list[Any]) -> None:
    @memorious
    def choose(x: int, results: list[Any]) -> Any:
        return results[x]

    array = choose.map(grid(x=[0, 1], results=[results])).to_xarray()
    assert array.shape == (2, 1)
    assert list(map(repr, array.values[:, 0])) == list(map(repr, results))


def test_types_that_an_array_holds_unchanged_are_kept() -> None:
    for values, dtype in (
        ([1, 2.5], "float64"),
        ([1, 2], "int64"),
        ([np.float32(0.1), np.float32(0.2)], "float32"),
        ([1, 2j], "complex128"),
        (["a", "bcd"], "<U3"),
        ([np.int8(1), np.uint8(255)], "int16"),
    ):
        array = same.map(grid(x=values)).to_xarray()
        assert array.dtype == np.dtype(dtype)
        assert array.values.tolist() == [np.asarray(value).item() for value in values]


@pytest.mark.parametrize(
    ("values", "kind", "is_missing"),
    [
        ([1, 2, 3], "f", np.isnan),
        ([2**60 + 1, 2, 3], "O", lambda value: value != value),
        ([True, False, True], "O", lambda value: value != value),
        (["a", "b", "c"], "O", lambda value: value != value),
        ([np.datetime64("2020-01-01", "s")] * 3, "M", np.isnat),
        ([np.timedelta64(5, "s")] * 3, "m", np.isnat),
    ],
)
def test_failed_points_do_not_change_the_results_beside_them(
    values: list[Any], kind: str, is_missing: Any
) -> None:
    @memorious
    def pick(index: int, values: list[Any]) -> Any:
        if index == 1:
            raise ValueError
        return values[index]

    sweep = pick.map(grid(index=[0, 1, 2], values=[values]), on_error="collect")
    with pytest.warns(UserWarning, match="1 of 3 points failed"):
        array = sweep.to_xarray()[:, 0]
    assert array.dtype.kind == kind
    assert is_missing(array.values[1])
    assert [array.values[0] == values[0], array.values[2] == values[2]] == [True, True]


def test_keys_of_results_that_are_names_of_parameters() -> None:
    sweep = described.map(grid(x=[1, "a"], seed=[7, 8]))
    dataset, frame = sweep.to_xarray(), sweep.to_pandas()
    for found in (dataset.data_vars, frame.columns):
        assert set(found) >= {"output.x", "output.seed", "output.output.x", "output.1", "1"}
    assert dataset["output.x"].values.tolist() == [[1, 1], ["a", "a"]]
    assert dataset["output.seed"].values.tolist() == [["7", "8"], ["7", "8"]]
    assert frame["output.x"].tolist() == [1, 1, "a", "a"]
    assert frame["seed"].tolist() == [7, 8, 7, 8]
    assert dataset["output.1"].values.ravel().tolist() == frame["output.1"].tolist() == ["int"] * 4
