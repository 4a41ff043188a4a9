"""``funes ls``: lists functions and versions that have results."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import Any

import click

from funes._code.definition_file import libraries_in
from funes._entries.cache_folder import is_url
from funes._entries.run_record import RunRecord, read_run
from funes._results import usage
from funes._results.cache import open_cache
from funes._results.stored import StoredFunction, StoredVersion
from funes._results.stored_files import DeletedFiles
from funes._results.units import bytes_shown, date_shown, seconds_shown
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.deletion import counted
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import Column, in_terminal, print_rows

_NUMBERS = (
    Column("entries", right=True),
    Column("bytes", bytes_shown, right=True),
    Column("computed", seconds_shown, right=True),
    Column("saved", seconds_shown, right=True),
    Column("hits", right=True),
)
_EXPIRED = Column("expired", right=True)
_ERRORS = Column("errors", right=True)
_FUNCTIONS = (
    Column("function"),
    Column("versions", right=True),
    Column("last", date_shown, right=True),
    *_NUMBERS,
)
_VERSIONS = (
    Column("version", lambda version: version[:8]),
    Column("first", date_shown, right=True),
    *_NUMBERS,
)
_CHANGED = Column("changed", "\n".join, below=True)
_RUNS = Column("computed with", "\n".join, below=True)
#: The number of different runs of a version that are shown.
_MAX_RUNS = 3


@click.command(
    "ls",
    cls=options.BucketCommand,
    short_help="List the functions that have results, or the versions of FUNCTION.",
)
@click.argument("function", type=completion.FUNCTION, required=False)
@click.option("--quick", "-q", is_flag=True, help="Read no entry, and leave out `computed`.")
@click.option("--errors", is_flag=True, help="Also count remembered errors.")
@options.cache_or_bucket
@options.as_json
def command(
    *, function: str | None, quick: bool, errors: bool, place: str | None, as_json: bool
) -> None:
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
    expired    the number of results that are older than the `max_age=` with which they were stored, if there are any
    errors     the number of exceptions that `remember_errors=` has stored, with --errors
    changed    the changes since the previous version
    computed with   the versions of Python and of the libraries that
               FUNCTION names, the git commit and the host: in a terminal
    runs       the run records, with the number of results    (--json)

    `funes ls URL` lists a bucket, as with --quick. The times are those at which the results were sent, and packed
    results are not counted.

    Exit code: 1 if nothing is stored, or nothing of FUNCTION.
    """
    if place is not None and is_url(place):
        from funes._tools.cli.buckets import mirror_of

        mirror = mirror_of(place)
        cache, name, quick = open_cache(mirror.path), place, True
    else:
        cache = options.opened(place)
        name = str(cache.path)
    if function is None:
        rows = [_function(each, quick, errors) for each in cache.functions()]
        if not print_rows(rows, (*_FUNCTIONS, *_marks(rows, errors)), as_json=as_json):
            raise NotFound(f"nothing is stored in {name}")
        sizes = [each.bytes for each in cache.objects()]
        if sizes:
            large = counted(DeletedFiles(len(sizes), sum(sizes)))
            click.echo(f"large arguments: {large}", err=True)
        return
    found = resolve.function_named(cache, function)
    rows = _versions(found._versions(), quick, errors)
    runs = [_RUNS] if in_terminal() and any(row["computed with"] for row in rows) else []
    print_rows(rows, (*_VERSIONS, *_marks(rows, errors), _CHANGED, *runs), as_json=as_json)


def _marks(rows: list[dict[str, Any]], errors: bool) -> list[Column]:
    """Returns the columns that only some listings have."""
    columns = [_EXPIRED] if any(row["expired"] for row in rows) else []
    return [*columns, _ERRORS] if errors else columns


def _function(function: StoredFunction, quick: bool, errors: bool) -> dict[str, Any]:
    versions = function._versions()
    numbers = _numbers(versions, quick, errors)
    del numbers["runs"]
    return {
        "function": function._label,
        "name": function.qualified_name,
        "versions": len(versions),
        **numbers,
        "folder": str(function.folder),
    }


def _versions(versions: list[StoredVersion], quick: bool, errors: bool) -> list[dict[str, Any]]:
    read = {version.definition: _numbers([version], quick, errors) for version in versions}
    versions = sorted(versions, key=_began)
    rows = []
    for position, version in enumerate(versions):
        runs = _records(version, read[version.definition].pop("runs"))
        rows.append(
            {
                "version": version.definition,
                "name": version.function.qualified_name,
                "first": version.summary.first,
                **read[version.definition],
                "changed": [
                    str(change)
                    for before in versions[position - 1 : position]
                    for change in version._changes_since(before)
                ],
                "computed with": _shown(version, runs),
                "runs": [{**record._asdict(), "results": count} for record, count in runs],
                "folder": str(version.folder),
            }
        )
    return rows[::-1]


def _records(version: StoredVersion, runs: Counter[str]) -> list[tuple[RunRecord, int]]:
    """Returns the run records of a version, each with the number of its results."""
    found = ((read_run(version._store.root, run), count) for run, count in runs.most_common())
    return [(record, count) for record, count in found if record is not None]


def _shown(version: StoredVersion, runs: list[tuple[RunRecord, int]]) -> list[str]:
    libraries = libraries_in(version.description)
    lines = list(dict.fromkeys(record.with_libraries(libraries) for record, _ in runs))
    more = len(lines) - _MAX_RUNS
    return lines[:_MAX_RUNS] + ([f"and {more} more"] if more > 0 else [])


def _began(version: StoredVersion) -> tuple[datetime, str]:
    return version.summary.first or datetime.min.replace(tzinfo=timezone.utc), version.definition


def _numbers(versions: list[StoredVersion], quick: bool, errors: bool) -> dict[str, Any]:
    read = _read(versions, quick)  # reads the summaries too
    summaries = [version.summary for version in versions]
    saved = [usage.stats_of(version.folder) for version in versions]
    return {
        "last": max((summary.last for summary in summaries if summary.last), default=None),
        "entries": sum(summary.entries for summary in summaries),
        "bytes": sum(summary.bytes for summary in summaries),
        **read,
        "saved": sum(each.saved_seconds for each in saved),
        "hits": sum(each.hits for each in saved),
        **({"errors": sum(_count_errors(version) for version in versions)} if errors else {}),
    }


def _count_errors(version: StoredVersion) -> int:
    return sum(entry.is_error for entry in version.entries(errors=True))


def _read(versions: list[StoredVersion], quick: bool) -> dict[str, Any]:
    """Returns the numbers for which all entries are read. `funes verify` reports what cannot be read."""
    if quick:
        return {"computed": None, "expired": None, "runs": Counter()}
    totals = [version.totals() for version in versions]
    return {
        "computed": sum(each.seconds for each in totals),
        "expired": sum(each.expired for each in totals),
        "runs": sum((each.runs for each in totals), Counter[str]()),
    }
