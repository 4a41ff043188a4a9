"""What commands print: a table in a terminal, lines of values with tabs between them elsewhere, or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, NamedTuple

import click

from funes._tools.cli.units import date_exact

Row = Mapping[str, Any]


class Column(NamedTuple):
    """One column of a table, and of its lines."""

    #: The key in each row, and the title.
    name: str
    #: The value as people read it; lines and JSON have the value itself.
    shown: Callable[[Any], str] = str
    #: Whether it stands to the right, as numbers do.
    right: bool = False
    #: Whether it may take several lines where a table has little room.
    wraps: bool = False
    #: Whether it stands in lines of its own below the rest of the row; then nothing of the table may wrap.
    below: bool = False


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
        return shown_safely(value)


def _as_json(value: object) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 4096 else hex(value)  # more digits are refused
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, datetime):
        return date_exact(value)
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else shown_safely(key): _as_json(part)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_as_json(part) for part in value]
    plain = _of_array(value)
    return shown_whole(value) if plain is None else _as_json(plain)


def shown_safely(value: object) -> str:
    """The `repr` of a value in one line, also if it has none."""
    try:
        return one_line(repr(value))
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def shown_whole(value: object) -> str:
    """The same with arrays and tables as lists and dicts: their own `repr` leaves out what is long."""
    numpy = sys.modules.get("numpy")
    uncut = numpy.printoptions(threshold=sys.maxsize) if numpy else nullcontext()
    with uncut:  # for arrays that are attributes of other objects
        try:
            return shown_safely(_without_arrays(value))
        except Exception:  # it holds itself, or cannot be taken apart
            return shown_safely(value)


def _without_arrays(value: Any) -> Any:
    if type(value) in (list, tuple):
        return type(value)(map(_without_arrays, value))
    if type(value) is dict:
        return {key: _without_arrays(part) for key, part in value.items()}
    plain = _of_array(value)
    return value if plain is None else plain


def _of_array(value: Any) -> Any:
    """An array as lists, a table as a dict of columns; None for anything else."""
    if not hasattr(value, "shape"):
        return None
    if hasattr(value, "columns") and hasattr(value, "to_dict"):  # tables of pandas and polars
        # Columns of one name would be one key.
        columns = [
            value.iloc[:, at] if hasattr(value, "iloc") else value[:, at]
            for at in range(value.shape[1])
        ]
        names = list(value.columns)
        pairs = [(name, _of_array(column)) for name, column in zip(names, columns, strict=True)]
        return dict(pairs) if len(set(map(str, names))) == len(names) else pairs
    for method in ("tolist", "to_list"):
        if hasattr(value, method):
            plain = getattr(value, method)()
            return None if type(plain) is type(value) else plain
    return None


def one_line(text: str) -> str:
    """The text without anything that would break a line or steer a terminal: such characters are escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def print_text(text: str) -> None:
    """Print lines of text, none of which can steer the terminal."""
    for line in text.split("\n"):
        click.echo("".join(map(_harmless, line)))


def _harmless(letter: str) -> str:
    return letter if letter.isprintable() or letter == "\t" else one_line(letter)


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return date_exact(value)
    if isinstance(value, (list, tuple)):
        return "; ".join(map(_plain, value))
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
    from rich.console import Console
    from rich.padding import Padding
    from rich.segment import Segment, Segments
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    beside = [column for column in columns if not column.below]
    for column in beside:
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
        )
    notes: list[list[str]] = []
    for row in rows:
        table.add_row(*(Text(_cell(row, column)) for column in beside))
        cells = [_cell(row, column) for column in columns if column.below]
        notes.append([line for cell in cells for line in cell.splitlines()])
    console = Console()
    if not any(notes):
        if notes:
            console.print(table)
        return len(notes)
    # Without anything that wraps, each row is a line.
    lines = console.render_lines(table, pad=False)
    for line, below in zip(lines, [[], *notes], strict=True):
        console.print(Segments([*line, Segment.line()]), end="")
        for note in below:
            console.print(Padding(Text(note, style="dim"), (0, 0, 0, 4)))
    return len(notes)


def _cell(row: Row, column: Column) -> str:
    value = row.get(column.name)
    if value is None:
        return ""
    lines = column.shown(value).splitlines()
    return "\n".join(line if line.isprintable() else one_line(line) for line in lines)
