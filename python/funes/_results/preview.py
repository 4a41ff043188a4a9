"""Shows a few results as text and as HTML."""

from __future__ import annotations

import reprlib
import shutil
from numbers import Real
from typing import Any

from funes._results import layout, markup
from funes._results.columns import Cells, Table
from funes._results.text import cut, escaped

#: The maximum number of characters of a value, and of columns of a table in HTML, that are shown.
_MAX_CHARACTERS = 24
_MAX_COLUMNS = 12
#: The number of characters of a line where there is no terminal.
_WIDTH = 120

_short = reprlib.Repr()
_short.maxother = _short.maxstring = _short.maxlong = _MAX_CHARACTERS
_short.maxlevel = 2


class NotLoaded(str):
    """A string that a preview shows in place of a value that is too large to load."""


def as_text(title: str, table: Table) -> str:
    """Formats a title and the rows below it, with aligned columns, in the width of the terminal."""
    if not table.rows:
        return title
    columns = [
        layout.Column(
            _fitted(name),
            [_cell(cells, row) for row in range(table.rows)],
            _is_numeric(cells),
        )
        for name, cells in table.columns().items()
    ]
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    shown = layout.fit(columns, width, _MAX_CHARACTERS)
    lines = [title, *layout.lines_of(shown.columns)]
    if shown.left_out:
        lines.append(f"no room for: {', '.join(shown.left_out)}")
    return "\n".join(lines)


def as_html(title: str, table: Table) -> str:
    """Formats a title and the rows below it as a table in HTML."""
    caption = markup.paragraph(title)
    if not table.rows:
        return caption
    columns = table.columns()
    names = list(columns)
    if len(names) > _MAX_COLUMNS:
        columns = {**{name: columns[name] for name in names[: _MAX_COLUMNS - 2]}, "...": {}}
        columns[names[-1]] = table.columns()[names[-1]]
    numbers = [at for at, cells in enumerate(columns.values()) if _is_numeric(cells)]
    rows = ([_cell(cells, row) for cells in columns.values()] for row in range(table.rows))
    return markup.block(caption, markup.table([*map(_fitted, columns)], rows, numbers))


def _is_numeric(cells: Cells) -> bool:
    return bool(cells) and all(isinstance(value, Real) for value in cells.values())


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
