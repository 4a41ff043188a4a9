"""Puts the page together."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from importlib.resources import files

from funes._code.definition_diff import Change
from funes._funes import ERROR_EXTENSION, EXTENSION, __version__
from funes._results import markup
from funes._results.report.functions import Function, Version
from funes._results.text import cut, escaped
from funes._results.units import bytes_shown, date_shown, number_of, seconds_shown

text = markup.text

#: The titles of the overview, and whether the column holds numbers.
_OVERVIEW = (
    ("function", False),
    ("results", True),
    ("versions", True),
    ("computed", True),
    ("saved", True),
    ("hits", True),
    ("size", True),
    ("last result", True),
)

#: The number of columns without room that are named.
_MAX_NAMED = 20

_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="funes {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
<noscript><p>The tables of results and the charts need JavaScript.</p></noscript>
</header>
<main>
{body}
</main>
<dialog id="result" aria-labelledby="result-title"></dialog>
{data}
<script>{library}</script>
<script>{script}</script>
</body>
</html>
"""


def page(title: str, functions: Sequence[Function], cache: str = "") -> str:
    """Returns a page about functions.

    Args:
        title: The title.
        functions: The functions, in the order of the overview.
        cache: The path of the cache folder, which the page names; empty to name none.
    """
    now = datetime.now(timezone.utc)
    where = f" from the cache <code>{text(cache)}</code>" if cache else ""
    has_overview = len(functions) > 1
    sections = "\n".join(_section(at, each, has_overview) for at, each in enumerate(functions))
    overview = _overview(functions) if has_overview else ""
    library, script = _resource("echarts.min.js"), _resource("page.js")
    content = _DOCUMENT.format(
        policy="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        f" form-action 'none'; script-src {_hash(library)} {_hash(script)}",
        version=__version__,
        title=text(title),
        css=_resource("page.css"),
        subtitle=f"Made by funes {__version__} on {text(date_shown(now))}{where}.",
        body=overview + sections,
        data="\n".join(_data(at, each) for at, each in enumerate(functions)),
        library=library,
        script=script,
    )
    return content.encode("utf-8", "backslashreplace").decode("utf-8")


def write(path: str | os.PathLike[str], content: str) -> None:
    """Writes a page.

    Raises:
        OSError: The file cannot be written.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(content)


@lru_cache
def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Returns the source expression that allows a script in the page's security policy."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _data(at: int, function: Function) -> str:
    """Returns what the script shows of a function. JSON without ``<`` cannot end the element."""
    data = {
        "name": escaped(function.name),
        "folder": escaped(function.folder),
        "extensions": [EXTENSION, ERROR_EXTENSION],
        "errors": function.errors,
        "rows": function.shown,
        "columns": function.columns,
    }
    content = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="data-{at}">{content}</script>'


def _overview(functions: Sequence[Function]) -> str:
    titles = "".join(
        f'<th scope="col"{" class=number" * is_number}>{title}</th>'
        for title, is_number in _OVERVIEW
    )
    rows = "\n".join(_overview_row(at, each) for at, each in enumerate(functions))
    total = sum(version.saved for each in functions for version in each.versions)
    computed = sum(version.computed for each in functions for version in each.versions)
    counted = number_of(len(functions), "function")
    return f"""<section id="overview" aria-labelledby="overview-title">
<h2 id="overview-title">Functions</h2>
<p>{counted} computed for {seconds_shown(computed)}; hits saved {seconds_shown(total)}.</p>
<div class="wide" tabindex="0" role="group" aria-labelledby="overview-title">
<table class="sortable"><thead><tr>{titles}</tr></thead><tbody>
{rows}
</tbody></table></div>
</section>
"""


def _overview_row(at: int, function: Function) -> str:
    versions = function.versions
    last = max((each.last for each in versions if each.last), default=None)
    computed, saved = (
        sum(getattr(each, name) for each in versions) for name in ("computed", "saved")
    )
    results, hits, size = (
        sum(getattr(each, name) for each in versions) for name in ("results", "hits", "bytes")
    )
    numbers = [
        (results, f"{results:,}"),
        (len(versions), f"{len(versions):,}"),
        (computed, seconds_shown(computed)),
        (saved, seconds_shown(saved)),
        (hits, f"{hits:,}"),
        (size, bytes_shown(size)),
        (last.timestamp() if last else 0, date_shown(last) if last else ""),
    ]
    cells = "".join(
        f'<td class="number" data-value="{value}">{text(shown)}</td>' for value, shown in numbers
    )
    name = f'<a href="#function-{at}">{text(function.name)}</a>'
    module = function.qualified_name.removesuffix(function.name).removesuffix(".")
    return f'<tr><th scope="row">{name} <small>{text(module)}</small></th>{cells}</tr>'


def _section(at: int, function: Function, has_title: bool) -> str:
    versions = function.versions
    numbers = [
        number_of(function.selected, "result"),
        number_of(len(versions), "version"),
        f"computed for {seconds_shown(sum(each.computed for each in versions))}",
    ]
    hits = sum(each.hits for each in versions)
    if hits:
        saved = seconds_shown(sum(each.saved for each in versions))
        numbers.append(f"{number_of(hits, 'hit')} saved {saved}")
    notes = []
    if function.shown < function.selected:
        unread = "the newest, as far as they can be read, are on this page"
        notes.append(f"{function.shown:,} of {function.selected:,} results, {unread}.")
    if function.left_out:
        names = [cut(name, 60) for name in function.left_out[:_MAX_NAMED]]
        more = len(function.left_out) - len(names)
        listed = ", ".join(names) + (f" and {more:,} more" if more else "")
        notes.append(f"There was no room for the columns {listed}.")
    title = f"<h2>{text(function.name)}</h2>\n" if has_title else ""
    return f"""<section class="function" id="function-{at}" aria-label="{text(function.name)}" tabindex="-1">
{title}<p class="where"><code>{text(function.qualified_name)}</code></p>
<p>{text(", ".join(numbers))}.{"".join(f" {text(note)}" for note in notes)}</p>
<div class="explorer" data-of="data-{at}"></div>
{_versions(at, versions)}
</section>"""


def _versions(at: int, versions: list[Version]) -> str:
    listed = "\n".join(map(_version, versions))
    return f"""<section class="versions" aria-labelledby="versions-{at}">
<h3 id="versions-{at}">Versions</h3>
<ol>
{listed}
</ol>
</section>"""


def _version(version: Version) -> str:
    first, last = (text(date_shown(each)) if each else "" for each in (version.first, version.last))
    period = first if first == last else f"{first} to {last}"
    numbers = [
        number_of(version.results, "result"),
        f"computed for {seconds_shown(version.computed)}",
    ]
    if version.expired:
        numbers.append(f"{version.expired:,} expired")
    if version.hits:
        numbers.append(f"{number_of(version.hits, 'hit')} saved {seconds_shown(version.saved)}")
    head = (
        f"<p><code>{version.definition[:12]}</code> <span>{period}</span>"
        f" <span>{', '.join(numbers)}</span></p>"
    )
    if version.changes is None:
        return f"<li>{head}<p class=note>The first version with results.</p></li>"
    return f"<li>{head}{''.join(map(_change, version.changes))}</li>"


def _change(change: Change) -> str:
    if not change.diff:
        return f"<p class=change>{text(change)}</p>"
    return (
        f"<details><summary>{text(change)}</summary>"
        f'<div class="wide" tabindex="0" role="group" aria-label="changes">{markup.diff(change.diff)}</div></details>'
    )
