"""Compares the definition of each function with those under which results are stored."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import Content, read_definition
from funes._entries.function_identity import label
from funes._entries.reader import read_seconds
from funes._funes import Listing, Store
from funes._memo import definition_record
from funes._memo.memo import Memo
from funes._tools.explain.other_versions import other_versions
from funes._tools.explain.renamed import equal_code
from funes._warnings import one_line
from funes.errors import FunesError

State = Literal["current", "stale", "new", "unknown", "same", "changed", "added", "removed"]


class FunctionStatus(NamedTuple):
    """What an edit of a function, or of something that it depends on, means for its results."""

    #: The module and qualified name of the function.
    function: str
    #: ``"current"``: there are results of the present definition. ``"stale"``: there are only results of earlier ones.
    #: ``"new"``: there are no results. ``"unknown"``: the function has no definition, so its calls run uncached.
    #: In a comparison with a revision: ``"same"``, ``"changed"``, ``"added"``, ``"removed"`` or ``"unknown"``.
    state: State
    #: The present definition digest; empty if there is none.
    definition: str = ""
    #: The definition digest with which it is compared; empty if there is none.
    before: str = ""
    #: The number of results of the present definition.
    results: int = 0
    #: The number of calls that have a result of the other definition, and none of the present one.
    stale: int = 0
    #: The run time of these calls when they were computed, in seconds.
    seconds: float = 0.0
    #: The changes since the other definition.
    changes: tuple[Change, ...] = ()
    #: Why the state or the changes are not known, or where the results of a renamed function are.
    detail: str = ""


def status_of(memo: Memo[..., Any]) -> FunctionStatus:
    """Compares the definition of a function with that of its latest results.

    Raises:
        OSError: The cache folder cannot be read.
    """
    known = _described(memo)
    if not known.definition:
        return known
    if known.results:
        return known._replace(state="current")
    store, name = memo._store, memo._function_name
    for version in other_versions(store, name, memo._identity, known.definition):
        stale = _hashes(store, name, version.definition)
        if stale:
            before = _recorded(store, name, version.definition)
            return _compared(memo, known._replace(state="stale"), before, version.definition, stale)
    return known._replace(state="new", detail=_renamed_from(memo, known.definition))


def status_since(memo: Memo[..., Any], before: Content | None) -> FunctionStatus:
    """Compares the definition of a function with that of another revision; None if the function was not there.

    Raises:
        OSError: The cache folder cannot be read.
    """
    known = _described(memo)
    if not known.definition:
        return known
    if before is None:
        return known._replace(state="added")
    if not before["definition"]:
        return known._replace(state="unknown", detail=f"at the revision: {before['detail']}")
    if before["definition"] == known.definition:
        return known._replace(state="same", before=known.definition)
    stale = _hashes(memo._store, memo._function_name, before["definition"])
    stale -= _hashes(memo._store, memo._function_name, known.definition)
    return _compared(memo, known._replace(state="changed"), before, before["definition"], stale)


def described(memo: Memo[..., Any]) -> Content:
    """Returns the definition of a function as JSON, for `status_since` in another process."""
    known = _described(memo)
    graph = definition_record.graph_of(memo, known.definition) if known.definition else None
    return graph or {"definition": known.definition, "nodes": [], "detail": known.detail}


def removed(identities: Iterable[str]) -> list[FunctionStatus]:
    """Returns the state of functions that only the other revision has."""
    return [FunctionStatus(label(identity), "removed") for identity in identities]


def _described(memo: Memo[..., Any]) -> FunctionStatus:
    known = FunctionStatus(label(memo._identity), "unknown")
    try:
        definition = memo.definition
    except (FunesError, OSError) as error:
        return known._replace(detail=one_line(error))
    count = len(_hashes(memo._store, memo._function_name, definition))
    return known._replace(definition=definition, results=count)


def _hashes(store: Store, name: str, definition: str) -> set[str]:
    """Returns the argument digests of the results of a definition."""
    return {arguments for arguments, _, _ in Listing(store.folder(name, definition))}


def _recorded(store: Store, name: str, definition: str) -> Content | None:
    try:
        return read_definition(store.folder(name, definition))
    except (OSError, ValueError):
        return None


def _compared(
    memo: Memo[..., Any],
    known: FunctionStatus,
    before: Content | None,
    version: str,
    stale: set[str],
) -> FunctionStatus:
    """Adds the changes since another definition, and the cost of its calls."""
    after = definition_record.graph_of(memo, known.definition)
    is_known = bool(before and after and before["nodes"] and after["nodes"])
    return known._replace(
        before=version,
        stale=len(stale),
        seconds=_seconds(memo, version, stale),
        changes=tuple(changes(before, after)) if before and after and is_known else (),
        detail="" if is_known else "the changes are not known: the code was not recorded",
    )


def _seconds(memo: Memo[..., Any], version: str, wanted: Iterable[str]) -> float:
    """Returns the total run time of calls in seconds. An entry that cannot be read counts 0; `verify` reports it."""
    total = 0.0
    for arguments in wanted:
        with suppress(Exception):
            found = read_seconds(memo._store, memo._function_name, version, arguments)
            total += found or 0.0
    return total


def _renamed_from(memo: Memo[..., Any], definition: str) -> str:
    current = definition_record.graph_of(memo, definition)
    found = current and equal_code(memo._store, memo._identity, current)
    if not found:
        return ""
    return f"{found.function.qualified_name} has the same code and results: adopt them with funes adopt"
