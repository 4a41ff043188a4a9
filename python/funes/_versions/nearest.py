"""The stored call whose arguments are nearest to those of another call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from funes._entries import large_arguments, pickling
from funes._funes import Store
from funes._versions.arguments import Difference, differences
from funes._versions.places import Entry

__all__ = ["Nearest", "Search", "nearest", "newest_first"]

#: An entry that differs in more places is not near.
_MANY = 100


class Search(NamedTuple):
    """How far to look."""

    #: At how many entries.
    entries: int
    #: How many bytes to read.
    size: int


class Nearest(NamedTuple):
    """What was found."""

    entry: Entry
    #: Where the arguments of the other call differ from it.
    differences: tuple[Difference, ...]
    #: How many entries were looked at.
    looked_at: int


def newest_first(store: Store, function: str, entries: Iterable[Entry]) -> list[Entry]:
    """Entries by when they were stored."""

    def stored(entry: Entry) -> int:
        try:
            return os.stat(store.path(function, *entry.place)).st_mtime_ns
        except OSError:
            return 0

    return sorted(entries, key=stored, reverse=True)


def nearest(
    store: Store, function: str, inputs: Mapping[str, Any], entries: Iterable[Entry], search: Search
) -> Nearest | None:
    """The entry whose arguments differ from these in the fewest places; of several the first.

    Args:
        store: The cache.
        function: The function's name.
        inputs: The arguments by name.
        entries: Where to look.
        search: How far to look.

    Returns:
        None if none of them can be read.
    """
    best: Nearest | None = None
    looked_at = 0
    reader = _Reader(store, function, search.size)
    for entry in islice(entries, search.entries):
        stored = reader.inputs(entry)
        if stored is None:
            continue
        looked_at += 1
        fewer = _MANY if best is None else len(best.differences)
        found = tuple(islice(differences(stored, inputs), fewer))
        if best is None or len(found) < len(best.differences):
            best = Nearest(entry, found, 0)
    return None if best is None else best._replace(looked_at=looked_at)


class _Reader:
    """Reads inputs, as long as there are bytes left to be read."""

    def __init__(self, store: Store, function: str, size: int) -> None:
        self._store = store
        self._function = function
        self._left = size
        #: Large arguments, which many calls share.
        self._large: dict[str, Any] = {}

    def inputs(self, entry: Entry) -> dict[str, Any] | None:
        """The input of an entry as the definition that it serves has it; None if it cannot be had."""
        try:
            self._spend(self._store.path(self._function, *entry.place))
            found = self._store.read(self._function, *entry.place)
            if found is None:
                return None
            result = pickling.load_head(found)
            for adoption in entry.adoptions:
                result = adoption.translation.result(result)
            inputs: dict[str, Any] = result["input"]
            for name, digest in result.get("objects", {}).items():
                inputs[name] = self._argument(name, digest)
            return inputs
        except Exception:  # another one will do
            return None

    def _argument(self, name: str, digest: str) -> Any:
        if digest not in self._large:
            self._spend(self._store.object_path(digest))
            part: dict[str, Any] = {"input": {name: None}, "objects": {name: digest}}
            large_arguments.resolve(self._store, part)
            self._large[digest] = part["input"][name]
        return self._large[digest]

    def _spend(self, path: str) -> None:
        size = os.stat(path).st_size
        if size > self._left:
            raise ValueError("too large")
        self._left -= size
