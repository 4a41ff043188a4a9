"""Translates the arguments of one version of a function to another version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from funes._code.read_parts import ANNOTATIONS, DOCSTRINGS, SUBCLASSES
from funes._funes import hash_arguments
from funes.errors import AdoptionError

#: The names of parameters in the order of the cache key; None for an ignored parameter.
Parameters = Sequence[str | None]

_SEED = "global_seed"


class Translation(NamedTuple):
    """Maps the parameters of an earlier version to the parameters of a new version.

    Example:
        >>> translation = Translation({"activation": "relu"}, {"lr": "rate"}, ("verbose",), ("rate", "activation"))
        >>> translation.inputs({"lr": 0.1, "verbose": True, "global_seed": 7})
        {'rate': 0.1, 'activation': 'relu', 'global_seed': 7}
    """

    #: The new parameters, each with the value that the earlier version used instead.
    add: dict[str, Any]
    #: Maps old names of parameters to new names.
    rename: dict[str, str]
    #: The parameters that the new version lacks.
    drop: tuple[str, ...]
    #: The parameters of the new version.
    parameters: Parameters

    def check(self, old: Parameters) -> None:
        """Checks that every parameter of each version has a counterpart, or is added or dropped.

        Args:
            old: The parameters of the earlier version.

        Raises:
            AdoptionError: A parameter has no counterpart, or a name is not a parameter.
        """
        before, after = _counted(old), _counted(self.parameters)
        for option, names, known, version in (
            ("add", self.add, after, "new"),
            ("rename", self.rename.values(), after, "new"),
            ("rename", self.rename, before, "old"),
            ("drop", self.drop, before, "old"),
        ):
            for name in names:
                if name not in known:
                    raise AdoptionError(
                        f"{option} names {name!r}, which is no parameter of the {version} version"
                        f" that is part of the key; it has {_listed(known)}"
                    )
        both = [name for name in self.drop if name in self.rename]
        if both:
            raise AdoptionError(f"{_listed(both)} cannot be renamed and dropped at the same time")
        kept = [self.rename.get(name, name) for name in before if name not in self.drop]
        twice = {name for name in kept if kept.count(name) > 1 or name in self.add}
        if twice:
            raise AdoptionError(
                f"{_listed(sorted(twice))} would have two values: check add and rename"
            )
        missing = [name for name in after if name not in kept and name not in self.add]
        if missing:
            raise AdoptionError(
                f"the new version has the parameter {_listed(missing)}, which the old one lacks:"
                f" pass its value as add={{{missing[0]!r}: ...}}, or its old name as"
                f" rename={{'<old name>': {missing[0]!r}}}"
            )
        gone = [name for name in kept if name not in after]
        if gone:
            raise AdoptionError(
                f"the old version has the parameter {_listed(gone)}, which is not part of the key in the new"
                f" one: pass drop={gone[0]!r}, or rename={{{gone[0]!r}: '<new name>'}}"
            )

    def keeps_hashes(self, old: Parameters) -> bool:
        """Returns whether the arguments of a call have the same hash in both versions: no position changes."""
        if self.add or self.drop:
            return False
        return [name and self.rename.get(name, name) for name in old] == list(self.parameters)

    def inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Translates the input of an entry.

        Raises:
            AdoptionError: The arguments of the entry do not match the parameters of the earlier
                version.
        """
        renamed = self.names(inputs)
        if len(renamed) + sum(name in inputs for name in self.drop) != len(inputs) or any(
            name in renamed for name in self.add
        ):
            raise AdoptionError("the call had a global_seed, which is a parameter now")
        found = {**renamed, **self.add}
        counted = _counted(self.parameters)
        seed = [_SEED] if _SEED in found and _SEED not in counted else []
        if set(found) != {*counted, *seed}:
            raise AdoptionError(f"the call has unexpected arguments: {_listed(inputs)}")
        return {name: found[name] for name in (*counted, *seed)}

    def result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Translates an entry, or the head of an entry.

        Raises:
            AdoptionError: See `inputs`.
        """
        translated = {**result, "input": self.inputs(result["input"])}
        if "objects" in result:
            translated["objects"] = self.names(result["objects"])
        return translated

    def names(self, by_name: Mapping[str, Any]) -> dict[str, Any]:
        """Translates the keys of a dict, which are names of parameters. Leaves out dropped parameters."""
        return {
            self.rename.get(name, name): value
            for name, value in by_name.items()
            if name not in self.drop
        }


#: All combinations of the bits of `funes._code.read_parts` for parts of code that code may read.
_ALL_READ_PARTS = range((DOCSTRINGS | ANNOTATIONS | SUBCLASSES) + 1)


def parameters_in(content: Mapping[str, Any]) -> Parameters | None:
    """Returns the parameters of a version; None if not recorded.

    Args:
        content: The content of `definition.json`.
    """
    parameters = content.get("parameters")
    is_sound = isinstance(parameters, list) and all(
        name is None or isinstance(name, str) for name in parameters
    )
    return parameters if is_sound else None


def read_parts_in(content: Mapping[str, Any]) -> int | None:
    """Returns the parts that a version's code reads of the code of its arguments; None if not recorded.

    Args:
        content: The content of `definition.json`.
    """
    read_parts = content.get("read_parts")
    return read_parts if type(read_parts) is int and read_parts in _ALL_READ_PARTS else None


def hash_of(parameters: Parameters, inputs: Mapping[str, Any], read_parts: int | None) -> str:
    """Returns the argument hash that a call has in a version.

    Args:
        parameters: The parameters of the version.
        inputs: The arguments of the call, by name.
        read_parts: The parts that the version's code reads of the code of its arguments; None if they are
            not known.

    Raises:
        AdoptionError: `read_parts` is None, and the hash depends on it.
    """
    hashes = {
        hash_arguments(list(parameters), inputs, each)
        for each in (_ALL_READ_PARTS if read_parts is None else (read_parts,))
    }
    if len(hashes) > 1:
        raise AdoptionError(
            "it is not recorded whether the new version reads docstrings or annotations of its arguments:"
            " give the function as MODULE:FUNCTION"
        )
    return hashes.pop()


def is_faithful(
    parameters: Parameters, inputs: Mapping[str, Any], arguments: str, read_parts: int | None
) -> bool:
    """Returns whether the input of an entry equals the arguments of the call.

    The input differs if an argument could not be stored, or if the class of an argument has changed
    since.

    Args:
        parameters: The parameters of the version that stored the entry.
        inputs: The input that was read from the entry.
        arguments: The argument hash of the entry.
        read_parts: The parts that the version's code reads of the code of its arguments; None if they are
            not known.
    """
    try:
        return any(
            hash_arguments(list(parameters), inputs, each) == arguments
            for each in (_ALL_READ_PARTS if read_parts is None else (read_parts,))
        )
    except (
        Exception
    ):  # a value without a hash cannot be an argument; `__reduce__` may raise anything
        return False


def unfaithful(inputs: Mapping[str, Any]) -> str:
    """Returns the reason why the input of an entry cannot be used, if it is not faithful."""
    reasons = [
        f"{name}: {value}"
        for name, value in inputs.items()
        if isinstance(value, str) and value.startswith("<not stored: ")
    ]
    text = f" ({'; '.join(reasons)})" if reasons else ""
    return f"its stored input differs from the arguments of the call{text}"


def _counted(parameters: Parameters) -> list[str]:
    return [name for name in parameters if name is not None]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "none"
