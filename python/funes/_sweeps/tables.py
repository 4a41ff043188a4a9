"""Makes tables and labelled arrays of the results of a sweep."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from funes._results import dataframes
from funes._results.columns import Shape, Table
from funes._sweeps import arguments


def to_pandas(memo: Any, rows: Iterable[dict[str, Any]]) -> Any:
    """Returns a `pandas.DataFrame` with the columns of `Results.to_pandas`."""
    pandas = dataframes.import_optional("to_pandas", "pandas", "pandas")
    table = Table(Shape.of(memo, is_mixed=False))
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
    return getattr(value, "__name__", None) or repr(value)


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
    coordinates = {axis: list(labels) for axis, labels in axes.items()}
    if found and all(isinstance(result, Mapping) for result in found.values()):
        names = list(dict.fromkeys(itertools.chain.from_iterable(found.values())))
        return xarray.Dataset(
            {
                each: _array(
                    xarray,
                    str(each),
                    coordinates,
                    {i: result[each] for i, result in found.items() if each in result},
                )
                for each in names
            }
        )
    return _array(xarray, name, coordinates, found)


def _array(
    xarray: Any, name: str, coordinates: dict[str, list[Any]], found: Mapping[int, Any]
) -> Any:
    numpy = importlib.import_module("numpy")
    shape = [len(labels) for labels in coordinates.values()]
    size = 1
    for length in shape:
        size *= length
    parts = {index: numpy.asarray(result) for index, result in found.items()}
    shapes = {part.shape for part in parts.values()}
    inner = shapes.pop() if len(shapes) == 1 else ()
    if shapes or any(part.dtype.kind not in "biufcmMUS" for part in parts.values()):
        parts, inner = {}, ()
        data = numpy.full(size, numpy.nan, dtype=object)
        for index, result in found.items():
            data[index] = result
    elif len(parts) == size and size:
        data = numpy.stack([parts[index] for index in range(size)])
    else:
        kinds = [part.dtype for part in parts.values()]
        kind = numpy.result_type(*kinds, float) if kinds and _is_number(kinds) else object
        data = numpy.full((size, *inner), numpy.nan, dtype=kind)
        for index, part in parts.items():
            data[index] = part
    dims = [*coordinates, *(f"{name}_dim_{number}" for number in range(len(inner)))]
    return xarray.DataArray(data.reshape(*shape, *inner), coordinates, dims, name)


def _is_number(kinds: Iterable[Any]) -> bool:
    return all(kind.kind in "biufc" for kind in kinds)
