"""Detects a definition that never stays: one value is another one each time."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterator
from typing import Any

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import FILE_NAME, Content, read_definition
from funes._results.usage import FILE_NAME as SAVINGS

#: What was described before was described by another process.
_START = time.time_ns()

#: How many of the latest definitions are looked at for the two before this one: other functions may share the folder.
_LOOKED_AT = 6


def unsteady_value(
    folder: str, content: Content, own: Container[str], *, is_first: bool = True
) -> Change | None:
    """The value by which alone this definition and the two before it differ one from the other.

    All three were new in the cache, one after the other: where results of an earlier definition are found in between,
    they are not lost.

    Args:
        folder: That of the definition's entries.
        content: What its `definition.json` holds.
        own: Definitions that the same function had before in this process, since results were found. Those of other
            functions of its name, such as a factory makes side by side, are not compared.
        is_first: Whether no results were found in this process, so that definitions of other processes came before.

    Returns:
        None if there is no such value.
    """
    if not content.get("nodes"):  # what it consists of is not known
        return None
    latest = [content]
    for other in _latest(folder, own, is_first):
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


def _latest(present: str, own: Container[str], is_first: bool) -> Iterator[str]:
    """The folders of the definitions that were described last, the latest first."""
    times: list[tuple[int, str]] = []
    try:
        with os.scandir(os.path.dirname(present)) as entries:
            for entry in entries:
                if entry.name != os.path.basename(present):
                    path = os.path.join(entry.path, FILE_NAME)
                    try:
                        changed = os.stat(path).st_mtime_ns
                    except OSError:  # not described, or no definition at all
                        continue
                    if (is_first and changed < _START) or entry.name in own:
                        times.append((changed, entry.path))
    except OSError:
        return
    next_time: int | None = None
    for changed, path in sorted(times, reverse=True)[:_LOOKED_AT]:
        if next_time is not None and _last_found(path) > next_time:
            return  # its results were found after the next one was new
        yield path
        next_time = changed


def _last_found(folder: str) -> int:
    """When a process ended that found results of a definition; 0 if that is not known."""
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
    # What a memorious helper is said to depend on changes as often as it should.
    is_declared = found[0].name.removesuffix(f" of {found[0].of}").endswith("depends on")
    return None if is_declared else found[0]
