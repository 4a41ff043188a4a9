"""Collects what the page says about a function."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from funes._code.definition_diff import Change
from funes._code.definition_file import libraries_in
from funes._entries.run_record import RunRecord
from funes._results import usage
from funes._results.columns import Table
from funes._results.report import cells

#: The number of bytes of the page for each result, and for a function however few its results.
_BYTES_PER_RESULT = 750
_MIN_BYTES = 50_000


class StoredVersion(Protocol):
    """What the page needs of a `funes.types.StoredVersion`."""

    definition: str

    @property
    def folder(self) -> Any: ...

    @property
    def summary(self) -> Any: ...

    @property
    def description(self) -> dict[str, Any] | None: ...

    def totals(self) -> Any: ...

    def _changes_since(self, before: Any) -> list[Change]: ...


class StoredFunction(Protocol):
    """What the page needs of a `funes.types.StoredFunction`."""

    @property
    def name(self) -> str: ...

    @property
    def qualified_name(self) -> str: ...

    @property
    def folder(self) -> Any: ...

    def versions(self) -> list[Any]: ...


class Version(NamedTuple):
    """A version of a function."""

    definition: str
    first: datetime | None
    last: datetime | None
    results: int
    bytes: int
    #: The run time of the stored calls in seconds, and the number of expired results.
    computed: float
    expired: int
    hits: int
    #: The run time that hits saved, in seconds.
    saved: float
    #: The changes since the version before; None for the first.
    changes: list[Change] | None


class Row(NamedTuple):
    """What funes knows of a result."""

    definition: str
    #: The argument hash.
    arguments: str
    is_error: bool
    bytes: int
    #: The time of storing, in seconds since 1970.
    stored: float
    #: The record of the process that computed it, if there is one.
    run: RunRecord | None = None


class Function(NamedTuple):
    """A function on the page."""

    name: str
    qualified_name: str
    #: The name of the folder of its versions.
    folder: str
    #: The versions, the one that was stored first last.
    versions: list[Version]
    #: The columns as JSON, and the names of those for which there is no room.
    columns: list[dict[str, Any]]
    left_out: list[str]
    #: The rows that are remembered errors.
    errors: list[int]
    #: The number of results on the page, and of all that were selected.
    shown: int
    selected: int


def described(
    function: StoredFunction, name: str, table: Table, rows: list[Row], selected: int
) -> Function:
    """Describes a function with the results in a table. Reads every entry of the function, and unpickles none."""
    versions = function.versions()
    libraries = {each.definition: libraries_in(each.description) for each in versions}
    fitted = _columns_of(table, rows, libraries)
    return Function(
        name=name,
        qualified_name=function.qualified_name,
        folder=function.folder.name,
        versions=_versions_of(versions),
        columns=fitted.columns,
        left_out=fitted.left_out,
        errors=[row for row, each in enumerate(rows) if each.is_error],
        shown=len(rows),
        selected=selected,
    )


def _versions_of(versions: Iterable[StoredVersion]) -> list[Version]:
    """Describes the versions that have results. Reads every entry, and unpickles none."""
    began = datetime.min.replace(tzinfo=timezone.utc)
    stored = [each for each in versions if each.summary.entries]
    stored.sort(key=lambda each: (each.summary.first or began, each.definition))
    found = []
    for position, version in enumerate(stored):
        totals = version.totals()
        stats, summary = usage.stats_of(version.folder), version.summary
        found.append(
            Version(
                definition=version.definition,
                first=summary.first,
                last=summary.last,
                results=summary.entries,
                bytes=summary.bytes,
                computed=totals.seconds,
                expired=totals.expired,
                hits=stats.hits,
                saved=stats.saved_seconds,
                changes=version._changes_since(stored[position - 1]) if position else None,
            )
        )
    return found[::-1]


def _columns_of(
    table: Table, rows: list[Row], libraries: dict[str, frozenset[str]]
) -> cells.Fitted:
    """Returns the columns of results as JSON. What funes knows of each result is last, and never left out."""
    named = table.columns()
    about = [
        *(each for each in ("time", "error") if each in named),
        *(each for each in ("definition", "expired") if each in named),
    ]
    given = [
        cells.Column(name, "input" if place < table.inputs else "output", values)
        for place, (name, values) in enumerate(named.items())
        if name not in about
    ]
    last = [
        cells.Column(name, "about", named[name], "seconds" if name == "time" else "")
        for name in about
        if name != "definition"
    ]
    last += [
        _column("version", rows, lambda row: row.definition[:12]),
        _column("stored", rows, lambda row: round(row.stored, 3), unit="date"),
        _column("computed with", rows, lambda row: _computed_with(row, libraries), is_hidden=True),
        _column("size", rows, lambda row: row.bytes, unit="bytes", is_hidden=True),
        _column("definition hash", rows, lambda row: row.definition, is_hidden=True),
        _column("argument hash", rows, lambda row: row.arguments, is_hidden=True),
    ]
    limit = max(_MIN_BYTES, _BYTES_PER_RESULT * len(rows))
    fixed = cells.fit(last, len(rows), 1 << 62)
    fitted = cells.fit(given, len(rows), limit)
    return cells.Fitted(fitted.columns + fixed.columns, fitted.left_out)


def _computed_with(row: Row, libraries: dict[str, frozenset[str]]) -> str:
    """Returns the versions, commit and host with which a result was computed; empty if they are not recorded."""
    return row.run.with_libraries(libraries.get(row.definition, ())) if row.run else ""


def _column(name: str, rows: list[Row], value: Any, **options: Any) -> cells.Column:
    return cells.Column(name, "about", {at: value(row) for at, row in enumerate(rows)}, **options)
