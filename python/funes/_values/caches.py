"""Attributes that can be computed again: they are no part of a value, as long as they are what they would be.

A `functools.cached_property` keeps its result as an attribute, and an assignment under its name looks just the same. So
what is kept is compared with what the property gives now, once for each state of an object.
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
from funes._values.libraries import FOUND_OUT
from funes.errors import UnhashableArgumentError

#: What `functools.update_wrapper` copies to an object around a function: it is told by the function, which counts
#: itself, differs between versions of Python, and says where the function stands.
OF_WRAPPED = frozenset(
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
#: Where attrs keeps the hash of an object.
_ATTRS_HASH = "_attrs_cached_hash"

_MISSING = object()

#: States of objects whose kept result was found to be what the property gives.
_as_computed: OrderedDict[str, None] = OrderedDict()
_LIMIT = 4096


def cached_names(kind: type) -> frozenset[str]:
    """The names of attributes of a type's objects that may be caches."""
    names = set(_properties(kind)) | _found_out(kind)
    if hasattr(kind, "__attrs_attrs__"):
        names.add(_ATTRS_HASH)
    if issubclass(kind, Callable):  # type: ignore[arg-type]
        names |= OF_WRAPPED
    return frozenset(names)


def without_caches(
    value: Any, attributes: dict[str, Any], is_tool: Callable[[object], bool]
) -> tuple[dict[str, Any], list[str]]:
    """The attributes of an object that are part of its value, and what cannot be told, for a warning.

    is_tool: whether an attribute counts by its type only.
    """
    counted = dict(attributes)
    for name in {_ATTRS_HASH, *_found_out(type(value))}:
        counted.pop(name, None)
    wrapped = attributes.get("__wrapped__", _MISSING)
    for name in OF_WRAPPED & counted.keys():
        if wrapped is not _MISSING and _is_one(counted[name], getattr(wrapped, name, _MISSING)):
            del counted[name]
    doubts = []
    for name, found in _properties(type(value)).items():
        if name not in counted:
            continue
        kept = counted.pop(name)
        if found is None or id(value) in _compared.objects:
            continue
        try:
            with _compared(value):
                others = {at: type(it) if is_tool(it) else it for at, it in counted.items()}
                if _is_set(value, name, found, kept, others):
                    counted[name] = kept
        except UnhashableArgumentError:
            doubts.append(
                f"the cached property {type(value).__qualname__}.{name} holds what cannot be hashed"
            )
    return counted, doubts


class _Compared(threading.local):
    """The objects whose kept results are being compared: a result may hold its object."""

    def __init__(self) -> None:
        self.objects: set[int] = set()

    @contextlib.contextmanager
    def __call__(self, value: object) -> Iterator[None]:
        self.objects.add(id(value))
        try:
            yield
        finally:
            self.objects.discard(id(value))


_compared = _Compared()


def _properties(kind: type) -> dict[str, Any]:
    """The cached properties of a type, by the names of the attributes; None in place of a library's."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        for attribute in base.__dict__.values():
            if isinstance(attribute, functools.cached_property) and attribute.attrname is not None:
                own = None if is_library_class(base) else attribute
                found.setdefault(attribute.attrname, own)
    return dict(sorted(found.items()))


def _found_out(kind: type) -> frozenset[str]:
    """The attributes that objects of a library's class, or of one derived from it, fill in as they are asked."""
    names = (FOUND_OUT.get(f"{base.__module__}.{base.__qualname__}") for base in kind.__mro__)
    return frozenset().union(*filter(None, names))


def _is_one(one: object, other: object) -> bool:
    """Whether two texts or annotations are one; a copy of a function has copies of its annotations."""
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except Exception:  # the comparison may be the user's own
        return False


def _is_set(value: Any, name: str, found: Any, kept: Any, others: dict[str, Any]) -> bool:
    """Whether what is kept under a name is something else than what the property gives.

    others: the other attributes of the object, as they count.
    """
    cls = type(value)
    kept_hash = hash_value(kept)
    try:
        seen = hash_value((cls, name, kept_hash, others))
    except UnhashableArgumentError:
        return False  # The object is refused for its other attributes in any case.
    if seen in _as_computed:
        return False
    try:
        # A copy, since the property may keep other results in the object.
        fresh = copy.copy(value)
        vars(fresh).pop(name, None)
        with _compared(fresh):
            if hash_value(found.func(fresh)) != kept_hash:
                return True
    except Exception:  # the user's own code may raise anything
        return True
    _as_computed[seen] = None
    while len(_as_computed) > _LIMIT:
        _as_computed.popitem(last=False)
    return False
