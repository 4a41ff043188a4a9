"""What stands in a class around functions: properties, class methods and their like."""

from __future__ import annotations

import functools
import threading

from funes._code import function_attributes
from funes._code.function_attributes import COPIED
from funes._funes import count_attributes

DESCRIPTORS: dict[type, tuple[str, ...]] = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
}
"""The types, and the attributes under which their instances hold functions."""

_TYPES = tuple(DESCRIPTORS)


def is_special_descriptor(thing: object) -> bool:
    """Whether a thing is of somebody's own subclass of one of these types."""
    return issubclass(type(thing), _TYPES) and type(thing) not in DESCRIPTORS


def parts_of(descriptor: object) -> dict[str, object]:
    """The functions that a descriptor holds, by attribute."""
    names = next(names for kind, names in DESCRIPTORS.items() if isinstance(descriptor, kind))
    parts = {name: getattr(descriptor, name) for name in names}
    return {name: part for name, part in parts.items() if part is not None}


MACHINERY = (*sorted(COPIED), "__isabstractmethod__", "__wrapped__")
"""Attributes in the ``__dict__`` of a descriptor that say nothing beside its functions."""


def state_of(descriptor: object) -> dict[str, object]:
    """The attributes that the maker of a special descriptor gave it, as they count."""
    given = getattr(descriptor, "__dict__", {})
    state = dict(given)
    count_attributes(given, state)
    return _without_machinery(descriptor, state)


def slots_of(descriptor: object) -> dict[str, object] | None:
    """What a special descriptor holds in slots of its own class; None for nothing."""
    base = next(kind for kind in _TYPES if isinstance(descriptor, kind))
    return _without_machinery(descriptor, function_attributes.slots_of(descriptor, base)) or None


def _without_machinery(descriptor: object, state: dict[str, object]) -> dict[str, object]:
    is_cached = isinstance(descriptor, functools.cached_property)
    return {
        name: value
        for name, value in state.items()
        if name not in MACHINERY and not (is_cached and _is_machinery(name, value))
    }


def _is_machinery(name: str, value: object) -> bool:
    """Whether it is what `functools.cached_property` keeps itself: its function, and up to 3.11 a lock."""
    return name == "func" or (name == "lock" and isinstance(value, type(threading.RLock())))
