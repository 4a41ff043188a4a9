"""Selects results by their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from funes._entries import large_arguments
from funes._funes import Store, hash_value
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
        unknown = [name for name in where if names is not None and name not in names]
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


class _Equal:
    """Matches results whose inputs have given values, compared by hash as in cache keys."""

    def __init__(self, store: Store, where: Mapping[str, Any], keywords: str | None) -> None:
        self._store = store
        self._keywords = keywords
        self._wanted = {name: hash_value(value) for name, value in where.items()}
        #: Maps the hash in the file name of a large argument to its value hash, since many results
        #: share a large argument.
        self._hashes: dict[str, str | None] = {}

    def __call__(self, head: dict[str, Any]) -> bool:
        return all(self._hash(head, name) == wanted for name, wanted in self._wanted.items())

    def _hash(self, head: dict[str, Any], name: str) -> str | None:
        inputs, stored = head["input"], head.get("objects", {}).get(name)
        if stored is None:
            if name not in inputs:
                inputs = inputs.get(self._keywords)
            # If keyword arguments could not be stored, a string replaces them.
            return _hash(inputs[name]) if isinstance(inputs, dict) and name in inputs else None
        if stored not in self._hashes:
            single = {"input": {}, "objects": {name: stored}}
            large_arguments.resolve(self._store, single)
            self._hashes[stored] = _hash(single["input"][name])
        return self._hashes[stored]


def _hash(value: Any) -> str | None:
    try:
        return hash_value(value)
    except UnhashableArgumentError:
        return None  # which equals no hash
