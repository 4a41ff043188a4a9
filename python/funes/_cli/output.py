"""What commands print: a table in a terminal, lines of values with tabs between them elsewhere, or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click

__all__ = ["Column", "in_terminal", "one_line", "print_json", "print_rows", "to_json"]

Row = Mapping[str, Any]


class Column(NamedTuple):
    """One column of a table, and of its lines."""

    #: The key in each row, and the title.
    name: str
    #: The value as people read it; lines and JSON have the value itself.
    shown: Callable[[Any], str] = str
    #: Numbers stand to the right.
    right: bool = False


def in_terminal() -> bool:
    """Whether a person reads along."""
    return sys.stdout.isatty()


def print_rows(rows: Iterable[Row], columns: Sequence[Column], *, as_json: bool = False) -> int:
    r"""Print each row as the place where it goes asks for.

    JSON has all keys of a row, a table and lines only the columns. JSON and lines are printed as the rows come. A line
    has no titles; a tab, a line's end or any other character that is not printed is an escape in it (``\t``).

    Returns:
        How many rows there were.
    """
    if as_json:
        return _print_array(rows)
    if in_terminal():
        return _print_table(rows, columns)
    count = 0
    for row in rows:
        click.echo("\t".join(_plain(row.get(column.name)) for column in columns))
        count += 1
    return count


def print_json(value: object) -> None:
    """Print one JSON document, for a command that has one thing to say."""
    click.echo(json.dumps(to_json(value), indent=1, ensure_ascii=False, allow_nan=False))


def to_json(value: object) -> Any:
    """A value of JSON for any value: numbers, texts, lists, dicts and arrays as they are, all else by its `repr`.

    NaN and the infinities, which JSON does not have, are texts.
    """
    try:
        return _as_json(value)
    except (RecursionError, ValueError):  # it holds itself; an array of what has no numbers
        return _repr(value)


def _as_json(value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 4096 else hex(value)  # more digits are refused
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else _repr(key): _as_json(part)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_as_json(part) for part in value]
    if hasattr(value, "shape") and hasattr(value, "tolist"):  # numpy's, and others like it
        plain = value.tolist()
        return _repr(value) if type(plain) is type(value) else _as_json(plain)
    return _repr(value)


def _repr(value: object) -> str:
    try:
        return one_line(repr(value))
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def one_line(text: str) -> str:
    """The text without anything that would break a line or steer a terminal: such characters are escapes."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        letter
        if letter.isprintable() and letter != "\\"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _plain(value: object) -> str:
    if value is None:
        return ""
    return one_line(value if isinstance(value, str) else str(value))


def _print_array(rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        click.echo("[" if count == 0 else ",")
        click.echo(json.dumps(to_json(row), ensure_ascii=False, allow_nan=False), nl=False)
        count += 1
    click.echo("\n]" if count else "[]")
    return count


def _print_table(rows: Iterable[Row], columns: Sequence[Column]) -> int:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for column in columns:
        # What is cut short is the widest column; a number is never.
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
        )
    for row in rows:
        cells = (
            "" if row.get(column.name) is None else column.shown(row[column.name])
            for column in columns
        )
        table.add_row(*(Text(_escaped(cell)) for cell in cells))
    if table.row_count:
        Console().print(table)
    return table.row_count


def _escaped(text: str) -> str:
    return "\n".join(line if line.isprintable() else one_line(line) for line in text.splitlines())
