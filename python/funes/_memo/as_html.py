"""Shows a memorious function in a notebook."""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from typing import Any

from funes._results import markup
from funes._results.stored import StoredFunction
from funes._results.units import seconds_shown


def as_html(memo: Any) -> str:
    """Shows the signature, what is stored, and the hits and misses of this process. Runs no memorious function."""
    signature = "(...)"
    with suppress(Exception):  # a default may have no text
        signature = str(inspect.signature(memo))
    info = memo.cache_info()
    hits = info.memory_hits + info.disk_hits
    rows: list[tuple[str, object]] = []
    try:
        rows += _stored(memo)
    except Exception as error:  # without a definition, calls run uncached
        rows.append(("not cached", error))
    rows.append(
        ("in this process", f"{_count(hits, 'hit')}, {_count(info.misses, 'miss', 'misses')}")
    )
    if info.saved_seconds:
        rows.append(("saved", seconds_shown(info.saved_seconds)))
    title = f"<b>{markup.text(memo.__qualname__)}</b>{markup.text(signature)}"
    return markup.block(f"<p>{title}, memorious</p>", markup.facts(rows))


def _stored(memo: Any) -> list[tuple[str, object]]:
    path = os.fspath(memo.cache_path)
    function = StoredFunction(memo._store, os.path.dirname(path), memo._identity)
    versions = {each.definition: each.summary.entries for each in function.versions()}
    own = versions.pop(memo.definition, 0)
    earlier = [count for count in versions.values() if count]
    rows: list[tuple[str, object]] = [("results", f"{own:,}")]
    if earlier:
        results = _count(sum(earlier), "result")
        rows.append(("earlier versions", f"{len(earlier):,} with {results}"))
    return [*rows, ("definition", memo.definition[:12]), ("folder", path)]


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
