"""Classifies attributes of library modules: they count by name, except values and user objects."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from funes._code.node import MISSING
from funes._code.third_party import (
    is_a,
    is_library_class,
    is_library_function,
    is_memorious,
    qualified_name,
    text_of,
)
from funes._code.third_party_bodies import Body, is_computed
from funes._code.user_code import is_user_code

# Modules whose values describe the machine, not the computation.
_OF_MACHINE = frozenset(("nt", "ntpath", "os", "platform", "posix", "posixpath", "sys"))

# The modules of the standard library whose import has visible effects.
_WITH_EFFECT = frozenset(("antigravity", "idlelib", "this", "tkinter", "turtle"))


def describes_machine(module: ModuleType, name: str) -> bool:
    """Returns true if an attribute describes the machine, or the module itself."""
    return (name[:2] == "__" and name[-2:] == "__") or _root(module.__name__) in _OF_MACHINE


def is_of_python(module: ModuleType) -> bool:
    """Returns true for a module of the standard library."""
    return _root(module.__name__) in sys.stdlib_module_names


def imported(name: str, chain: tuple[str, ...]) -> ModuleType | None:
    """Returns a library module that a function imports in its body, and imports it if necessary.

    Args:
        name: The name of the module.
        chain: The attributes that the function reads. If the code of the module determines the values
            of these attributes, the module need not be loaded: library constants do not count here,
            and the user cannot have changed them.

    Returns:
        None if the module is not loaded and need not be.
    """
    module = sys.modules.get(name)
    root = _root(name)
    if module is not None or root in _WITH_EFFECT:
        return module
    if root in sys.stdlib_module_names or is_computed(name, chain):
        try:
            module = importlib.import_module(name)
        except (
            Exception,
            SystemExit,
        ):  # for example on another platform; the function will raise the error itself
            return None
    return module


def look_up(module: ModuleType, name: str) -> object:
    """Returns an attribute of a library module, which ``__getattr__`` may create."""
    found = vars(module).get(name, MISSING)
    if found is not MISSING or "__getattr__" not in vars(module):
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the name may be deprecated
            return getattr(module, name, MISSING)
    except Exception:  # the attribute access of a library may raise anything
        return MISSING


def is_plain(value: Any) -> bool:
    """Returns true for a value that consists of Python's own types at every level.

    >>> is_plain((1, [2.5])), is_plain(len)
    (True, False)
    """
    pending, seen = [value], 0
    while pending:
        value = pending.pop()
        kind = type(value)
        seen += 1
        if kind in _LEAVES:
            continue
        if kind not in _CONTAINERS or seen > _MAX_ELEMENTS:
            return False
        pending += value
        if kind is dict:
            pending += value.values()
    return True


_LEAVES = frozenset((type(None), bool, int, float, complex, str, bytes))
_CONTAINERS = frozenset((tuple, list, dict, set, frozenset))
#: A container with more elements counts as internal data of the library.
_MAX_ELEMENTS = 10_000


_WITH_FUNCTION = (functools.partial, functools.partialmethod, functools.singledispatchmethod)


def is_users(value: Any) -> bool:
    """Returns true for an object in a library that the user put there."""
    while True:
        if issubclass(type(value), _WITH_FUNCTION):
            value = value.func
        elif is_a(value, MethodType):
            if not is_library_class(type(value.__self__)) and not is_a(value.__self__, type):
                return True
            value = value.__func__
        elif is_a(value, FunctionType):
            if not is_library_function(value):
                return True
            if "__wrapped__" not in value.__dict__:
                return False
            value = value.__dict__["__wrapped__"]
        elif is_a(value, type):
            return not is_library_class(value)
        elif is_a(value, ModuleType) or is_a(value, BuiltinFunctionType):
            return False
        elif is_memorious(value):
            return True
        elif "__wrapped__" in attributes_of(value):
            value = attributes_of(value)["__wrapped__"]
        else:
            return _is_of_users_class(value)


def _is_of_users_class(value: Any) -> bool:
    kind = type(value)
    # The types of Cython's functions have a descriptor under this name up to Python 3.10.
    module = text_of(kind, "__module__")
    if _root(module) == "unittest":
        return True
    if is_library_class(kind):
        return False
    if kind.__name__ in _OF_CYTHON:
        return is_user_code(text_of(value, "__module__"))
    # A library may create classes for its own use inside functions.
    return is_user_code(module) or "<locals>" not in kind.__qualname__


_OF_CYTHON = frozenset(("cython_function_or_method", "fused_cython_function"))


def foreign_name(value: Any, library: str) -> str:
    """Returns the qualified name of a function or class of another library; empty if it is of `library`.

    library: The name of a module of this library.
    """
    name, of = getattr(value, "__name__", None), getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(of, str):
        return ""
    root = _root(of)
    if root in (_root(library), "builtins") or root.lstrip("_") in sys.stdlib_module_names:
        return ""
    return qualified_name(value)


def is_added_value(name: str, value: object, body: Callable[[], Body | None]) -> bool:
    """Returns true for a value of a composite type under a name that the code of the library does not bind.

    body: A function that finds the names that the code binds. It takes time, so it is called only if
        needed.
    """
    if name[0] == "_" or callable(value) or is_a(value, ModuleType):
        return False
    root = _root(text_of(type(value), "__module__"))
    if root not in sys.stdlib_module_names and root != "numpy":
        return False
    bound = body()
    return bound is not None and name not in bound


def attributes_of(value: object) -> dict[str, Any]:
    """Returns the ``__dict__`` of an object; empty if it has none."""
    try:
        attributes = getattr(value, "__dict__", None)
    except Exception:  # pydantic's placeholders for unfinished models raise
        return {}
    return attributes if type(attributes) is dict else {}


def _root(module: str) -> str:
    return module.partition(".")[0]
