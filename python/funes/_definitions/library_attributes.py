"""What code takes of a library: by the library's name, unless it is a value or the user put it there."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from funes._definitions.description import MISSING
from funes._definitions.descriptors import DESCRIPTORS
from funes._definitions.library import (
    is_a,
    is_library_class,
    is_library_function,
    is_memorious,
    qualified_name,
)

__all__ = [
    "classes_of",
    "describes_machine",
    "foreign_name",
    "imported",
    "is_of_python",
    "is_plain",
    "is_users",
    "look_up",
    "users_part",
]

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


def imported(name: str) -> ModuleType | None:
    """A library's module that a function imports itself, if it is loaded or quickly loaded."""
    module = sys.modules.get(name)
    root = _root(name)
    if module is None and root in sys.stdlib_module_names and root not in _WITH_EFFECT:
        try:
            module = importlib.import_module(name)
        except Exception:  # not on this system; the function will say so
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


def is_users(value: Any) -> bool:
    """Whether something that stands in a library is not the library's."""
    while True:
        if is_a(value, functools.partial):
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
        elif "__wrapped__" in _attributes(value):
            value = _attributes(value)["__wrapped__"]
        else:
            return _root(type(value).__module__) == "unittest" or not is_library_class(type(value))


def foreign_name(value: Any, module: ModuleType) -> str:
    """The name of another library's function or class in the place of this one's; "" if it is this one's."""
    name, of = getattr(value, "__name__", None), getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(of, str):
        return ""
    root = _root(of)
    if root in (_root(module.__name__), "builtins") or root.lstrip("_") in sys.stdlib_module_names:
        return ""
    return qualified_name(value)


def _attributes(value: object) -> dict[str, Any]:
    attributes = getattr(value, "__dict__", None)
    return attributes if type(attributes) is dict else {}


def _root(module: str) -> str:
    return module.partition(".")[0]


# Classes on which users register or set attributes that code takes of objects whose type it does not name.
_EXTENDED = {
    "pandas": ("DataFrame", "Series", "Index"),
    "pathlib": ("PurePath", "Path"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
    "xarray": ("Dataset", "DataArray"),
}
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: others cannot be changed


def classes_of(named: Iterable[type]) -> Iterable[type]:
    """A library's classes whose attributes the user may have set: those that code names, their bases, and the usual."""
    usual = _usual(tuple(module in sys.modules for module in _EXTENDED))
    bases = dict.fromkeys(base for cls in named for base in _changeable(cls))
    return (*usual, *(base for base in bases if base not in usual)) if bases else usual


@lru_cache(maxsize=8)
def _usual(_loaded: tuple[bool, ...]) -> tuple[type, ...]:
    found: dict[type, None] = {}
    for module, names in _EXTENDED.items():
        loaded = sys.modules.get(module)
        for name in names if loaded is not None else ():
            cls = vars(loaded).get(name)
            if isinstance(cls, type):
                found.update(dict.fromkeys(_changeable(cls)))
    return tuple(found)


def _changeable(cls: type) -> Iterator[type]:
    for base in cls.__mro__:
        if base.__flags__ & _HEAP_TYPE and is_library_class(base):
            yield base


def users_part(attribute: Any) -> object | None:
    """What the user set as an attribute of a library's class; None if it is the library's."""
    kind = next((kind for kind in DESCRIPTORS if type(attribute) is kind), None)
    if kind is not None:
        parts = (getattr(attribute, name) for name in DESCRIPTORS[kind])
        return attribute if any(part is not None and is_users(part) for part in parts) else None
    if is_a(attribute, FunctionType) or is_a(attribute, type) or is_users(attribute):
        return attribute if is_users(attribute) else None
    # pandas, xarray and polars keep a registered class in an object of their own.
    registered = _attributes(attribute).values()
    return next((part for part in registered if is_a(part, type) and is_users(part)), None)
