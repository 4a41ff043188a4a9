"""What the user set on a library's classes: methods, descriptors and values, new or in place of the library's own."""

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
from funes._code.third_party_bodies import CODE, COMPUTED, body_of_class, is_kept, says
from funes._funes import class_version, count_attributes

# Classes on which users register or set attributes that code takes of objects whose type it does not name.
_EXTENDED = {
    "pandas": ("DataFrame", "Series", "Index"),
    "pathlib": ("Path",),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
    "xarray": ("Dataset", "DataArray"),
}
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE: a type in C that cannot be changed


def usual_classes() -> tuple[type, ...]:
    """The classes of `_EXTENDED` that are loaded."""
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
    """The library's classes that a class consists of and that can be changed."""
    return tuple(
        base
        for base in cls.__mro__
        if base.__flags__ & (_HEAP_TYPE | _IMMUTABLE_TYPE) == _HEAP_TYPE and is_library_class(base)
    )


def library_bases(cls: type) -> list[type]:
    """The library's classes from which a class of the user's or its bases derive directly."""
    if len(cls.__mro__) == 2:  # itself and `object`
        return []
    found = (base for own in cls.__mro__ if not is_library_class(own) for base in own.__bases__)
    return [base for base in dict.fromkeys(found) if changeable(base) and is_library_class(base)]


def set_by_user(
    cls: type, spelled: frozenset[str], is_named: bool, as_it_counts: bool = True
) -> list[tuple[type, dict[str, object]]]:
    """What the user set on a library's class and on each of its bases.

    spelled: attributes that code takes of anything. Values that may be the library's own as well count only if they are
        among these.
    is_named: whether other attributes count, too.
    as_it_counts: with what the attributes were before computed calls changed them.
    """
    return [(base, _set_on(base, spelled, is_named, as_it_counts)) for base in changeable(cls)]


class _Seen:
    """A library's class as it was when it was last looked at."""

    def __init__(self, cls: type, version: int, attributes: dict[str, Any]) -> None:
        self.cls = ref(cls)
        #: The interpreter's number for this state of the class; 0 for none.
        self.version = version
        self.attributes = attributes
        self._verdicts: dict[str, bool | None] = {}
        self._certain: list[str] | None = None

    def is_users(self, name: str) -> bool | None:
        """Whether the user set an attribute; None if that cannot be told."""
        if name not in self._verdicts:
            cls = self.cls()
            self._verdicts[name] = (
                cls is not None
                and name not in _OF_EVERY_CLASS
                and _is_set_by_user(cls, name, self.attributes[name])
            )
        return self._verdicts[name]

    def certain(self) -> list[str]:
        """The attributes that the user certainly set."""
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
    if as_it_counts:
        count_attributes(cls, attributes)
    if seen is None or not _is_same(attributes, seen.attributes):
        seen = _seen[cls] = _Seen(cls, version, attributes)
    seen.version = version
    return seen


def _set_on(
    cls: type, spelled: frozenset[str], is_named: bool, as_it_counts: bool
) -> dict[str, object]:
    seen = _look(cls, as_it_counts)
    names = seen.certain() if is_named else []
    names = [*names, *sorted(spelled & seen.attributes.keys())]
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
    """Whether the user set an attribute on a library's class; None if that cannot be told."""
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
        return False  # what the library keeps for itself
    body = body_of_class(cls) or {}
    if says(body, name, value):
        return False
    if name not in body or COMPUTED in body[name]:
        # The library's machinery may have set it, or it is another one in each process.
        return False if is_dunder else None
    return not is_kept(cls, name)


def is_known_to_library(cls: type, name: str) -> bool:
    """Whether a library's own code may use an attribute of one of its classes, which the user set."""
    body = body_of_class(cls)
    return (
        name[:2] == "__"
        or body is None
        or name in body
        or any(name in vars(base) for base in cls.__mro__ if base is not cls)
    )


def part_of(value: Any) -> object:
    """What counts of an attribute that the user set."""
    part = _part(value)
    return value if part is None else part


def _part(attribute: Any) -> object | None:
    """What is the user's of an attribute of a library's class; None if it is the library's, or a plain value."""
    kind = next((kind for kind in DESCRIPTORS if type(attribute) is kind), None)
    if kind is not None:
        parts = (getattr(attribute, name) for name in DESCRIPTORS[kind])
        return attribute if any(part is not None and _is_part(part) for part in parts) else None
    if is_a(attribute, FunctionType) or is_a(attribute, type) or is_users(attribute):
        return attribute if _is_part(attribute) else None
    # pandas, xarray and polars keep a registered class in an object of their own.
    registered = attributes_of(attribute).values()
    return next((part for part in registered if is_a(part, type) and is_users(part)), None)


def _is_part(value: Any) -> bool:
    return is_users(value) and not _is_generated(value)


def _is_generated(value: Any) -> bool:
    """Whether a library made a function from a text for its class, as named tuples and attrs do."""
    if not is_a(value, FunctionType):
        return False
    module = value.__globals__.get("__name__")
    return value.__code__.co_filename[:1] == "<" and module not in sys.modules
