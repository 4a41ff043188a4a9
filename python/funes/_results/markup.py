"""Writes HTML: escaped texts, diffs in colours, and tables of notebooks. It is readable on light and on dark pages."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from funes._results.text import escaped
from funes._results.units import number_of

if TYPE_CHECKING:
    from funes._code.definition_diff import Change

#: The number of lines of a diff that are shown.
_MAX_LINES = 400

_DIFF_CLASSES = {"+": "added", "-": "removed", "@": "place"}


def text(value: object) -> str:
    r"""Escapes a text for HTML, and what cannot be shown.

    >>> text("<b>\x00</b>")
    '&lt;b&gt;\\x00&lt;/b&gt;'
    """
    return "\n".join(
        html.escape("\t".join(map(escaped, line.split("\t")))) for line in str(value).split("\n")
    )


def diff(unified: str) -> str:
    """Formats a unified diff. Each line is an element of the class ``added``, ``removed`` or ``place``, or of none."""
    lines = unified.split("\n")
    if len(lines) > 1 and lines[0].startswith("---") and lines[1].startswith("+++"):
        lines = lines[2:]  # the names of both sides, which the text above the diff gives
    shown = []
    for line in lines[:_MAX_LINES]:
        name = _DIFF_CLASSES.get(line[:1])
        shown.append(f"<span{f' class={name}' * (name is not None)}>{text(line)}\n</span>")
    if len(lines) > _MAX_LINES:
        shown.append(f"<span>and {number_of(len(lines) - _MAX_LINES, 'more line')}</span>")
    return f"<pre class=diff>{''.join(shown)}</pre>"


#: The style of notebooks. It takes the colours of the text from the notebook and mixes its own into the background, so
#: that it fits light and dark themes of every front end.
_STYLE = """<style>
.funes p { margin: 0 0 .4em; }
.funes table { border-collapse: collapse; margin: .2em 0 .6em; }
.funes th, .funes td { padding: .2em .7em; text-align: left; vertical-align: top; background: none;
  border: 0; border-bottom: 1px solid rgba(128, 128, 128, .3); }
.funes thead th { border-bottom: 2px solid rgba(128, 128, 128, .5); }
.funes tbody th { font-weight: 600; }
.funes .number { text-align: right; font-variant-numeric: tabular-nums; }
.funes pre.diff { font-family: var(--jp-code-font-family, monospace); }
.funes pre.diff { margin: .2em 0 .6em; overflow-x: auto; background: none; }
.funes .diff span { display: block; padding: 0 .5em; }
.funes .added { background: rgba(46, 160, 67, .22); }
.funes .removed { background: rgba(248, 81, 73, .22); }
.funes .place { background: rgba(84, 148, 255, .15); }
</style>"""


def block(*parts: str) -> str:
    """Puts parts of HTML into one element with the style of notebooks."""
    return f'<div class="funes">{_STYLE}{"".join(parts)}</div>'


def paragraph(content: object) -> str:
    """Formats a text as a paragraph."""
    return f"<p>{text(content)}</p>"


def table(
    titles: Sequence[str], rows: Iterable[Sequence[object]], numbers: Collection[int] = ()
) -> str:
    """Formats a table with a row of titles.

    Args:
        titles: The titles of the columns.
        rows: The texts of each row.
        numbers: The positions of the columns that are aligned to the right.

    >>> table(["x"], [["<b>"]])
    '<table><thead><tr><th>x</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = _row("th", titles, numbers)
    body = "".join(_row("td", row, numbers) for row in rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def facts(rows: Iterable[Sequence[object]]) -> str:
    """Formats a table without titles, whose first column has the names of its rows.

    >>> facts([("results", 3)])
    '<table><tbody><tr><th>results</th><td>3</td></tr></tbody></table>'
    """
    body = "".join(
        f"<tr><th>{text(name)}</th>{''.join(f'<td>{text(value)}</td>' for value in values)}</tr>"
        for name, *values in rows
    )
    return f"<table><tbody>{body}</tbody></table>"


def change(found: Change) -> str:
    """Formats a change of a definition: one line, and the diff of the source if it is known."""
    return f"<p>{text(found)}</p>{diff(found.diff) if found.diff else ''}"


def _row(tag: str, cells: Sequence[object], numbers: Collection[int]) -> str:
    shown = (
        f"<{tag}{' class=number' * (at in numbers)}>{text(cell)}</{tag}>"
        for at, cell in enumerate(cells)
    )
    return f"<tr>{''.join(shown)}</tr>"
