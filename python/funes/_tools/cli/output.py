"""Prints tables in a terminal, tab-separated lines elsewhere, JSON, and progress bars."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

import click

from funes import _warnings
from funes._results import layout
from funes._results.text import escaped
from funes._results.units import date_exact

#: The maximum number of characters of a text in a table.
_MAX_CHARACTERS = 60

T = TypeVar("T")
Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column of a table, and of tab-separated lines."""

    #: The key of the column in each row, and its title.
    name: str
    #: A function that formats a value for a table. Lines and JSON have the value itself.
    shown: Callable[[Any], str] = str
    #: True if the column is aligned to the right and never cut, as for numbers.
    right: bool = False
    #: True if the values are printed in lines below each row.
    below: bool = False


#: The columns of a table of files that are not in order.
PROBLEMS = (Column("state"), Column("path", below=True), Column("text", below=True))


def in_terminal() -> bool:
    """Returns whether standard output is a terminal."""
    return sys.stdout.isatty()


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yields the items, and shows a progress bar if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_interactive:  # a terminal without control codes cannot redraw a line
        yield from items
        return
    # Standard output may be a pipe, which must not be redirected to the console of the bar.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        yield from bar.track(items, total=total, description=what)


def print_rows(rows: Iterable[Row], columns: Sequence[Column], *, as_json: bool = False) -> int:
    r"""Prints rows: as JSON if `as_json` is true, as a table in a terminal, and as lines elsewhere.

    JSON has all keys of a row; tables and lines have only the columns. JSON and lines are printed
    while the rows are produced. Lines have no titles. In lines, unprintable characters, such as tabs
    and line ends, are escaped (``\t``).

    Returns:
        The number of rows.
    """
    if as_json:
        return _print_array(rows)
    if in_terminal():
        return _print_table(rows, columns)
    count = 0
    for row in rows:
        click.echo("\t".join(_field(row.get(column.name)) for column in columns))
        count += 1
    return count


def print_json(value: object) -> None:
    """Prints one JSON document."""
    click.echo(json.dumps(to_json(value), indent=1, ensure_ascii=False, allow_nan=False))


def to_json(value: object) -> Any:
    """Converts a value for JSON. An object that is no number, string, list, dict or array becomes its `repr`.

    NaN and the infinities become strings, since JSON lacks them.
    """
    try:
        return _as_json(value)
    except (RecursionError, ValueError):  # a cycle, or an array that has no list of numbers
        return safe_repr(value)


def _as_json(value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 4096 else hex(value)  # Python limits the digits
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, datetime):
        return date_exact(value)
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else safe_repr(key): _as_json(part)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_as_json(part) for part in value]
    converted = _from_array(value)
    return full_repr(value) if converted is None else _as_json(converted)


def safe_repr(value: object) -> str:
    """Returns the `repr` of a value in one line. Never raises."""
    return escaped(_warnings.safe_repr(value))


def full_repr(value: object) -> str:
    """Returns the `repr` of a value, with arrays and tables as lists and dicts so that they are not shortened."""
    numpy = sys.modules.get("numpy")
    uncut = numpy.printoptions(threshold=sys.maxsize) if numpy else nullcontext()
    with uncut:  # for arrays that are attributes of other objects
        try:
            return safe_repr(_without_arrays(value))
        except Exception:  # a cycle, or an object that cannot be converted
            return safe_repr(value)


def _without_arrays(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(map(_without_arrays, value))
    if type(value) is dict:
        return {key: _without_arrays(part) for key, part in value.items()}
    converted = _from_array(value)
    return value if converted is None else converted


def _from_array(value: Any) -> Any:
    """Converts an array to lists, and a table to a dict of columns; returns None for any other value."""
    if not hasattr(value, "shape"):
        return None
    if hasattr(value, "columns") and hasattr(value, "to_dict"):  # tables of pandas and polars
        # Several columns may have the same name.
        columns = [
            value.iloc[:, at] if hasattr(value, "iloc") else value[:, at]
            for at in range(value.shape[1])
        ]
        names = list(value.columns)
        pairs = [(name, _from_array(column)) for name, column in zip(names, columns, strict=True)]
        return dict(pairs) if len(set(map(str, names))) == len(names) else pairs
    for method in ("tolist", "to_list"):
        if hasattr(value, method):
            converted = getattr(value, method)()
            return None if type(converted) is type(value) else converted
    return None


def print_text(text: str) -> None:
    """Prints lines of text, and escapes characters that could control the terminal."""
    for line in text.split("\n"):
        click.echo("\t".join(map(escaped, line.split("\t"))))


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return date_exact(value)
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_field, value))
    return escaped(value if isinstance(value, str) else str(value))


def _print_array(rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        click.echo("[" if count == 0 else ",")
        click.echo(json.dumps(to_json(row), ensure_ascii=False, allow_nan=False), nl=False)
        count += 1
    click.echo("\n]" if count else "[]")
    return count


def _print_table(rows: Iterable[Row], columns: Sequence[Column]) -> int:
    found = list(rows)
    shown = [
        layout.Column(each.name, [_cell(row, each) for row in found], each.right)
        for each in columns
        if not each.below
    ]
    below = [each for each in columns if each.below]
    notes = [[line for each in below for line in _cell(row, each).splitlines()] for row in found]
    print_fitted(shown, notes)
    return len(found)


def print_fitted(
    columns: Sequence[layout.Column], notes: Iterable[Sequence[str]] = (), *, lift: bool = False
) -> None:
    """Prints a table in the width of the terminal, one line per row.

    Args:
        columns: The columns.
        notes: The lines below each row.
        lift: True if columns that are equal in all rows are named above instead.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    if not columns or not columns[0].texts:
        return
    console = Console(soft_wrap=True)
    fitted = layout.fit(columns, console.width, _MAX_CHARACTERS, lift=lift)
    if fitted.constant:
        same = ", ".join(f"{name} = {text}" for name, text in fitted.constant)
        console.print(Text(f"equal in all rows: {same}", style="dim"), soft_wrap=False)
    title, *lines = layout.lines_of(fitted.columns)
    console.print(Text(title, style="bold"))
    for line, below in zip_longest(lines, notes, fillvalue=()):
        console.print(Text(str(line)))
        for note in below:
            console.print(Padding(Text(note, style="dim"), (0, 0, 0, 4)), soft_wrap=False)
    if fitted.left_out:
        left_out = ", ".join(fitted.left_out)
        console.print(Text(f"no room for: {left_out}", style="dim"), soft_wrap=False)


def _cell(row: Row, column: Column) -> str:
    value = row.get(column.name)
    if value is None:
        return ""
    lines = column.shown(value).splitlines()
    return "\n".join(map(escaped, lines))
