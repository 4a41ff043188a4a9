"""Identifies a function by its module and qualified name, which `definition.json` records.

Functions with the same ``__name__`` share a folder, whatever their modules and classes. An identity
is written as ``mine.train:Model.fit``. If the function's module was run as a program, the file with
its folder takes the place of the module: ``project/train.py:fit``.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from types import FunctionType

from funes._entries.main_module import MAINS


def identity_of(function: FunctionType) -> str:
    """Returns the identity of a function of this process."""
    module = function.__module__ or MAINS[0]
    if module in MAINS:
        module = _program(function.__code__.co_filename)
    return f"{module}:{function.__qualname__}"


def _program(filename: str) -> str:
    """Returns the module part of an identity for a program.

    It is the name that was given to ``python -m``, or the path of the program's file, or
    ``__main__``.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.origin == filename:
        return str(spec.name)
    folder, name = os.path.split(os.path.abspath(filename))
    # The code of notebook cells names files that do not exist.
    if not filename or filename.startswith("<") or os.path.basename(folder).startswith("ipykernel"):
        return MAINS[0]
    parts = [name]
    while os.path.basename(folder):
        parts.insert(0, os.path.basename(folder))
        if not os.path.isfile(os.path.join(folder, "__init__.py")):
            break
        folder = os.path.dirname(folder)
    return "/".join(parts if len(parts) > 1 else ["", name])


def as_one(identities: Iterable[str]) -> dict[str, str]:
    """Maps each identity to a common one: that of a module, for a program that was run from its file.

    A program and a module are one only if no other module and no other program could be meant.

    Example:
        >>> as_one(["train:fit", "project/train.py:fit", "other/test.py:fit"])["project/train.py:fit"]
        'train:fit'
    """
    known = dict.fromkeys(identities)
    modules = [each for each in known if not _is_program(each)]
    programs = [each for each in known if _is_program(each)]
    meant = {each: [module for module in modules if _is_file_of(each, module)] for each in programs}
    times = Counter(module for found in meant.values() for module in found)
    one = {each: each for each in known}
    for program, found in meant.items():
        if len(found) == 1 and times[found[0]] == 1:
            one[program] = found[0]
    return one


def _is_program(identity: str) -> bool:
    return "/" in identity.partition(":")[0]


def _is_file_of(program: str, identity: str) -> bool:
    """Returns whether a program and a module may be the same file, with the same function."""
    file, _, name = program.partition(":")
    module, _, other = identity.partition(":")
    one, two = _dotted(file).split("."), module.split(".")
    shared = min(len(one), len(two))
    return name == other and one[-shared:] == two[-shared:]


def _dotted(module: str) -> str:
    return os.path.splitext(module)[0].strip("/").replace("/", ".") if "/" in module else module


def label(identity: str) -> str:
    """Formats an identity for users: ``mine.train.Model.fit``. The identity of a program stays as it is."""
    return identity if _is_program(identity) else identity.replace(":", ".")


def spellings(identity: str) -> Iterator[str]:
    """Yields the spellings of an identity that commands accept."""
    module, _, name = identity.partition(":")
    yield identity
    yield f"{_dotted(module)}.{name}"
    yield f"{_dotted(module)}:{name}"
