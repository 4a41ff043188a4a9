"""What code takes of a library: by the library's name, unless it is a value or the user put it there."""

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
)
from funes._code.third_party_bodies import Body, is_computed
from funes._code.user_code import is_user_code

# Modules whose values say where the program runs, and not what it computes.
_OF_MACHINE = frozenset(("nt", "ntpath", "os", "platform", "posix", "posixpath", "sys"))

# Modules of the language that do something when they are imported.
_WITH_EFFECT = frozenset(("antigravity", "idlelib", "this", "tkinter", "turtle"))


def describes_machine(module: ModuleType, name: str) -> bool:
    """Whether an attribute says something about the machine, or about the module itself."""
    return (name[:2] == "__" and name[-2:] == "__") or _root(module.__name__) in _OF_MACHINE


def is_of_python(module: ModuleType) -> bool:
    """Whether a module is of the standard library."""
    return _root(module.__name__) in sys.stdlib_module_names


def imported(name: str, chain: tuple[str, ...]) -> ModuleType | None:
    """A library's module that a function imports itself; None if it is not loaded and need not be.

    chain: what the function takes of the module. Where its code tells what that is, it need not be loaded: what the
        library says itself does not count, and the user cannot have changed it.
    """
    module = sys.modules.get(name)
    root = _root(name)
    if module is not None or root in _WITH_EFFECT:
        return module
    if root in sys.stdlib_module_names or is_computed(name, chain):
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit):  # not on this system; the function will say so
            return None
    return module


def look_up(module: ModuleType, name: str) -> object:
    """An attribute of a library's module, which may be made when it is asked for."""
    found = vars(module).get(name, MISSING)
    if found is not MISSING or "__getattr__" not in vars(module):
        return found
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that the library wants to be rid of
            return getattr(module, name, MISSING)
    except Exception:  # a library's own attribute access may raise anything
        return MISSING


def is_plain(value: Any) -> bool:
    """Whether a value is one of Python's own, all through.

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
        if kind not in _CONTAINERS or seen > _MOST:
            return False
        pending += value
        if kind is dict:
            pending += value.values()
    return True


_LEAVES = frozenset((type(None), bool, int, float, complex, str, bytes))
_CONTAINERS = frozenset((tuple, list, dict, set, frozenset))
#: A larger table is a library's data.
_MOST = 10_000


_WITH_FUNCTION = (functools.partial, functools.partialmethod, functools.singledispatchmethod)


def is_users(value: Any) -> bool:
    """Whether something that stands in a library is not the library's."""
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
    if _root(kind.__module__) == "unittest":
        return True
    if is_library_class(kind):
        return False
    if kind.__name__ in _OF_CYTHON:
        return is_user_code(str(getattr(value, "__module__", "")))
    # A library makes classes for itself within its functions.
    return is_user_code(kind.__module__) or "<locals>" not in kind.__qualname__


_OF_CYTHON = frozenset(("cython_function_or_method", "fused_cython_function"))


def foreign_name(value: Any, library: str) -> str:
    """The name of another library's function or class in the place of this one's; "" if it is this one's.

    library: name of a module of this library.
    """
    name, of = getattr(value, "__name__", None), getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(of, str):
        return ""
    root = _root(of)
    if root in (_root(library), "builtins") or root.lstrip("_") in sys.stdlib_module_names:
        return ""
    return qualified_name(value)


def is_added_value(name: str, value: object, body: Callable[[], Body | None]) -> bool:
    """Whether a value that is not plain was put under a name that the library's code does not bind.

    body: finds what it binds, which takes time.
    """
    if name[0] == "_" or callable(value) or is_a(value, ModuleType):
        return False
    root = _root(type(value).__module__)
    if root not in sys.stdlib_module_names and root != "numpy":
        return False
    bound = body()
    return bound is not None and name not in bound


def attributes_of(value: object) -> dict[str, Any]:
    """The attributes that an object keeps in its own ``__dict__``."""
    try:
        attributes = getattr(value, "__dict__", None)
    except Exception:  # pydantic's stand-ins for what is made later raise their own
        return {}
    return attributes if type(attributes) is dict else {}


def _root(module: str) -> str:
    return module.partition(".")[0]
