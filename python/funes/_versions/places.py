"""Where a call finds its result: among the entries of its own definition, and of those that it adopted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from funes._funes import Store
from funes._versions.adoption import Adoption, adoptions_of

__all__ = ["Entry", "Place", "adopted_entries", "adopted_places", "all_entries"]


class Place(NamedTuple):
    """The name of an entry, less the function's."""

    definition: str
    arguments: str


class Entry(NamedTuple):
    """An entry that serves a definition."""

    #: The argument hash that it has there.
    arguments: str
    #: Where it lies.
    place: Place
    #: By which it serves the definition, the one that was declared nearest to the entry first.
    adoptions: tuple[Adoption, ...] = ()


def adopted_places(store: Store, function: str, definition: str, arguments: str) -> list[Place]:
    """Where else a result may lie that is not among the entries of its own definition.

    A signed store has none: whoever can write to the folder could write such a record, too.

    Raises:
        AdoptionError: The record is not what was recorded.
    """
    adoptions = adoptions_of(function, store.folder(function, definition))
    if not adoptions or store.is_signed:
        return []
    own = Place(definition, arguments)
    found = {own: None}
    waiting = [(own, adoptions)]
    while waiting:
        place, adoptions = waiting.pop(0)
        for adoption in adoptions:
            former = adoption.former(place.arguments)
            if former is None:
                continue
            older = Place(adoption.definition, former)
            if older not in found:
                found[older] = None
                folder = store.folder(function, older.definition)
                waiting.append((older, adoptions_of(function, folder)))
    del found[own]
    return list(found)


def all_entries(store: Store, function: str, definition: str) -> Iterator[Entry]:
    """All entries that serve a definition, its own first; each argument hash once.

    Raises:
        AdoptionError: The record of an adoption is not what was recorded.
        OSError: A folder cannot be listed.
    """
    for arguments in store.entries(function, definition):
        yield Entry(arguments, Place(definition, arguments))
    yield from adopted_entries(store, function, definition)


def adopted_entries(store: Store, function: str, definition: str) -> Iterator[Entry]:
    """Those of them that are not its own; raises as `all_entries`."""
    if not store.is_signed:
        yield from _adopted(store, function, definition, (definition,))


def _adopted(store: Store, function: str, definition: str, way: tuple[str, ...]) -> Iterator[Entry]:
    adoptions = adoptions_of(function, store.folder(function, definition))
    if not adoptions:
        return
    told = set(store.entries(function, definition))
    for adoption in adoptions:
        older = adoption.definition
        if older in way:
            continue
        present = None
        if adoption.arguments is not None:
            present = {former: now for now, former in adoption.arguments.items()}
        own = (Entry(each, Place(older, each)) for each in store.entries(function, older))
        for entry in (*own, *_adopted(store, function, older, (*way, older))):
            arguments = entry.arguments if present is None else present.get(entry.arguments)
            if arguments is not None and arguments not in told:
                told.add(arguments)
                yield Entry(arguments, entry.place, (*entry.adoptions, adoption))
