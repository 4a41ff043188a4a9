"""Unpickles an entry, or reads it from the store: the whole entry, or only its inputs."""

from __future__ import annotations

from typing import Any

from funes._entries import large_arguments, unpickler
from funes._entries.unpickler import Buffered
from funes._funes import Entry, Store
from funes.errors import DamagedEntryError


def head_of(entry: Entry) -> tuple[float, Buffered, Buffered | None]:
    """Returns the head of an entry without unpickling it.

    Raises:
        DamagedEntryError: The entry has no head.
    """
    if entry.head is None:
        raise DamagedEntryError("the file has no head, which every entry has")
    return entry.head


def load_head(entry: Entry) -> dict[str, Any]:
    """Unpickles the head of an entry. Of the body, it reads only large arrays of the inputs.

    Returns:
        A dict with the keys ``input`` and ``time``, and ``objects`` if there are large arguments.

    Raises:
        DamagedEntryError, Exception: See `unpickler.load_entry`.
    """
    seconds, (inputs, buffers), main = head_of(entry)
    head = unpickler.load(inputs, main, buffers=buffers)
    if not isinstance(head, dict) or not isinstance(head.get("input"), dict):
        raise DamagedEntryError("the head of the file is not a head of an entry")
    return {"input": head.pop("input"), "time": seconds, **head}


def resolved(store: Store, result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Replaces the references in a result by the large arguments, and returns the same dict."""
    if result is not None:
        large_arguments.resolve(store, result)
    return result


def load(entry: Entry) -> dict[str, Any]:
    """Unpickles an entry without its large arguments. Raises the same errors as `unpickler.load_entry`."""
    return unpickler.load_entry(entry.body, entry.fast)


def whole_of(store: Store, entry: Entry) -> dict[str, Any]:
    """Unpickles an entry with its large arguments. Raises the same errors as `unpickler.load_entry`."""
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
    return None if entry is None else resolved(store, load_head(entry))


def read_about(
    store: Store, function: str, definition: str, arguments: str
) -> tuple[float, float | None, str | None] | None:
    """Reads the run time and the maximum age of an entry in seconds, and the id of its run record.

    Returns None if there is no entry.
    """
    entry = store.read(function, definition, arguments)
    return None if entry is None else (head_of(entry)[0], entry.max_age, entry.run)


def read_seconds(store: Store, function: str, definition: str, arguments: str) -> float | None:
    """Reads the run time of an entry in seconds; returns None if there is no entry."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else head_of(entry)[0]
