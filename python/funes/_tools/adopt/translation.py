"""The arguments of one version of a function as those of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from funes._code.read_parts import ANNOTATIONS, DOCSTRINGS, SUBCLASSES
from funes._funes import hash_arguments
from funes.errors import AdoptionError

#: The names of a function's parameters in the order in which keys have them; None for one that is ignored.
Parameters = Sequence[str | None]

_SEED = "global_seed"


class Translation(NamedTuple):
    """What became of the parameters of an earlier version.

    Example:
        >>> translation = Translation({"activation": "relu"}, {"lr": "rate"}, ("verbose",), ("rate", "activation"))
        >>> translation.inputs({"lr": 0.1, "verbose": True, "global_seed": 7})
        {'rate': 0.1, 'activation': 'relu', 'global_seed': 7}
    """

    #: Parameters that are new, and what each of them was before there was one.
    add: dict[str, Any]
    #: Old name -> new name.
    rename: dict[str, str]
    #: Parameters that are gone.
    drop: tuple[str, ...]
    #: Those of the new version.
    parameters: Parameters

    def check(self, old: Parameters) -> None:
        """Make sure that every parameter of both versions is accounted for.

        Args:
            old: The parameters of the earlier version.

        Raises:
            AdoptionError: One is not, or a name is not that of a parameter.
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
                        f"{option} names {name!r}, and the {version} version has no such parameter"
                        f" that counts; it has {_listed(known)}"
                    )
        both = [name for name in self.drop if name in self.rename]
        if both:
            raise AdoptionError(f"{_listed(both)} cannot be renamed and dropped at once")
        left = [self.rename.get(name, name) for name in before if name not in self.drop]
        twice = {name for name in left if left.count(name) > 1 or name in self.add}
        if twice:
            raise AdoptionError(
                f"{_listed(sorted(twice))} would have two values: check add and rename"
            )
        missing = [name for name in after if name not in left and name not in self.add]
        if missing:
            raise AdoptionError(
                f"the new version has the parameter {_listed(missing)}, which the old one has not:"
                f" say what it was, add={{{missing[0]!r}: ...}}, or which one it is,"
                f" rename={{'<old name>': {missing[0]!r}}}"
            )
        gone = [name for name in left if name not in after]
        if gone:
            raise AdoptionError(
                f"the old version has the parameter {_listed(gone)}, which does not count in the new one:"
                f" drop={gone[0]!r}, or rename={{{gone[0]!r}: '<new name>'}}"
            )

    def keeps_hashes(self, old: Parameters) -> bool:
        """Whether equal arguments have equal hashes in both versions: each stands in its old place."""
        if self.add or self.drop:
            return False
        return [name and self.rename.get(name, name) for name in old] == list(self.parameters)

    def inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The input of an entry of the earlier version as that of one of the new version.

        Raises:
            AdoptionError: It has other arguments than the earlier version has parameters.
        """
        renamed = self.names(inputs)
        if len(renamed) + sum(name in inputs for name in self.drop) != len(inputs) or any(
            name in renamed for name in self.add
        ):
            raise AdoptionError("it was called with global_seed, which is a parameter now")
        found = {**renamed, **self.add}
        counted = _counted(self.parameters)
        seed = [_SEED] if _SEED in found and _SEED not in counted else []
        if set(found) != {*counted, *seed}:
            raise AdoptionError(f"it has the arguments {_listed(inputs)}")
        return {name: found[name] for name in (*counted, *seed)}

    def result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """An entry, or what was read of it, with its input as that of one of the new version.

        Raises:
            AdoptionError: As `inputs`.
        """
        translated = {**result, "input": self.inputs(result["input"])}
        if "objects" in result:
            translated["objects"] = self.names(result["objects"])
        return translated

    def names(self, by_name: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept by the names of arguments, by the new names of those that stay."""
        return {
            self.rename.get(name, name): value
            for name, value in by_name.items()
            if name not in self.drop
        }


#: What code may read of code, in bits of `funes._code.read_parts`, where it is not recorded.
_READINGS = range((DOCSTRINGS | ANNOTATIONS | SUBCLASSES) + 1)


def reading_in(content: Mapping[str, Any]) -> int | None:
    """What a `definition.json` records of what the code reads of its arguments' code; None if it does not."""
    reading = content.get("reading")
    return reading if type(reading) is int and reading in _READINGS else None


def hash_of(parameters: Parameters, inputs: Mapping[str, Any], reading: int | None) -> str:
    """The argument hash of a call of a version.

    Args:
        parameters: Those of the version.
        inputs: The arguments by name.
        reading: What its code reads of their code; None if that is not known.

    Raises:
        AdoptionError: It is not known, and makes a difference.
    """
    hashes = {
        hash_arguments(list(parameters), inputs, each)
        for each in (_READINGS if reading is None else (reading,))
    }
    if len(hashes) > 1:
        raise AdoptionError(
            "it is not recorded whether the new version reads docstrings or annotations of its arguments:"
            " name the function by MODULE:FUNCTION"
        )
    return hashes.pop()


def is_faithful(
    parameters: Parameters, inputs: Mapping[str, Any], arguments: str, reading: int | None
) -> bool:
    """Whether the input of an entry, as it is read, is what the call was given.

    It is not where an argument could not be stored, or where its class has changed since.

    Args:
        parameters: Those of the version that stored it.
        inputs: What was read.
        arguments: The argument hash of the entry.
        reading: What the code of that version reads of the arguments' code; None if that is not known.
    """
    try:
        return any(
            hash_arguments(list(parameters), inputs, each) == arguments
            for each in (_READINGS if reading is None else (reading,))
        )
    except (
        Exception
    ):  # what cannot be hashed was no argument, and a `__reduce__` may raise anything
        return False


def _counted(parameters: Parameters) -> list[str]:
    return [name for name in parameters if name is not None]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "none"
