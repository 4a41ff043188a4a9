"""A few results as text and as HTML, for the eye."""

from __future__ import annotations

import html
import reprlib
from typing import Any

from funes._results.columns import Cells, Table

#: How many characters of a value are shown, and how many columns.
_WIDTH = 24
_COLUMNS = 12

_short = reprlib.Repr()
_short.maxother = _short.maxstring = _short.maxlong = _WIDTH
_short.maxlevel = 2


class NotLoaded(str):
    """Stands for a value that is not loaded to be shown."""


def as_text(title: str, table: Table) -> str:
    """A title and the rows below it, columns aligned."""
    lines = _lines(table)
    if not table.rows:
        return title
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(map(str.rjust, line, widths)) for line in lines)
    return "\n".join([title, *rows])


def as_html(title: str, table: Table) -> str:
    """The same as a table of HTML."""
    caption = f"<p>{html.escape(title)}</p>"
    if not table.rows:
        return caption
    names, *rows = _lines(table)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    return f"{caption}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _lines(table: Table) -> list[list[str]]:
    columns = table.columns()
    names = list(columns)
    if len(names) > _COLUMNS:
        columns = {**{name: columns[name] for name in names[: _COLUMNS - 2]}, "...": {}}
        columns[names[-1]] = table.columns()[names[-1]]
    return [
        [_cut(name) for name in columns],
        *([_cell(cells, row) for cells in columns.values()] for row in range(table.rows)),
    ]


def _cell(cells: Cells, row: int) -> str:
    if row not in cells:
        return ""
    value: Any = cells[row]
    if type(value) is float:
        return f"{value:.6g}"
    text = value if type(value) is NotLoaded else _short.repr(value)
    return _cut(" ".join(text.split()))


def _cut(text: str) -> str:
    text = "".join(letter if letter.isprintable() else "?" for letter in text[: 2 * _WIDTH])
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
