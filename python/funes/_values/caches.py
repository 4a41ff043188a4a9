"""Separates attributes that are caches from attributes that are part of a value.

A `functools.cached_property` stores its result as an attribute. An assignment to that attribute
looks the same. The stored value is therefore compared with what the property returns now, once for
each state of an object: if both are equal, the attribute is a cache and is left out.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from funes._code.third_party import is_library_class
from funes._funes import hash_value
from funes._values.libraries import LAZY_ATTRIBUTES
from funes.errors import UnhashableArgumentError

#: Attributes that `functools.update_wrapper` copies to a wrapper. The wrapped function counts
#: itself, and the copies differ between versions of Python and name the module of the function.
WRAPPER_ATTRIBUTES = frozenset(
    {
        "__annotate__",
        "__annotations__",
        "__doc__",
        "__module__",
        "__name__",
        "__qualname__",
        "__type_params__",
    }
)
#: Attributes in which attrs and msgspec cache the hash of an object, which differs between processes.
_HASHES = frozenset(("_attrs_cached_hash", "__msgspec_cached_hash__"))

_MISSING = object()

#: Hashes of object states whose stored result was equal to what the property returns.
_verified_states: OrderedDict[str, None] = OrderedDict()
_MAX_VERIFIED_STATES = 4096


def cached_names(kind: type) -> frozenset[str]:
    """Returns the names of attributes that may be caches in objects of a type."""
    names = set(_properties(kind)) | _lazy_attributes(kind)
    if hasattr(kind, "__attrs_attrs__") or hasattr(kind, "__struct_fields__"):
        names |= _HASHES
    if issubclass(kind, Callable):  # type: ignore[arg-type]
        names |= WRAPPER_ATTRIBUTES
    return frozenset(names)


def without_caches(
    value: Any, attributes: dict[str, Any], is_opaque: Callable[[object], bool]
) -> tuple[dict[str, Any], list[str]]:
    """Returns the attributes of an object that are part of its value, and warnings.

    A warning names a cached property whose stored result cannot be hashed.

    is_opaque: returns whether an attribute counts by its type only.
    """
    counted = dict(attributes)
    for name in _HASHES | _lazy_attributes(type(value)):
        counted.pop(name, None)
    wrapped = attributes.get("__wrapped__", _MISSING)
    for name in WRAPPER_ATTRIBUTES & counted.keys():
        if wrapped is not _MISSING and _are_equal(counted[name], getattr(wrapped, name, _MISSING)):
            del counted[name]
    warnings = []
    for name, found in _properties(type(value)).items():
        if name not in counted:
            continue
        stored = counted.pop(name)
        if found is None or id(value) in _in_comparison.objects:
            continue
        try:
            with _in_comparison(value):
                rest = {at: type(it) if is_opaque(it) else it for at, it in counted.items()}
                if _was_assigned(value, name, found, stored, rest):
                    counted[name] = stored
        except UnhashableArgumentError:
            warnings.append(
                f"the cached property {type(value).__qualname__}.{name} holds a value that cannot"
                " be hashed"
            )
    return counted, warnings


class _InComparison(threading.local):
    """The objects whose stored results this thread compares: a result may refer to its object."""

    def __init__(self) -> None:
        self.objects: set[int] = set()

    @contextlib.contextmanager
    def __call__(self, value: object) -> Iterator[None]:
        self.objects.add(id(value))
        try:
            yield
        finally:
            self.objects.discard(id(value))


_in_comparison = _InComparison()


def _properties(kind: type) -> dict[str, Any]:
    """Returns the cached properties of a type by attribute name; None for third-party ones."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        for attribute in base.__dict__.values():
            if isinstance(attribute, functools.cached_property) and attribute.attrname is not None:
                found_property = None if is_library_class(base) else attribute
                found.setdefault(attribute.attrname, found_property)
    return dict(sorted(found.items()))


def _lazy_attributes(kind: type) -> frozenset[str]:
    """Returns the attributes that a third-party class or a subclass of it fills in on demand."""
    names = (LAZY_ATTRIBUTES.get(f"{base.__module__}.{base.__qualname__}") for base in kind.__mro__)
    return frozenset().union(*filter(None, names))


def _are_equal(one: object, other: object) -> bool:
    """Returns whether two strings or annotations are equal; a copied function has copied ones."""
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except Exception:  # the comparison may be user code
        return False


def _was_assigned(value: Any, name: str, found: Any, stored: Any, rest: dict[str, Any]) -> bool:
    """Returns whether a stored value differs from what the cached property returns.

    rest: the other attributes of the object, as they are hashed.
    """
    cls = type(value)
    stored_hash = hash_value(stored)
    try:
        state = hash_value((cls, name, stored_hash, rest))
    except UnhashableArgumentError:
        return False  # the object is refused for its other attributes in any case
    if state in _verified_states:
        return False
    try:
        # Use a copy: the property may store other results in the object.
        fresh = copy.copy(value)
        vars(fresh).pop(name, None)
        with _in_comparison(fresh):
            if hash_value(found.func(fresh)) != stored_hash:
                return True
    except Exception:  # user code may raise anything
        return True
    _verified_states[state] = None
    while len(_verified_states) > _MAX_VERIFIED_STATES:
        _verified_states.popitem(last=False)
    return False
