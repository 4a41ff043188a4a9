"""Makes tables and labelled arrays of the results of a sweep."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from funes._results import dataframes
from funes._results.columns import Shape, Table
from funes._sweeps import arguments
from funes._warnings import safe_repr


def to_pandas(memo: Any, rows: Iterable[dict[str, Any]], *, flatten: bool) -> Any:
    """Returns a `pandas.DataFrame` with the columns of `Results.to_pandas`."""
    pandas = dataframes.import_optional("to_pandas", "pandas", "pandas")
    table = Table(Shape.of(memo, is_mixed=False), flatten=flatten)
    for row in rows:
        table.add(row)
    return dataframes.to_pandas(pandas, table, [], [])


def import_xarray() -> Any:
    """Imports xarray.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module("xarray")
    except ImportError as error:
        raise ImportError("to_xarray needs xarray: pip install xarray") from error


def coordinate(kept: Any) -> Any:
    """Returns the label of a value on an axis: the value if it is immutable, else its text."""
    if type(kept) not in (arguments.Copy, arguments.Original):
        return kept
    value = arguments.load(kept)
    return getattr(value, "__name__", None) or safe_repr(value)


def to_xarray(
    xarray: Any, name: str, axes: Mapping[str, Sequence[Any]], found: Mapping[int, Any]
) -> Any:
    """Returns the results of a grid as a `DataArray`, or as a `Dataset` if they are dicts.

    Args:
        xarray: The module.
        name: The name of the function.
        axes: The labels on each axis, the slowest first.
        found: The results by index; failed points are missing.
    """
    numpy = importlib.import_module("numpy")
    coordinates = {axis: _labels(numpy, labels) for axis, labels in axes.items()}
    if found and all(isinstance(result, Mapping) for result in found.values()):
        variables: dict[str, dict[int, Any]] = {}
        for key in dict.fromkeys(itertools.chain.from_iterable(found.values())):
            # As in `to_pandas`.
            variable = key if isinstance(key, str) else f"output.{key!r}"
            while variable in coordinates or variable in variables:
                variable = f"output.{variable}"
            variables[variable] = {
                index: result[key] for index, result in found.items() if key in result
            }
        arrays = {
            variable: _array(xarray, numpy, variable, coordinates, results)
            for variable, results in variables.items()
        }
        return xarray.Dataset(arrays)
    return _array(xarray, numpy, name, coordinates, found)


def _array(
    xarray: Any, numpy: Any, name: str, coordinates: dict[str, Any], found: Mapping[int, Any]
) -> Any:
    shape = [len(labels) for labels in coordinates.values()]
    data = _data(numpy, found, math.prod(shape))
    inner = data.shape[1:]
    dims = [*coordinates, *(f"{name}_dim_{number}" for number in range(len(inner)))]
    return xarray.DataArray(data.reshape((*shape, *inner)), coordinates, dims, name)


def _labels(numpy: Any, labels: Sequence[Any]) -> Any:
    """Returns the labels of an axis as an array that holds them unchanged."""
    return _data(numpy, dict(enumerate(labels)), len(labels))


def _data(numpy: Any, found: Mapping[int, Any], size: int) -> Any:
    """Returns an array of some results that holds them unchanged: an array of objects if no other one does.

    The results that are missing are NaN, or NaT among times.
    """
    parts = {index: _part(numpy, result) for index, result in found.items()}
    dtype = _common_type(numpy, list(parts.values()), len(parts) == size)
    if dtype is None:
        data = numpy.full(size, numpy.nan, dtype=object)
        for index, result in found.items():
            data[index] = result
        return data
    inner = next(iter(parts.values())).shape
    missing = numpy.array("NaT", dtype) if dtype.kind in "mM" else numpy.nan
    if len(parts) == size:
        data = numpy.empty((size, *inner), dtype)
    else:
        data = numpy.full((size, *inner), missing, dtype)
    for index, part in parts.items():
        data[index] = part
    return data


#: The types of arrays between which values may be converted.
_GROUPS = {"b": "b", **dict.fromkeys("iufc", "number"), "U": "U", "S": "S", "m": "m", "M": "M"}


def _common_type(numpy: Any, parts: list[Any], is_complete: bool) -> Any:
    """Returns a type that holds all values of some arrays unchanged; None if there is none, or the shapes differ."""
    if not parts or any(part is None for part in parts):
        return None
    if len({part.shape for part in parts}) > 1:
        return None
    dtypes = list(dict.fromkeys(part.dtype for part in parts))
    groups = {_GROUPS.get(dtype.kind) for dtype in dtypes}
    if len(groups) > 1 or None in groups:
        return None
    if not is_complete and groups == {"number"}:
        dtypes.append(numpy.dtype(float))
    elif not is_complete and groups & {"b", "U", "S"}:
        return None
    common = numpy.result_type(*dtypes)
    if common.kind == "f" and all(dtype.kind in "iu" for dtype in dtypes):
        return None
    if len(dtypes) > 1 and groups == {"number"}:
        with numpy.errstate(invalid="ignore"):
            for part in parts:
                converted = part.astype(common)
                back = (converted if part.dtype.kind == "c" else converted.real).astype(part.dtype)
                if not numpy.array_equal(back, part, equal_nan=True):
                    return None
    return common


def _part(numpy: Any, result: Any) -> Any:
    """Returns a result as an array with the same values; None if there is none."""
    if hasattr(result, "__array__"):
        return numpy.asarray(result)
    try:
        array = numpy.asarray(result)
        return array if _is_same(result, array.tolist()) else None
    except Exception:  # lists of different lengths, for instance
        return None


def _is_same(before: Any, after: Any) -> bool:
    """Returns whether values of a result, and those that an array gives back, are the same."""
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_is_same, before, after))
    if hasattr(before, "item"):  # a scalar of numpy in a list
        before = before.item()
    if isinstance(before, (bool, str, bytes)) or isinstance(after, (bool, str, bytes)):
        return type(before) is type(after) and bool(before == after)
    return bool(before == after or (before != before and after != after))  # NaN
