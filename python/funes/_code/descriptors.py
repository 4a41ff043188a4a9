"""Properties, class methods and other descriptors that hold functions."""

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
"""Maps each descriptor type to the attributes in which its instances hold functions."""

_TYPES = tuple(DESCRIPTORS)


def is_special_descriptor(thing: object) -> bool:
    """Returns true for an instance of a subclass of a descriptor type."""
    return issubclass(type(thing), _TYPES) and type(thing) not in DESCRIPTORS


def parts_of(descriptor: object) -> dict[str, object]:
    """Returns a dict from attributes of a descriptor to the functions that it holds there."""
    names = next(names for kind, names in DESCRIPTORS.items() if isinstance(descriptor, kind))
    parts = {name: getattr(descriptor, name) for name in names}
    return {name: part for name, part in parts.items() if part is not None}


MACHINERY = (*sorted(COPIED), "__isabstractmethod__", "__wrapped__")
"""Attributes in the ``__dict__`` of a descriptor that do not count: they follow from its functions."""


def state_of(descriptor: object) -> dict[str, object]:
    """Returns the attributes that a special descriptor adds to its base type, with the values that count."""
    given = getattr(descriptor, "__dict__", {})
    state = dict(given)
    count_attributes(given, state)
    return _without_machinery(descriptor, state)


def slots_of(descriptor: object) -> dict[str, object] | None:
    """Returns the values in the slots of a special descriptor; None if there are none."""
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
    """Returns true for the function and, up to Python 3.11, the lock of a `functools.cached_property`."""
    return name == "func" or (name == "lock" and isinstance(value, type(threading.RLock())))
