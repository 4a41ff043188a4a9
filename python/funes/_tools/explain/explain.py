"""Explains why a call is a hit or a miss, without running the function."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funes._call.remembered_errors import is_remembered
from funes._call.unseen_inputs import unseen_inputs
from funes._code.definition_diff import changes
from funes._code.definition_file import Content, read_definition, read_functions
from funes._entries import unpickler
from funes._entries.age import is_entry_expired
from funes._entries.remembered_errors import load as load_error
from funes._entries.run_record import read_run
from funes._funes import ERROR_EXTENSION, Call, run_in_file
from funes._memo import definition_record
from funes._tools.explain.explanation import Explanation
from funes._tools.explain.nearest import Search, nearest, newest_first
from funes._tools.explain.other_versions import Version, other_versions
from funes._tools.explain.renamed import equal_code
from funes._warnings import one_line
from funes.errors import DamagedEntryError, FunesError

if TYPE_CHECKING:
    from funes._memo.memo import Memo

#: The number of other versions that are searched for the same call.
_MAX_VERSIONS = 50

#: The limits of the search for the most similar arguments.
SEARCH = Search(entries=100, size=256 << 20)

#: The limits for a line of the log, which must not take long.
_LOG_SEARCH = Search(entries=20, size=1 << 20)


def explain(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Explanation:
    """Explains a call, see `Memo.explain`."""
    name = memo.__qualname__
    try:
        call = memo._core.key(memo, args, kwargs)
    except FunesError as error:
        return Explanation(name, "unhashable", detail=one_line(error))
    inputs = unseen_inputs(memo._core.code(memo), memo._core.graph(memo))
    unseen = tuple(kind.report(uses) for kind, uses in inputs.items())
    known = Explanation(name, "memory", call.definition, call.arguments, unseen=unseen)
    if memo._core.is_in_memory(memo, call):
        return _with_run(memo, known)
    found = _on_disk(memo, known)
    if found is None or not found.is_hit:
        missed = found or explain_miss(memo, call, None, SEARCH)._replace(unseen=unseen)
        found = _as_error(memo, call, known) or missed
    if found.is_hit:
        return _with_run(memo, found)
    return _renamed(memo, found) if found.why == "never called" else found


def _with_run(memo: Memo[Any, Any], found: Explanation) -> Explanation:
    """Adds the record of the process that computed the result."""
    store, name = memo._store, memo._function_name
    extension = ERROR_EXTENSION if found.why == "error" else ""
    key = name, found.definition, found.arguments + extension
    path = store.path(*key)
    run = run_in_file(path)
    if run is None and not os.path.exists(path):  # it may be packed
        with suppress(Exception):
            entry = store.read(*key)
            run = None if entry is None else entry.run
    libraries = frozenset(definition_record.libraries_of(memo))
    return found._replace(run=read_run(store.root, run), libraries=libraries)


def miss_in_one_line(memo: Memo[Any, Any], call: Call, entries: Iterable[str]) -> str:
    """Explains a miss in one line for the log. `entries` are the argument hashes of the entries to compare."""
    return explain_miss(memo, call, entries, _LOG_SEARCH).line()


def explain_miss(
    memo: Memo[Any, Any], call: Call, entries: Iterable[str] | None, search: Search
) -> Explanation:
    """Explains why there is no entry for a call.

    Args:
        memo: The function.
        call: The call.
        entries: The argument hashes of the entries to compare; None for all entries, newest first.
        search: The limits of the comparison.
    """
    known = Explanation(memo.__qualname__, "never called", call.definition, call.arguments)
    changed = _changed_file(memo, known)
    if changed is not None:
        return changed
    key = memo._function_name, call.definition, call.arguments
    if is_entry_expired(memo._store, key, memo._options.max_age):
        return known._replace(why="expired", path=Path(memo._store.path(*key)))
    quarantined = Path(memo._store.folder(memo._function_name, call.definition), "damaged")
    quarantined /= f"{call.arguments}.dill"
    if quarantined.exists():
        detail = "an earlier call found it damaged, and moved it there"
        return known._replace(why="damaged", path=quarantined, detail=detail)
    try:
        name = memo._function_name
        versions = other_versions(memo._store, name, memo._identity, call.definition)
        for version in versions[:_MAX_VERSIONS]:
            if memo._store.time_stored(name, version.definition, call.arguments) is not None:
                # If the version does not record its function, adopting its results is not proposed.
                is_recorded = bool(read_functions(memo._store.folder(name, version.definition)))
                return _since(memo, known, version)._replace(is_cached_there=is_recorded)
        found = _nearest(memo, known, call, entries, search)
        if found is not None:
            return found
        return _since(memo, known, versions[0]) if versions else known
    except OSError as error:
        return known._replace(why="unreadable", detail=one_line(error))


def _on_disk(memo: Memo[Any, Any], known: Explanation) -> Explanation | None:
    """Explains a call by the file of its entry; returns None if the file does not exist."""
    key = memo._function_name, known.definition, known.arguments
    known = known._replace(path=Path(memo._store.path(*key)))
    try:
        entry = memo._store.read(*key)
        if entry is None:
            return None
        changed = _changed_file(memo, known)
        if changed is not None:
            return changed
        unpickler.load_entry(entry.body, entry.fast)
    except DamagedEntryError as error:
        return known._replace(why="damaged", detail=one_line(error))
    except OSError as error:
        if error.errno == errno.EPERM:
            return known._replace(why="foreign")
        why: Any = "format" if error.errno == errno.ENOTSUP else "unreadable"
        return known._replace(why=why, detail=one_line(error))
    except Exception as error:
        return known._replace(why="unreadable", detail=one_line(error))
    key = memo._function_name, known.definition, known.arguments
    is_expired = is_entry_expired(memo._store, key, memo._options.max_age)
    return known._replace(why="expired" if is_expired else "disk")


def _as_error(memo: Memo[Any, Any], call: Call, known: Explanation) -> Explanation | None:
    """Explains a call that would raise a remembered error; returns None if there is none that can be used."""
    if not memo._options.remember_errors:
        return None
    key = call.definition, call.arguments + ERROR_EXTENSION
    full = memo._function_name, *key
    path = Path(memo._store.path(*full))
    if not path.exists() or is_entry_expired(memo._store, full, memo._options.max_age):
        return None
    try:
        entry = memo._core.read(memo, *key, True)
        if entry is None:
            return None
        found = load_error(entry.body, entry.fast, memo.__wrapped__.__module__)["error"]
    except Exception:  # a call computes again
        return None
    if not is_remembered(found, memo._options.remember_errors):
        return None
    return known._replace(why="error", path=path, detail=one_line(found))


def _changed_file(memo: Memo[Any, Any], known: Explanation) -> Explanation | None:
    """Explains a miss by a file that has changed; returns None if there is none, or an earlier result for it."""
    try:
        key = known.definition, known.arguments
        changed = memo._core.changed_file(memo, *key)
        if changed is None or memo._core.read(memo, *key, True) is not None:
            return None
    except (DamagedEntryError, OSError):
        return None
    path, is_missing = changed
    return known._replace(
        why="files",
        path=Path(memo._store.path(memo._function_name, *key)),
        detail=f"{path} {'is missing' if is_missing else 'has changed'}",
    )


def _nearest(
    memo: Memo[Any, Any],
    known: Explanation,
    call: Call,
    entries: Iterable[str] | None,
    search: Search,
) -> Explanation | None:
    """Explains a miss by the most similar arguments; returns None if the definition has no entries."""
    store, name = memo._store, memo._function_name
    if entries is None:
        entries = newest_first(store, name, call.definition)
    candidates = list(entries)
    if not candidates:
        return None
    known = known._replace(why="arguments", entries=len(candidates))
    found = nearest(store, (name, call.definition), call.inputs, candidates, search)
    if found is None:
        return known._replace(detail="none of the stored calls can be read")
    return known._replace(
        path=Path(store.path(name, call.definition, found.arguments)),
        differences=found.differences,
        looked_at=found.looked_at,
        detail="" if found.differences else "the difference cannot be shown",
    )


def _renamed(memo: Memo[Any, Any], known: Explanation) -> Explanation:
    """Adds to an explanation a function of another name that has the same code and results, if there is one."""
    current = definition_record.graph_of(memo, known.definition)
    found = current and equal_code(memo._store, memo._identity, current)
    if not found:
        return known
    used = os.stat(found.folder).st_mtime
    return known._replace(
        version=Version(found.definition, used),
        renamed_from=found.function.qualified_name,
        is_cached_there=any(each.hash == known.arguments for each in found.entries()),
    )


def _since(memo: Memo[Any, Any], known: Explanation, version: Version) -> Explanation:
    """Explains a miss by the changes since another version."""
    known = known._replace(why="definition", version=version)
    try:
        before = read_definition(memo._store.folder(memo._function_name, version.definition))
    except (OSError, ValueError) as error:
        return known._replace(detail=f"the changes are not known: {one_line(error)}")
    after = _current(memo, known.definition)
    if before is None or after is None or not before["nodes"] or not after["nodes"]:
        return known._replace(detail="the changes are not known: the code was not recorded")
    return known._replace(changes=tuple(changes(before, after)))


def _current(memo: Memo[Any, Any], definition: str) -> Content | None:
    current = definition_record.graph_of(memo, definition)
    if current is not None:
        return current
    try:  # another process may have recorded the definition
        return read_definition(memo._store.folder(memo._function_name, definition))
    except (OSError, ValueError):
        return None
