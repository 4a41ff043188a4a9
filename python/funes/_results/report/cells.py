"""Converts the columns of a table to JSON, within a number of bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NamedTuple

from funes._results.columns import Cells
from funes._results.text import cut_in_the_middle, escaped
from funes._warnings import safe_repr

#: Integers beyond this lose digits in a browser, so they are texts.
_MAX_EXACT_INT = 2**53
#: The lengths to which texts are cut, the first that fits.
_LENGTHS = (200, 100, 50, 25, 12)
#: The number of characters of a text that are looked at.
_MAX_CHARACTERS = 2000


class Column(NamedTuple):
    """A column of the page."""

    name: str
    #: ``"input"``, ``"output"`` or ``"about"``, for what funes knows of the result.
    role: str
    #: The values by row. Rows without a value are left out.
    cells: Cells
    #: The unit of numbers: ``"seconds"``, ``"bytes"``, ``"date"`` (seconds since 1970), or ``""``.
    unit: str = ""
    #: True if the column is shown with a single result only, not in the table.
    is_hidden: bool = False


class Fitted(NamedTuple):
    """The columns as JSON."""

    columns: list[dict[str, Any]]
    #: The names of the columns for which there was no room.
    left_out: list[str]


def fit(columns: Iterable[Column], rows: int, limit: int) -> Fitted:
    """Converts columns to values for JSON, which have at most `limit` bytes.

    A column of numbers has ``numbers``: numbers, None, and strings for NaN and the infinities. Any other column has
    ``texts``, each different value once, and ``at``, the positions in it or None. Long texts are cut in the middle.
    If that is not enough, the last columns are left out.

    >>> fit([Column("lr", "input", {0: 0.1, 1: float("nan")})], 2, 1000).columns[0]["numbers"]
    [0.1, 'NaN']
    >>> fit([Column("seed", "input", {0: 2**64})], 2, 1000).columns[0]
    {'name': 'seed', 'role': 'input', 'texts': ['18446744073709551616'], 'at': [0, None]}
    """
    given = list(columns)
    fitted: list[dict[str, Any]] = []
    for length in _LENGTHS:
        fitted, size = [], 0
        for column in given:
            converted = _converted(column, rows, length)
            size += len(json.dumps(converted, separators=(",", ":")))
            if size > limit:
                break
            fitted.append(converted)
        else:
            break
    return Fitted(fitted, [column.name for column in given[len(fitted) :]])


def _converted(column: Column, rows: int, length: int) -> dict[str, Any]:
    head: dict[str, Any] = {"name": cut_in_the_middle(_clean(column.name), 60), "role": column.role}
    if column.unit:
        head["unit"] = column.unit
    if column.is_hidden:
        head["hidden"] = True
    scalars = {row: _scalar(value) for row, value in column.cells.items()}
    if scalars and all(map(_is_number, scalars.values())):
        return {**head, "numbers": [_number(scalars.get(row)) for row in range(rows)]}
    # The whole text decides whether two values are equal, and only its middle may be left out.
    places: dict[str, int] = {}
    at = [
        places.setdefault(_text(scalars[row]), len(places)) if row in scalars else None
        for row in range(rows)
    ]
    return {**head, "texts": [cut_in_the_middle(text, length) for text in places], "at": at}


def _scalar(value: Any) -> Any:
    """Returns the number in an array without dimensions, such as a tensor; else the value itself."""
    if getattr(value, "shape", None) == ():
        try:
            return value.item()
        except Exception:  # it is on another device, or not an array
            return value
    return value


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return not isinstance(value, Integral) or abs(int(value)) <= _MAX_EXACT_INT
    except Exception:  # a number of the user's own class
        return False


def _number(value: Any) -> float | int | str | None:
    if value is None:
        return None
    if isinstance(value, Integral):
        return int(value)
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return "NaN"
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _text(value: object) -> str:
    if type(value) is int and value.bit_length() > 4096:
        return hex(value)[:_MAX_CHARACTERS]  # Python limits the digits
    return _clean(value if isinstance(value, str) else safe_repr(value))


def _clean(text: str) -> str:
    """Returns a text in one line, without characters that cannot be shown."""
    return escaped(" ".join(text[:_MAX_CHARACTERS].split()))
