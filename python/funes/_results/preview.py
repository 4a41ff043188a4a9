"""Shows a few results as text and as HTML."""

from __future__ import annotations

import html
import reprlib
from typing import Any

from funes._results.columns import Cells, Table
from funes._results.text import cut, escaped

#: The maximum number of characters of a value, and of columns, that are shown.
_MAX_CHARACTERS = 24
_MAX_COLUMNS = 12

_short = reprlib.Repr()
_short.maxother = _short.maxstring = _short.maxlong = _MAX_CHARACTERS
_short.maxlevel = 2


class NotLoaded(str):
    """A string that a preview shows in place of a value that is too large to load."""


def as_text(title: str, table: Table) -> str:
    """Formats a title and the rows below it, with aligned columns."""
    lines = _lines(table)
    if not table.rows:
        return title
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(map(str.rjust, line, widths)) for line in lines)
    return "\n".join([title, *rows])


def as_html(title: str, table: Table) -> str:
    """Formats a title and the rows below it as a table in HTML."""
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
    if len(names) > _MAX_COLUMNS:
        columns = {**{name: columns[name] for name in names[: _MAX_COLUMNS - 2]}, "...": {}}
        columns[names[-1]] = table.columns()[names[-1]]
    return [
        [_fitted(name) for name in columns],
        *([_cell(cells, row) for cells in columns.values()] for row in range(table.rows)),
    ]


def _cell(cells: Cells, row: int) -> str:
    if row not in cells:
        return ""
    value: Any = cells[row]
    if type(value) is float:
        return f"{value:.6g}"
    text = value if type(value) is NotLoaded else _short.repr(value)
    return _fitted(" ".join(text.split()))


def _fitted(text: str) -> str:
    # The slice limits the work for long strings.
    return cut(escaped(text[: 2 * _MAX_CHARACTERS]), _MAX_CHARACTERS)
