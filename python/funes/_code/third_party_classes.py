"""Finds attributes that the user set on library classes: methods, descriptors and values."""

from __future__ import annotations

import operator
import sys
from functools import lru_cache
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary, ref

from funes._code.descriptors import DESCRIPTORS
from funes._code.third_party import is_a, is_library_class
from funes._code.third_party_attributes import (
    attributes_of,
    foreign_name,
    is_added_value,
    is_plain,
    is_users,
)
from funes._code.third_party_bodies import (
    CODE,
    COMPUTED,
    binds_constant,
    body_of_class,
    is_set_by_library,
)
from funes._code.user_code import tracked_count
from funes._funes import class_version, count_attributes

# Classes on which users register or set attributes, which code then reads without naming the class.
_EXTENDED = {
    "pandas": ("DataFrame", "Series", "Index"),
    "pathlib": ("Path",),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
    "xarray": ("Dataset", "DataArray"),
}
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: a type in C whose attributes cannot be set


def extended_classes() -> tuple[type, ...]:
    """Returns the classes of `_EXTENDED` that are loaded."""
    return _usual(tuple(module in sys.modules for module in _EXTENDED))


@lru_cache(maxsize=8)
def _usual(_loaded: tuple[bool, ...]) -> tuple[type, ...]:
    found = (
        getattr(sys.modules.get(module), name, None)
        for module, names in _EXTENDED.items()
        for name in names
    )
    return tuple(cls for cls in found if isinstance(cls, type) and changeable(cls))


def changeable(cls: type) -> tuple[type, ...]:
    """Returns the library classes among a class and its bases on which attributes can be set."""
    state = class_version(cls), tracked_count()
    known = _changeable.get(cls)
    if known is not None and known[0] == state and state[0] != 0:
        return known[1]
    found = tuple(
        base
        for base in cls.__mro__
        if base.__flags__ & (_HEAP_TYPE | _IMMUTABLE_TYPE) == _HEAP_TYPE and is_library_class(base)
    )
    _changeable[cls] = state, found
    return found


#: The results of `changeable`, with the state in which they were computed.
_changeable: WeakKeyDictionary[type, tuple[tuple[int, int], tuple[type, ...]]] = WeakKeyDictionary()


def library_bases(cls: type) -> list[type]:
    """Returns the library classes from which a user class or its user-defined bases derive directly."""
    if len(cls.__mro__) == 2:  # itself and `object`
        return []
    found = (base for own in cls.__mro__ if not is_library_class(own) for base in own.__bases__)
    return [base for base in dict.fromkeys(found) if changeable(base) and is_library_class(base)]


def set_by_user(
    cls: type, read_names: frozenset[str], is_named: bool, as_it_counts: bool = True
) -> list[tuple[type, dict[str, object]]]:
    """Returns the attributes that the user set on a library class and on each of its bases.

    Args:
        cls: The library class.
        read_names: The attributes that code reads from any object. A value that may also come from the
            library counts only if it is one of these.
        is_named: If true, attributes that are certainly the user's count too, even if code does not
            read them.
        as_it_counts: If true, attributes have the values that they had before calls changed them.
    """
    return [(base, _set_on(base, read_names, is_named, as_it_counts)) for base in changeable(cls)]


class _Seen:
    """The state of a library class at the last check."""

    def __init__(self, cls: type, version: int, attributes: dict[str, Any]) -> None:
        self.cls = ref(cls)
        #: The interpreter's version tag of this state of the class; 0 for none.
        self.version = version
        self.attributes = attributes
        self._verdicts: dict[str, bool | None] = {}
        self._certain: list[str] | None = None

    def is_users(self, name: str) -> bool | None:
        """Returns true if the user set an attribute; None if this is unknown."""
        if name not in self._verdicts:
            cls = self.cls()
            self._verdicts[name] = (
                cls is not None
                and name not in _OF_EVERY_CLASS
                and _is_set_by_user(cls, name, self.attributes[name])
            )
        return self._verdicts[name]

    def certain(self) -> list[str]:
        """Returns the attributes that the user certainly set."""
        if self._certain is None:
            self._certain = [name for name in self.attributes if self.is_users(name)]
        return self._certain


_seen: WeakKeyDictionary[type, _Seen] = WeakKeyDictionary()


def _look(cls: type, as_it_counts: bool) -> _Seen:
    version = class_version(cls)
    seen = _seen.get(cls)
    if seen is not None and version != 0 and version == seen.version:
        return seen
    attributes = dict(vars(cls))
    if as_it_counts and not count_attributes(cls, attributes):
        return _Seen(cls, version, attributes)
    if seen is None or not _is_same(attributes, seen.attributes):
        seen = _seen[cls] = _Seen(cls, version, attributes)
    seen.version = version
    return seen


def _set_on(
    cls: type, read_names: frozenset[str], is_named: bool, as_it_counts: bool
) -> dict[str, object]:
    seen = _look(cls, as_it_counts)
    names = seen.certain() if is_named else []
    names = [*names, *sorted(read_names & seen.attributes.keys())]
    return {name: seen.attributes[name] for name in names if seen.is_users(name) is not False}


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (
        len(one) == len(other)
        and list(one) == list(other)
        and all(map(operator.is_, one.values(), other.values()))
    )


_OF_EVERY_CLASS = frozenset(
    (
        "__abstractmethods__",
        "__annotations__",
        "__classcell__",
        "__dict__",
        "__doc__",
        "__module__",
        "__parameters__",
        "__qualname__",
        "__slotnames__",
        "__slots__",
        "__weakref__",
        "_abc_impl",
    )
)


def _is_set_by_user(cls: type, name: str, value: Any) -> bool | None:
    """Returns true if the user set an attribute on a library class; None if this is unknown."""
    is_dunder = name[:2] == "__" and name[-2:] == "__"
    if _part(value) is not None:
        return not is_dunder or callable(value) or hasattr(type(value), "__get__")
    if is_a(value, FunctionType) or is_a(value, type) or hasattr(type(value), "__get__"):
        if not foreign_name(value, cls.__module__):
            return False
        body = body_of_class(cls)
        return body is not None and all(said is CODE for said in body.get(name, ()))
    if not is_plain(value):
        is_added = not is_dunder and is_added_value(name, value, lambda: body_of_class(cls))
        return None if is_added else False
    if name[0] == "_" and type(value) in (list, dict, set):
        return False  # internal state of the library
    body = body_of_class(cls) or {}
    if binds_constant(body, name, value):
        return False
    if name not in body or COMPUTED in body[name]:
        # The library may have set the attribute at run time, to a value that differs between
        # processes.
        return False if is_dunder else None
    return not is_set_by_library(cls, name)


def is_known_to_library(cls: type, name: str) -> bool:
    """Returns true if the library's own code may use an attribute that the user set on one of its classes."""
    body = body_of_class(cls)
    return (
        name[:2] == "__"
        or body is None
        or name in body
        or any(name in vars(base) for base in cls.__mro__ if base is not cls)
    )


def part_of(value: Any) -> object:
    """Returns the part of an attribute that counts: the user's code in it, or the attribute itself."""
    part = _part(value)
    return value if part is None else part


def _part(attribute: Any) -> object | None:
    """Returns the user's code in an attribute of a library class; None if there is none."""
    kind = next((kind for kind in DESCRIPTORS if type(attribute) is kind), None)
    if kind is not None:
        parts = (getattr(attribute, name) for name in DESCRIPTORS[kind])
        return attribute if any(part is not None and _is_part(part) for part in parts) else None
    if is_a(attribute, FunctionType) or is_a(attribute, type) or is_users(attribute):
        return attribute if _is_part(attribute) else None
    # pandas, xarray and polars wrap a registered class in an object.
    registered = attributes_of(attribute).values()
    return next((part for part in registered if is_a(part, type) and is_users(part)), None)


def _is_part(value: Any) -> bool:
    return is_users(value) and not _is_generated(value)


def _is_generated(value: Any) -> bool:
    """Returns true for a function that a library compiled for its class, as named tuples and attrs do."""
    if not is_a(value, FunctionType):
        return False
    module = value.__globals__.get("__name__")
    return value.__code__.co_filename[:1] == "<" and module not in sys.modules
