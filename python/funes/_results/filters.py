"""Which results are wanted, by their inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from funes._entries import large_arguments
from funes._funes import Store, hash_value
from funes.errors import UnhashableArgumentError

#: What `where=` may be: values of inputs, or a function of the dict of inputs.
Where = Mapping[str, Any] | Callable[[dict[str, Any]], Any]

#: Whether a result is wanted, by its head, in which large arguments may not be resolved yet.
Condition = Callable[[dict[str, Any]], bool]


def condition(
    store: Store, where: Where | None, names: list[str] | None, keywords: str | None
) -> Condition | None:
    """What a result must fulfil; None if there is nothing.

    Args:
        store: Where large arguments lie.
        where: What the user gave.
        names: The names that inputs can have; None if they are not known.
        keywords: The name of ``**kwargs``, if the function has it.

    Raises:
        KeyError: No input can have that name.
        TypeError: `where` is neither a mapping nor a function.
        UnhashableArgumentError: A value cannot be an input, as it cannot be part of a key.
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

    def fulfils(head: dict[str, Any]) -> bool:
        large_arguments.resolve(store, head)
        return bool(where(head["input"]))

    return fulfils


class _Equal:
    """The inputs have these values: equal as arguments of calls are, by their hashes."""

    def __init__(self, store: Store, where: Mapping[str, Any], keywords: str | None) -> None:
        self._store = store
        self._keywords = keywords
        self._wanted = {name: hash_value(value) for name, value in where.items()}
        #: Of large arguments, which many results may share, by what they are stored under.
        self._hashes: dict[str, str | None] = {}

    def __call__(self, head: dict[str, Any]) -> bool:
        return all(self._hash(head, name) == wanted for name, wanted in self._wanted.items())

    def _hash(self, head: dict[str, Any], name: str) -> str | None:
        inputs, stored = head["input"], head.get("objects", {}).get(name)
        if stored is None:
            if name not in inputs:
                inputs = inputs.get(self._keywords)
            # In the place of keywords that could not be stored stands a text that says so.
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
        return None  # it is equal to nothing
