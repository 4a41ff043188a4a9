"""What stands in a class around functions: properties, class methods and their like."""

from __future__ import annotations

import functools

__all__ = ["DESCRIPTORS", "is_special_descriptor", "parts_of", "state_of"]

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


# What `functools.cached_property` keeps beside its function.
_MACHINERY = frozenset(("attrname", "func", "lock"))


def state_of(descriptor: object) -> dict[str, object]:
    """The attributes that the maker of a special descriptor gave it."""
    return {
        name: value
        for name, value in getattr(descriptor, "__dict__", {}).items()
        if name not in _MACHINERY and not name.startswith("__")
    }
