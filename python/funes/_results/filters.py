"""Selects results by their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from funes._entries import large_arguments
from funes._funes import Store, hash_value
from funes._results.nested import at_path
from funes.errors import UnhashableArgumentError

#: The values of `where=`: a mapping of input values, or a function of the dict of inputs.
Where = Mapping[str, Any] | Callable[[dict[str, Any]], Any]

#: A function that takes the head of a result and returns whether the result matches. Large
#: arguments in the head may be references.
Filter = Callable[[dict[str, Any]], bool]


def make_filter(
    store: Store, where: Where | None, names: list[str] | None, keywords: str | None
) -> Filter | None:
    """Makes a filter of results; None if `where` is None.

    Args:
        store: The cache, which contains the large arguments.
        where: The condition that the user gave.
        names: The names that inputs can have; None if they are not known.
        keywords: The name of ``**kwargs``, if the function has it.

    Raises:
        KeyError: `where` names an input that no result can have.
        TypeError: `where` is neither a mapping nor a function.
        UnhashableArgumentError: A value in `where` cannot be part of a key, so no input can equal it.
    """
    if where is None:
        return None
    if isinstance(where, Mapping):
        unknown = [name for name in where if names is not None and not _is_known(name, names)]
        if unknown and keywords is None:
            raise KeyError(
                f"where: there is no argument {', '.join(map(repr, unknown))};"
                f" there are {', '.join(map(repr, names or ()))}"
            )
        return _Equal(store, where, keywords)
    if not callable(where):
        raise TypeError(
            f"where takes a mapping of input values, or a function of the inputs, not {where!r}"
        )

    def matches(head: dict[str, Any]) -> bool:
        large_arguments.resolve(store, head)
        return bool(where(head["input"]))

    return matches


def _is_known(name: str, names: list[str]) -> bool:
    """Returns whether a name is an argument, or a path that begins with one."""
    return name in names or any(name.startswith(f"{each}.") for each in names)


class _Equal:
    """Matches results whose inputs have given values, compared by hash as in cache keys.

    A name with dots (``cfg.lr``) is a part of an argument, see `nested`.
    """

    def __init__(self, store: Store, where: Mapping[str, Any], keywords: str | None) -> None:
        self._store = store
        self._keywords = keywords
        self._wanted = {name: hash_value(value) for name, value in where.items()}
        #: Maps the hash in the file name of a large argument, and the path within it, to the value hash, since many
        #: results share a large argument.
        self._hashes: dict[tuple[str, str], str | None] = {}

    def __call__(self, head: dict[str, Any]) -> bool:
        return all(self._hash(head, name) == wanted for name, wanted in self._wanted.items())

    def _hash(self, head: dict[str, Any], path: str) -> str | None:
        for name, stored in head.get("objects", {}).items():
            if path == name or path.startswith(f"{name}."):
                return self._hash_in_object(name, stored, path)
        inputs = head["input"]
        # If keyword arguments could not be stored, a string replaces them.
        keywords = inputs.get(self._keywords)
        for parts in (inputs, keywords) if isinstance(keywords, dict) else (inputs,):
            found = at_path(parts, path)
            if found is not None:
                return _hash(found[0])
        return None

    def _hash_in_object(self, name: str, stored: str, path: str) -> str | None:
        """Returns the hash of a large argument, or of a part of it."""
        key = stored, path[len(name) :]
        if key not in self._hashes:
            single = {"input": {}, "objects": {name: stored}}
            large_arguments.resolve(self._store, single)
            found = at_path(single["input"], path)
            self._hashes[key] = None if found is None else _hash(found[0])
        return self._hashes[key]


def _hash(value: Any) -> str | None:
    try:
        return hash_value(value)
    except UnhashableArgumentError:
        return None  # which equals no hash
