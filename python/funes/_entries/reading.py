"""One entry from the store: all of it, or no more than its inputs."""

from __future__ import annotations

from typing import Any

from funes._entries import large_arguments, pickling
from funes._funes import Store

__all__ = ["read_head", "read_seconds", "read_whole"]


def read_whole(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """The entry as a dict; None if there is none."""
    entry = store.read(function, definition, arguments)
    if entry is None:
        return None
    result = pickling.load_entry(entry.body, entry.second, entry.buffers)
    large_arguments.resolve(store, result)
    return result


def read_head(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """The entry without its output; None if there is none."""
    result = read_whole(store, function, definition, arguments)
    if result is not None:
        del result["output"]
    return result


def read_seconds(store: Store, function: str, definition: str, arguments: str) -> float | None:
    """How long the function ran; None if there is no entry."""
    result = read_whole(store, function, definition, arguments)
    return None if result is None else result["time"]
