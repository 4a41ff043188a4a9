"""Finds a function that was renamed, or moved to another module, by its code."""

from __future__ import annotations

import ast
import os
import textwrap
from typing import Any

from funes._code.definition_diff import changes
from funes._code.definition_file import Content
from funes._funes import Store
from funes._results.cache import Cache
from funes._results.stored import StoredVersion

#: The number of versions that are compared, beginning with the version that changed last.
_MAX_VERSIONS = 200


def equal_code(store: Store, identity: str, current: Content) -> StoredVersion | None:
    """Finds a version of another function that has the same code, except for the name; None if there is none.

    Args:
        store: The cache.
        identity: The identity of the function.
        current: The definition graph of the function.
    """
    if not os.path.isdir(store.root):
        return None
    found = [
        version
        for function in Cache(store).functions()
        if function._identity != identity
        for version in function._versions()
    ]
    found.sort(key=_changed, reverse=True)
    for version in found[:_MAX_VERSIONS]:
        before = version.description
        if before and _is_equal(before, current) and any(version.entries()):
            return version
    return None


def _changed(version: StoredVersion) -> float:
    try:
        return os.stat(version.folder).st_mtime
    except OSError:  # deleted meanwhile
        return 0.0


def _is_equal(before: Content, after: Content) -> bool:
    if not before["nodes"] or not after["nodes"]:
        return False
    one, other = before["nodes"][0], after["nodes"][0]
    if one["kind"] != other["kind"]:
        return False
    source = _without_name(one)
    if source is None or source != _without_name(other):
        return False
    # The source of the function is equal. Everything that it depends on must be equal, too.
    found = changes({**before, "definition": ""}, {**after, "definition": ""})
    return all(change.name == other["name"] and change.what == other["kind"] for change in found)


def _without_name(node: dict[str, Any]) -> str | None:
    """Returns the syntax tree of a function without its name; None if the source is no function."""
    try:
        statement = ast.parse(textwrap.dedent(node["source"])).body[0]
    except (SyntaxError, IndexError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    name = statement.name
    statement.name = "_"
    for each in ast.walk(statement):
        if isinstance(each, ast.Name) and each.id == name:  # recursion
            each.id = "_"
    return ast.dump(statement)
