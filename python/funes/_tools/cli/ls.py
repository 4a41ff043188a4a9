"""``funes ls``: what is remembered."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from funes._results import usage
from funes._results.cache import Cache
from funes._results.stored import StoredEntry, StoredFunction, StoredVersion
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import Column, print_rows
from funes._tools.cli.progress import progress
from funes._tools.cli.units import bytes_shown, date_shown, seconds_shown

_NUMBERS = (
    Column("entries", right=True),
    Column("bytes", bytes_shown, right=True),
    Column("computed", seconds_shown, right=True),
    Column("saved", seconds_shown, right=True),
    Column("hits", right=True),
)
_FUNCTIONS = (
    Column("function"),
    Column("versions", right=True),
    Column("last", date_shown),
    *_NUMBERS,
)
_VERSIONS = (
    Column("version", lambda version: version[:8]),
    Column("first", date_shown),
    *_NUMBERS,
    Column("changed", "\n".join, below=True),
)


@click.command(short_help="List the functions that have results, or the versions of FUNCTION.")
@click.argument("function", required=False)
@click.option(
    "--quick", "-q", is_flag=True, help="Read no entry: leave out the time that they took."
)
@options.cache
@options.as_json
def command(*, function: str | None, quick: bool, cache: Cache, as_json: bool) -> None:
    """List the functions of which results are stored, or the versions of FUNCTION.

    FUNCTION is its name, its qualified name or the end of it, or the name of its folder.

    \b
    function   its name; its qualified name if several have the name
    versions   how many definitions of it have results
    last       when its last result was stored
    version    the definition hash
    first      when the first result of the version was stored
    entries    how many results there are
    bytes      the sizes of their files
    computed   how long the stored calls took to compute, in seconds
    saved      how long the hits would have taken; processes add it when they end
    hits       how many calls were answered from the cache
    changed    what changed since the version before

    Exit code: 1 if nothing is stored, or not of FUNCTION.
    """
    if function is None:
        rows = [_function(each, quick) for each in cache.functions()]
        if not print_rows(rows, _FUNCTIONS, as_json=as_json):
            raise NotFound(f"nothing is stored in {cache.path}")
        return
    found = resolve.function_named(cache, function)
    print_rows(_versions(found.versions(), quick), _VERSIONS, as_json=as_json)


def _function(function: StoredFunction, quick: bool) -> dict[str, Any]:
    versions = function.versions()
    return {
        "function": function._label,
        "name": function.qualified_name,
        "versions": len(versions),
        **_numbers(versions, function._label, quick),
        "folder": str(function.folder),
    }


def _versions(versions: list[StoredVersion], quick: bool) -> list[dict[str, Any]]:
    versions = sorted(versions, key=_began)
    rows = []
    for position, version in enumerate(versions):
        rows.append(
            {
                "version": version.definition,
                "name": version.function.qualified_name,
                "first": version.summary.first,
                **_numbers([version], version.definition[:12], quick),
                "changed": _changed(version, versions[:position]),
                "folder": str(version.folder),
            }
        )
    return rows[::-1]


def _began(version: StoredVersion) -> tuple[datetime, str]:
    return version.summary.first or datetime.min.replace(tzinfo=timezone.utc), version.definition


def _changed(version: StoredVersion, before: list[StoredVersion]) -> list[str]:
    """What changed since the last of those before."""
    from funes._code.definition_diff import changes

    if not before:
        return []
    old, new = before[-1].description, version.description
    if old is None or new is None:
        return ["not known: there is no definition.json"]
    if not old["nodes"] or not new["nodes"]:
        return ["not known: it was not recorded"]
    return [str(change) for change in changes(old, new)]


def _numbers(versions: list[StoredVersion], what: str, quick: bool) -> dict[str, Any]:
    summaries = [version.summary for version in versions]
    saved = [usage.read(version.folder) or usage.Stats() for version in versions]
    return {
        "last": max((summary.last for summary in summaries if summary.last), default=None),
        "entries": sum(summary.entries for summary in summaries),
        "bytes": sum(summary.bytes for summary in summaries),
        "computed": None if quick else _computed(versions, what),
        "saved": sum(each.saved_seconds for each in saved),
        "hits": sum(each.hits for each in saved),
    }


def _computed(versions: list[StoredVersion], what: str) -> float:
    count = sum(version.summary.entries for version in versions)
    entries = (entry for version in versions for entry in version.entries())
    return sum(map(_seconds, progress(entries, count, what, unit="entry")), 0.0)


def _seconds(entry: StoredEntry) -> float:
    try:
        return entry.time
    except Exception:
        return 0.0  # `verify` tells what is the matter
