"""Reads an entry from the store: the whole entry, or only its inputs."""

from __future__ import annotations

from typing import Any

from funes._entries import codec, large_arguments
from funes._funes import Entry, Store


def resolved(store: Store, result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replaces the references in a result by the large arguments, and returns the same dict."""
    if result is not None:
        large_arguments.resolve(store, result)
    return result


def load(entry: Entry) -> dict[str, Any]:
    """Unpickles an entry without its large arguments. Raises the same errors as `codec.load_entry`."""
    return codec.load_entry(entry.body, entry.fast)


def whole_of(store: Store, entry: Entry) -> dict[str, Any]:
    """Unpickles an entry with its large arguments. Raises the same errors as `codec.load_entry`."""
    result = load(entry)
    result.pop("drawn", None)  # only calls need this mark
    large_arguments.resolve(store, result)
    return result


def read_whole(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """Reads and unpickles an entry; returns None if there is none."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else whole_of(store, entry)


def read_head(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """Reads and unpickles an entry without its output; returns None if there is none."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else resolved(store, codec.load_head(entry))


def read_seconds(store: Store, function: str, definition: str, arguments: str) -> float | None:
    """Reads the run time of an entry in seconds; returns None if there is no entry."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else codec.head_of(entry)[0]
