"""``funes ls``: lists functions and versions that have results."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from funes._results import usage
from funes._results.cache import Cache
from funes._results.stored import StoredFunction, StoredVersion, seconds_of
from funes._results.stored_files import DeletedFiles
from funes._tools.cli import options, resolve
from funes._tools.cli.deletion import counted
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import Column, print_rows, progress
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
@click.option("--quick", "-q", is_flag=True, help="Read no entry, and leave out `computed`.")
@options.cache
@options.as_json
def command(*, function: str | None, quick: bool, cache: Cache, as_json: bool) -> None:
    """List the functions that have results, or the versions of FUNCTION.

    FUNCTION is a name, a qualified name or the end of one, or the name of a folder. Large arguments, which functions
    share, are counted in a line on standard error.

    \b
    function   the name of the function; the qualified name if several have the name
    versions   the number of definitions with results
    last       the time when the last result was stored
    version    the definition hash
    first      the time when the first result of the version was stored
    entries    the number of results
    bytes      the total size of the files of the results
    computed   the run time of the stored calls, in seconds
    saved      the run time that hits saved; each process adds its own when it ends
    hits       the number of hits
    changed    the changes since the previous version

    Exit code: 1 if nothing is stored, or nothing of FUNCTION.
    """
    if function is None:
        rows = [_function(each, quick) for each in cache.functions()]
        if not print_rows(rows, _FUNCTIONS, as_json=as_json):
            raise NotFound(f"nothing is stored in {cache.path}")
        sizes = [each.bytes for each in cache.objects()]
        if sizes:
            large = counted(DeletedFiles(len(sizes), sum(sizes)))
            click.echo(f"large arguments: {large}", err=True)
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
    """Lists the changes of a version since the last version before it."""
    from funes._code.definition_diff import changes

    if not before:
        return []
    old, new = before[-1].description, version.description
    if old is None or new is None:
        return ["not known: definition.json is missing or damaged"]
    if not old["nodes"] or not new["nodes"]:
        return ["not known: the code was not recorded"]
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
    return sum(map(seconds_of, progress(entries, count, what)), 0.0)
