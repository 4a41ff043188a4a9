"""Lazy imports of Python 3.15 (PEP 810): resolved before a definition is described.

Until its first use, a name that is imported lazily stands for an object of its own kind in the module's globals. The
definition must see what the code will see. Resolving is what the interpreter itself does at the first use.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

#: The type of such an object; None before Python 3.15.
LAZY: type | None = getattr(types, "LazyImportType", None)


def resolve(thing: object) -> None:
    """Resolve the lazy imports that the code of a function or class names. What cannot be imported stays as it is."""
    if LAZY is None:
        return
    names: set[str] = set()
    spaces: list[dict[str, Any]] = []
    for function in _functions_of(thing):
        names |= _names_of(function.__code__)
        _add(spaces, function.__globals__)
    if isinstance(thing, type):
        _add(spaces, getattr(sys.modules.get(thing.__module__), "__dict__", {}))
    # Grows while it is gone through: `lazy import helpers`, and then what `helpers.name` is.
    for space in spaces:
        for name in names & space.keys():
            value = space[name]
            if type(value) is LAZY:
                value = _resolve_in(space, name, value)
            if isinstance(value, types.ModuleType):
                _add(spaces, vars(value))


def _resolve_in(space: dict[str, Any], name: str, lazy: Any) -> Any:
    with suppress(Exception):
        value = lazy.resolve()
        if space.get(name) is lazy:
            space[name] = value
        return value
    return lazy


def _add(spaces: list[dict[str, Any]], space: dict[str, Any]) -> None:
    if all(space is not other for other in spaces):
        spaces.append(space)


def _functions_of(thing: object) -> Iterator[types.FunctionType]:
    parts = [thing]
    if isinstance(thing, type):
        parts = [
            part
            for value in vars(thing).values()
            for part in (value, *(getattr(value, name, None) for name in _ACCESSORS))
        ]
    for part in parts:
        function = getattr(part, "__wrapped__", part)
        if isinstance(function, types.FunctionType):
            yield function


#: Where descriptors have their functions.
_ACCESSORS = ("__func__", "fget", "fset", "fdel", "func")


def _names_of(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names
