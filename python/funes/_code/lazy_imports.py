"""Resolves the lazy imports of Python 3.15 (PEP 810) before a definition is described.

Until its first use, a lazily imported name refers to a placeholder in the globals of the module.
The definition needs the object that the code will use. The interpreter resolves the placeholder in
the same way at the first use.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

#: The type of the placeholder; None before Python 3.15.
LAZY: type | None = getattr(types, "LazyImportType", None)


def resolve(thing: object) -> None:
    """Resolves the lazy imports that the code of a function or class names. Ignores imports that fail."""
    if LAZY is None:
        return
    names: set[str] = set()
    spaces: list[dict[str, Any]] = []
    for function in _functions_of(thing):
        names |= _names_of(function.__code__)
        _add(spaces, function.__globals__)
    if isinstance(thing, type):
        _add(spaces, getattr(sys.modules.get(thing.__module__), "__dict__", {}))
    # The list grows during the loop: first `lazy import helpers`, then `helpers.name`.
    for space in spaces:
        for name in names:
            value = space.get(name)
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
            # A copy: reading an attribute may add another, such as cached annotations.
            for value in list(vars(thing).values())
            for part in (value, *(getattr(value, name, None) for name in _ACCESSORS))
        ]
    for part in parts:
        function = getattr(part, "__wrapped__", part)
        if isinstance(function, types.FunctionType):
            yield function


#: The attributes in which descriptors hold their functions.
_ACCESSORS = ("__func__", "fget", "fset", "fdel", "func")


def _names_of(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names
