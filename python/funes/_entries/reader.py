"""One entry from the store: all of it, or no more than its inputs."""

from __future__ import annotations

from typing import Any

from funes._entries import codec, large_arguments
from funes._funes import Entry, Store


def resolved(store: Store, result: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same result, with its large arguments in their places."""
    if result is not None:
        large_arguments.resolve(store, result)
    return result


def load(entry: Entry) -> dict[str, Any]:
    """An entry that was read, as a dict, without its large arguments; raises as `pickling.load_entry`."""
    return codec.load_entry(entry.body, entry.fast)


def whole_of(store: Store, entry: Entry) -> dict[str, Any]:
    """An entry that was read, as a dict; raises what comes up when its objects are made again."""
    result = load(entry)
    result.pop("drawn", None)  # for calls only
    large_arguments.resolve(store, result)
    return result


def read_whole(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """The entry as a dict; None if there is none."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else whole_of(store, entry)


def read_head(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """The entry without its output; None if there is none."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else resolved(store, codec.load_head(entry))


def read_seconds(store: Store, function: str, definition: str, arguments: str) -> float | None:
    """How long the function ran; None if there is no entry."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else codec.head_of(entry)[0]
