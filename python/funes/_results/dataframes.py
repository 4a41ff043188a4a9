"""Tables of results as the data frames and files of other libraries, none of which is needed for anything else."""

from __future__ import annotations

import datetime
import importlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from funes._results.columns import Cells, Table, check

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_MISSING = float("nan")
_EXACT = 2**53  # integers up to here are floats without loss


def needed(caller: str, library: str, extra: str) -> Any:
    """A library that the user asks for.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"{caller} needs {library}: pip install funes[{extra}]"
            " (going through the results works without)"
        ) from error


# pandas


def to_pandas(pandas: Any, table: Table, exclude: list[str], index: list[str]) -> pd.DataFrame:
    """A table as `Results.to_pandas` describes it."""
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
    """One column, with the type that fits all its values and alters none."""
    # As objects at first: pandas would look into lists and arrays.
    values = pandas.Series([cells.get(row, _MISSING) for row in range(rows)], dtype=object)
    whole = len(cells) == rows
    if any(value is None for value in cells.values()):
        return values  # it would become NaN, and a seed of None one that was not given
    if not whole and any(isinstance(v, int) and abs(v) > _EXACT for v in cells.values()):
        return values  # with NaN in it the column would be one of floats
    return values.infer_objects()


# polars and Parquet, whose columns have one type each


def to_polars(polars: Any, table: Table, exclude: list[str]) -> pl.DataFrame:
    """A table as `Results.to_polars` describes it."""
    columns = {
        name: _polars_series(polars, name, _values(cells, table.rows))
        for name, cells in table.columns(exclude).items()
    }
    frame: pl.DataFrame = polars.DataFrame(columns)
    return frame


def to_parquet(caller: str, table: Table, path: str | os.PathLike[str], exclude: list[str]) -> None:
    """Write a table as `Results.to_parquet` describes it: by pyarrow, or else by polars."""
    columns = {name: _values(cells, table.rows) for name, cells in table.columns(exclude).items()}
    for name, values in columns.items():
        if _kind(values) is None:
            kinds = sorted({type(value).__qualname__ for value in values if value is not None})
            raise TypeError(
                f"{caller}: Parquet has no type for the values of column {name!r} ({', '.join(kinds)});"
                f" leave it out with exclude={name!r}"
            )
    try:
        import pyarrow as pa
    except ImportError:
        polars = needed(caller, "polars", "parquet")
        frame = polars.DataFrame(
            [_polars_series(polars, name, each) for name, each in columns.items()]
        )
        frame.write_parquet(os.fspath(path))
        return
    from pyarrow import parquet

    arrays = [pa.array(values) for values in columns.values()]
    parquet.write_table(pa.table(arrays, names=list(columns)), os.fspath(path))


def _polars_series(polars: Any, name: str, values: list[Any]) -> Any:
    if _kind(values) is None:
        return polars.Series(name, values, dtype=polars.Object)
    return polars.Series(name, values)


def _values(cells: Cells, rows: int) -> list[Any]:
    """The values of a column from top to bottom; None for what is missing. Numbers of numpy as Python's."""
    values = [cells.get(row) for row in range(rows)]
    kinds = set(map(type, values)) - {type(None)}
    if any(kind.__module__ == "numpy" for kind in kinds):
        values = [_plain(value) for value in values]
        kinds = set(map(type, values)) - {type(None)}
    if kinds == {int, float} and all(abs(v) <= _EXACT for v in values if type(v) is int):
        return [value if value is None else float(value) for value in values]
    return values


def _plain(value: Any) -> Any:
    """A number or array of numpy as Python's, where that has all its digits."""
    if type(value).__module__ != "numpy":
        return value
    plain = value.tolist() if hasattr(value, "tolist") else value
    return value if type(plain).__module__ == "numpy" else plain


def _kind(values: Iterable[Any]) -> Any:
    """What the values of a column are, if they are of one kind, so that no library alters any; else None.

    A type; ``("list", kind)`` for lists and tuples; ``("dict", ((key, kind), ...))`` for dicts with the same keys;
    "null" where there is nothing.
    """
    there = [value for value in values if value is not None]
    kinds = set(map(type, there))
    if not kinds:
        return "null"
    if kinds <= {list, tuple}:
        within = _kind(part for value in there for part in value)
        return None if within is None else ("list", within)
    if len(kinds) > 1:
        return None
    kind = kinds.pop()
    if kind is dict:
        return _kind_of_dicts(there)
    fits = _FITS.get(kind)
    return kind if fits is not None and all(map(fits, there)) else None


def _kind_of_dicts(dicts: list[dict[Any, Any]]) -> Any:
    keys = tuple(dicts[0])
    if not keys or not all(isinstance(key, str) for key in keys):
        return None
    if any(tuple(each) != keys for each in dicts):
        return None
    within = tuple((key, _kind(each[key] for each in dicts)) for key in keys)
    return None if any(kind is None for _, kind in within) else ("dict", within)


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


_LONGEST = datetime.timedelta(days=100_000_000)

#: The types of values that are columns as they are, and which values of them are.
_FITS: dict[type, Callable[[Any], bool]] = {
    bool: lambda _: True,
    int: lambda value: -(2**63) <= value < 2**63,
    float: lambda _: True,
    str: _is_text,
    bytes: lambda _: True,
    datetime.date: lambda _: True,
    datetime.datetime: lambda value: value.tzinfo is None,
    datetime.time: lambda value: value.tzinfo is None,
    datetime.timedelta: lambda value: abs(value) < _LONGEST,
}
