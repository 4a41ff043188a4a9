"""Detects a definition that differs in each process because of one value."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterator
from typing import Any

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import FILE_NAME, Content, read_definition
from funes._results.usage import FILE_NAME as SAVINGS

#: The start of this process. Definitions that were written earlier come from other processes.
_START = time.time_ns()

#: The number of newest definitions that are searched for the two definitions before the current
#: one. Other functions may share the folder.
_LOOKED_AT = 6


def unstable_value(
    folder: str, content: Content, own_definitions: Container[str], *, is_first: bool = True
) -> Change | None:
    """Returns the value in which a new definition and the two before it differ, if they differ in nothing else.

    All three definitions must have been new in the cache, one after the other. If results of an earlier definition
    were found in between, no results are lost, and None is returned.

    Args:
        folder: The folder of the new definition's entries.
        content: The content of the new definition's `definition.json`.
        own_definitions: The definitions that the same function had in this process since results were found last. Other
            functions of the same name, which a factory may make, are not compared.
        is_first: True if no results were found in this process, so that definitions of other processes came before.

    Returns:
        The value as a change; None if there is no such value.
    """
    if not content.get("nodes"):  # the graph is not known
        return None
    latest = [content]
    for other in _latest(folder, own_definitions, is_first):
        before = _read(other)
        if before is not None and before["nodes"][0]["name"] == content["nodes"][0]["name"]:
            latest.append(before)
            if len(latest) == 3:
                break
    if len(latest) < 3:
        return None
    last, one_before = _only_value(latest[1], latest[0]), _only_value(latest[2], latest[1])
    if (
        last is None
        or one_before is None
        or (last.name, last.of) != (one_before.name, one_before.of)
    ):
        return None
    return last


def _latest(present: str, own_definitions: Container[str], is_first: bool) -> Iterator[str]:
    """Yields the folders of the newest definitions, newest first."""
    times: list[tuple[int, str]] = []
    try:
        with os.scandir(os.path.dirname(present)) as entries:
            for entry in entries:
                if entry.name != os.path.basename(present):
                    path = os.path.join(entry.path, FILE_NAME)
                    try:
                        changed = os.stat(path).st_mtime_ns
                    except OSError:  # no definition.json
                        continue
                    if (is_first and changed < _START) or entry.name in own_definitions:
                        times.append((changed, entry.path))
    except OSError:
        return
    next_time: int | None = None
    for changed, path in sorted(times, reverse=True)[:_LOOKED_AT]:
        if next_time is not None and _last_found(path) > next_time:
            return  # results of this definition were found after the next definition was new
        yield path
        next_time = changed


def _last_found(folder: str) -> int:
    """Returns the time when the last process that found results of a definition ended; 0 if it is not known."""
    try:
        return os.stat(os.path.join(folder, SAVINGS)).st_mtime_ns
    except OSError:
        return 0


def _read(folder: str) -> Content | None:
    try:
        content = read_definition(folder)
    except (OSError, ValueError):
        return None
    return content if content and content.get("nodes") else None


def _only_value(old: dict[str, Any], new: dict[str, Any]) -> Change | None:
    found = changes(old, new)
    if len(found) != 1 or found[0].what != "value" or found[0].how != "changed":
        return None
    # The `depends_on=` of a memorious helper is meant to change.
    is_declared = found[0].name.removesuffix(f" of {found[0].of}").endswith("depends on")
    return None if is_declared else found[0]
