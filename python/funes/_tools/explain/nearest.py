"""Finds the stored call whose arguments are most similar to those of another call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from funes._entries import large_arguments, reader
from funes._funes import Listing, Store
from funes._tools.explain.argument_diff import Difference, differences

#: The number of differences at which the comparison with an entry ends.
_MAX_DIFFERENCES = 100


class Search(NamedTuple):
    """The limits of a search."""

    #: The maximum number of entries to read.
    entries: int
    #: The maximum number of bytes to read.
    size: int


class Nearest(NamedTuple):
    """The result of a search."""

    #: The argument hash of the entry that was found.
    arguments: str
    #: The differences between the arguments of this entry and those of the other call.
    differences: tuple[Difference, ...]
    #: The number of entries that were compared.
    looked_at: int


def newest_first(store: Store, function: str, definition: str) -> list[str]:
    """Lists the argument hashes of the entries of a definition, the newest first."""
    listed = Listing(store.folder(function, definition))
    entries = sorted(((modified, arguments) for arguments, _, modified in listed), reverse=True)
    return [arguments for _, arguments in entries]


def nearest(
    store: Store,
    version: tuple[str, str],
    inputs: Mapping[str, Any],
    entries: Iterable[str],
    search: Search,
) -> Nearest | None:
    """Finds the entry whose arguments have the fewest differences from given arguments.

    Args:
        store: The cache.
        version: The name of the function and the definition hash.
        inputs: The given arguments, by name.
        entries: The argument hashes of the entries to compare.
        search: The limits of the search.

    Returns:
        The first of the entries with the fewest differences; None if no entry can be read.
    """
    best: Nearest | None = None
    looked_at = 0
    reader = _Reader(store, version, search.size)
    for arguments in islice(entries, search.entries):
        stored = reader.inputs(arguments)
        if stored is None:
            continue
        looked_at += 1
        fewer = _MAX_DIFFERENCES if best is None else len(best.differences)
        found = tuple(islice(differences(stored, inputs), fewer))
        if best is None or len(found) < len(best.differences):
            best = Nearest(arguments, found, 0)
    return None if best is None else best._replace(looked_at=looked_at)


class _Reader:
    """Reads inputs within a limit of bytes."""

    def __init__(self, store: Store, version: tuple[str, str], size: int) -> None:
        self._store = store
        self._version = version
        self._left = size
        #: The large arguments that were read, by hash, since many calls share them.
        self._large: dict[str, Any] = {}

    def inputs(self, arguments: str) -> dict[str, Any] | None:
        """Reads the input of an entry; returns None if it cannot be read or exceeds the limit."""
        try:
            with suppress(FileNotFoundError):  # a packed entry, which is small
                self._spend(self._store.path(*self._version, arguments))
            found = self._store.read(*self._version, arguments)
            if found is None:
                return None
            result = reader.load_head(found)
            inputs: dict[str, Any] = result["input"]
            for name, digest in result.get("objects", {}).items():
                inputs[name] = self._argument(name, digest)
            return inputs
        except Exception:  # other entries are compared instead
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
            raise ValueError("the limit of bytes is reached")
        self._left -= size
