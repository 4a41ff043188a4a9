"""xarray: dimensions, data, coordinates, names and attributes count."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from funes import hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere


def made() -> xr.DataArray:
    return xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        dims=("x", "y"),
        coords={"x": ["a", "b"], "y": [10, 20, 30], "z": ("x", [1.5, 2.5]), "s": 7},
        name="t",
        attrs={"unit": "K"},
    )


def test_history_does_not_count() -> None:
    value = made()
    assert_all_equal(
        [
            value,
            made(),
            value.copy(),
            copy.deepcopy(value),
            pickle.loads(pickle.dumps(value)),
            value.transpose("y", "x").transpose("x", "y"),
            xr.concat(
                [value[:, :1], value[:, 1:]], "y", coords="different", compat="equals", join="outer"
            ),
            value[::-1][::-1],
            value.to_dataset()["t"],
            value.sel(y=[10, 20, 30]),
        ]
    )
    variable = value.variable
    assert_all_equal(
        [variable, variable.copy(), pickle.loads(pickle.dumps(variable)), made().variable]
    )


def test_every_part_counts() -> None:
    value = made()
    changed = value.copy(deep=True)
    changed[0, 1] = 9
    assert_all_differ(
        [
            value,
            changed,
            value[:, :2],
            value.T,
            value.rename("u"),
            value.rename(x="w"),
            value.assign_attrs(unit="C"),
            value.assign_coords(z=("x", [1.5, 3.5])),
            value.assign_coords(x=["a", "c"]),
            value.drop_vars("z"),
            value.drop_vars("s"),
            value.reset_coords(drop=True),
            value.drop_indexes("x"),
            value.astype("f4"),
            value.to_dataset(),
            value.variable,
            value.variable.to_index_variable() if value.ndim == 1 else value["x"].variable,
            value["x"],
            value["x"].variable.to_base_variable(),
            value.values,
        ]
    )


def test_data_sets() -> None:
    value = xr.Dataset({"t": made(), "u": ("y", [1, 2, 3])}, attrs={"title": "test"})
    assert_all_equal(
        [
            value,
            value.copy(deep=True),
            pickle.loads(pickle.dumps(value)),
            value.assign(v=1).drop_vars("v"),
            xr.Dataset({"t": made(), "u": ("y", [1, 2, 3])}, attrs={"title": "test"}),
        ]
    )
    assert_all_differ(
        [
            value,
            # The order counts, like that of the columns of a frame.
            value[["u", "t"]],
            value[["t"]],
            value.rename(u="w"),
            value.assign(u=("y", [1, 2, 4])),
            value.assign_attrs(title="other"),
            value.set_coords("u"),
            value.isel(y=slice(2)),
            xr.Dataset(),
        ]
    )


def test_coordinates_of_each_kind() -> None:
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["p", "q"])
    kinds = [
        ["a", "b", "c", "d"],
        [1, 2, 3, 4],
        pd.date_range("2020", periods=4),
        pd.Categorical(["u", "v", "u", "v"]),
        np.array([1, "a", None, (2,)], dtype=object),
    ]
    arrays = [xr.DataArray(np.zeros(4), dims="x", coords={"x": ("x", kind)}) for kind in kinds]
    arrays.append(
        xr.DataArray(
            np.zeros(4), dims="x", coords=xr.Coordinates.from_pandas_multiindex(index, "x")
        )
    )
    assert_all_differ(arrays)
    for array in arrays:
        assert_all_equal([array, array.copy(), pickle.loads(pickle.dumps(array))])


def test_file_encoding_does_not_count() -> None:
    value = made()
    encoded = value.copy()
    encoded.encoding["dtype"] = "int16"
    assert_all_equal([value, encoded])


def test_lazy_data_is_read_and_not_cached(tmp_path: Path) -> None:
    value = xr.Dataset({"t": ("x", np.arange(5.0))})
    value.to_netcdf(tmp_path / "t.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "t.nc", engine="scipy") as read:
        before = hash_value(read)
        assert not read["t"].variable._in_memory
        assert before == hash_value(value)
        assert before == hash_value(read.load())


def test_trees() -> None:
    def tree(number: int, name: str = "b") -> Any:
        return xr.DataTree.from_dict(
            {"/": xr.Dataset({"t": made()}), f"/{name}": xr.Dataset({"u": ("v", [1, number])})}
        )

    assert_all_equal([tree(2), tree(2), tree(2).copy(), pickle.loads(pickle.dumps(tree(2)))])
    assert_all_differ([tree(2), tree(3), tree(2, "c"), tree(2)["b"], tree(2).to_dataset()])


def test_hashing_does_not_change_values() -> None:
    value = made()
    before = pickle.dumps(value)
    hash_value(value)
    assert pickle.dumps(value) == before


@pytest.mark.filterwarnings("ignore:xarray subclass")
def test_subclass_counts() -> None:
    class Field(xr.DataArray):
        __slots__ = ("unit",)

    one, two = Field(made()), Field(made())
    assert_all_equal([one, two])
    two.unit = "m"
    assert_all_differ([one, two, made()])


@pytest.mark.slow
def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import numpy as np
import xarray as xr
array = xr.DataArray(
    np.arange(6.0).reshape(2, 3), dims=("x", "y"), coords={"x": ["a", "b"], "z": ("x", [1, 2])}, attrs={"k": {"p", "q"}}
)
values = [array, array.to_dataset(name="t"), array.variable, array["x"]]
""",
    )
