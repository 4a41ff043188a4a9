"""Converts tables of results to pandas, polars and Parquet, all of which are optional."""

from __future__ import annotations

import datetime
import importlib
import os
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

from funes._results.columns import Cells, Table, check

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_MISSING = float("nan")
_MAX_EXACT_INT = 2**53  # floats represent all smaller integers exactly


def import_optional(caller: str, library: str, extra: str) -> Any:
    """Imports a library that `caller` needs.

    Raises:
        ImportError: The library is not installed. The message says how to install it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"{caller} needs {library}: pip install 'funes[{extra}]'"
            " (iterating over the results works without it)"
        ) from error


# pandas


def to_pandas(pandas: Any, table: Table, exclude: list[str], index: list[str]) -> pd.DataFrame:
    """Converts a table as `Results.to_pandas` describes."""
    columns = table.columns(exclude)
    both = [name for name in index if name in exclude]
    if table.rows:
        check("index", [name for name in index if name not in exclude], table.columns())
    else:
        columns.update((name, {}) for name in index if name not in exclude)
    if both:
        raise KeyError(f"index: {', '.join(map(repr, both))} is excluded at the same time")
    frame = pandas.DataFrame(
        {name: _series(pandas, cells, table.rows) for name, cells in columns.items()},
        index=pandas.RangeIndex(table.rows),
    )
    indexed: pd.DataFrame = frame.set_index(index) if index else frame
    return indexed


def _series(pandas: Any, cells: Cells, rows: int) -> Any:
    """Makes a column with a type that holds all values unchanged."""
    # dtype=object first: pandas would expand lists and arrays.
    values = pandas.Series([cells.get(row, _MISSING) for row in range(rows)], dtype=object)
    if any(value is None for value in cells.values()):
        return values  # None would become NaN, which means "not given"
    inferred = values.infer_objects()
    if inferred.dtype.kind in "fc" and any(
        isinstance(value, Integral) and abs(int(value)) > _MAX_EXACT_INT for value in cells.values()
    ):
        return values  # NaN, floats or negative numbers beside them make the integers floats
    return inferred


# polars and Parquet: each column has one type


def to_polars(polars: Any, table: Table, exclude: list[str]) -> pl.DataFrame:
    """Converts a table as `Results.to_polars` describes."""
    columns = {
        name: _polars_series(polars, name, _values(cells, table.rows))
        for name, cells in table.columns(exclude).items()
    }
    frame: pl.DataFrame = polars.DataFrame(columns)
    return frame


def to_parquet(caller: str, table: Table, path: str | os.PathLike[str], exclude: list[str]) -> None:
    """Writes a table as `Results.to_parquet` describes, with pyarrow or, if that is missing, with polars."""
    columns = {name: _values(cells, table.rows) for name, cells in table.columns(exclude).items()}
    for name, values in columns.items():
        if _type_of(values) is None:
            kinds = sorted({type(value).__qualname__ for value in values if value is not None})
            raise TypeError(
                f"{caller}: Parquet has no type for the values of column {name!r} ({', '.join(kinds)});"
                f" pass exclude={name!r} to leave it out"
            )
    try:
        import pyarrow as pa
    except ImportError:
        polars = import_optional(caller, "polars", "parquet")
        frame = polars.DataFrame(
            [_polars_series(polars, name, each) for name, each in columns.items()]
        )
        frame.write_parquet(os.fspath(path))
        return
    from pyarrow import parquet

    arrays = [pa.array(values) for values in columns.values()]
    parquet.write_table(pa.table(arrays, names=list(columns)), os.fspath(path))


def _polars_series(polars: Any, name: str, values: list[Any]) -> Any:
    if _type_of(values) is None:
        return polars.Series(name, values, dtype=polars.Object)
    return polars.Series(name, values)


def _values(cells: Cells, rows: int) -> list[Any]:
    """Returns the values of a column, one per row; None for a missing value. Converts numpy values to Python."""
    values = [cells.get(row) for row in range(rows)]
    kinds = set(map(type, values)) - {type(None)}
    if any(kind.__module__ == "numpy" for kind in kinds):
        values = [_to_python(value) for value in values]
        kinds = set(map(type, values)) - {type(None)}
    if kinds == {int, float} and all(abs(v) <= _MAX_EXACT_INT for v in values if type(v) is int):
        return [value if value is None else float(value) for value in values]
    return values


def _to_python(value: Any) -> Any:
    """Converts a number or array of numpy to Python objects, unless that loses precision."""
    if type(value).__module__ != "numpy":
        return value
    converted = value.tolist() if hasattr(value, "tolist") else value
    return value if type(converted).__module__ == "numpy" else converted


def _type_of(values: Iterable[Any]) -> Any:
    """Returns the common type of some values, if every library keeps values of this type; else None.

    Returns a type, ``("list", type)`` for lists and tuples, ``("dict", ((key, type), ...))`` for
    dicts with the same keys, or "null" if there are no values.
    """
    present = [value for value in values if value is not None]
    kinds = set(map(type, present))
    if not kinds:
        return "null"
    if kinds <= {list, tuple}:
        within = _type_of(part for value in present for part in value)
        return None if within is None else ("list", within)
    if len(kinds) > 1:
        return None
    kind = kinds.pop()
    if kind is dict:
        return _type_of_dicts(present)
    fits = _FITS.get(kind)
    return kind if fits is not None and all(map(fits, present)) else None


def _type_of_dicts(dicts: list[dict[Any, Any]]) -> Any:
    keys = tuple(dicts[0])
    if not keys or not all(isinstance(key, str) for key in keys):
        return None
    if any(tuple(each) != keys for each in dicts):
        return None
    within = tuple((key, _type_of(each[key] for each in dicts)) for key in keys)
    return None if any(kind is None for _, kind in within) else ("dict", within)


def _is_encodable(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


_MAX_DURATION = datetime.timedelta(days=100_000_000)

#: The types that a column can have, each with a test of the values that fit.
_FITS: dict[type, Callable[[Any], bool]] = {
    bool: lambda _: True,
    int: lambda value: -(2**63) <= value < 2**63,
    float: lambda _: True,
    str: _is_encodable,
    bytes: lambda _: True,
    datetime.date: lambda _: True,
    datetime.datetime: lambda value: value.tzinfo is None,
    datetime.time: lambda value: value.tzinfo is None,
    datetime.timedelta: lambda value: abs(value) < _MAX_DURATION,
}
