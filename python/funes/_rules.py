"""How values of each type are hashed: one rule a type.

`plan` is asked once a type by the extension, which then walks the objects itself. A rule turns an object into a simpler
value that says the same; the extension writes the rule's name and that value.

Rules for other people's types are found by the type's qualified name, so that funes imports none of their libraries.
"""

from __future__ import annotations

import copyreg
import enum
import functools
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from funes import _rules_numpy, _rules_standard
from funes._definition import CODE_TYPES, is_code
from funes._funes import MemoBase
from funes._library import is_library_class

__all__ = ["plan"]

Rule = Callable[[Any], object]
Plan = tuple[Any, ...]

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {**_rules_standard.RULES, **_rules_numpy.RULES}
REFUSALS: dict[str, str] = {**_rules_standard.REFUSALS}

_plans: WeakKeyDictionary[type, Plan] = WeakKeyDictionary()


def plan(kind: type) -> Plan:
    """The way to hash the objects of exactly this type, as `Plan` in rust/py/src/plan.rs reads it."""
    try:
        return _plans[kind]
    except KeyError:
        made = _plans[kind] = _make(kind)
        return made


def _make(kind: type) -> Plan:
    if hasattr(kind, "__funes_key__"):
        return ("rule", "__funes_key__", _own_key)
    if issubclass(kind, type) or kind in CODE_TYPES or issubclass(kind, MemoBase):
        return ("definition",)
    if issubclass(kind, Callable) and is_library_class(kind):  # type: ignore[arg-type]
        # An instance may be a function in all but its type, such as numpy's ufuncs and what lru_cache returns.
        return ("perhaps definition", is_code, _of_values(kind))
    return _of_values(kind)


def _of_values(kind: type) -> Plan:
    if kind is object:
        return ("refuse", "a bare object() has no value, only an identity")
    if issubclass(kind, enum.Enum):
        return ("rule", "enum.Enum", _rules_standard.enum_member)
    for base in kind.__mro__[:-1]:
        reason = REFUSALS.get(qualified_name(base))
        if reason is not None:
            return ("refuse", reason)
        name, rule = RULES.get(qualified_name(base), (None, None))
        if rule is not None:
            return ("rule", name, rule if base is kind else _of_subclass(rule))
        if "__reduce_ex__" in vars(base) or "__reduce__" in vars(base):
            # A class that says how it is pickled knows better than a rule for its base.
            break
    if issubclass(kind, (set, frozenset)):
        return (
            "set" if issubclass(kind, set) else "frozenset",
            _slots(kind),
            _caches(kind),
        )
    if _is_plain(kind):
        return ("attributes", _slots(kind), _caches(kind))
    return ("reduce", _caches(kind))


def qualified_name(kind: type) -> str:
    """`module.qualname` of a type, as its class statement says."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _own_key(value: Any) -> object:
    return type(value), value.__funes_key__()


def _of_subclass(rule: Rule) -> Rule:
    """The rule of a base class for instances of a class derived from it, which may have attributes of their own."""

    def reduce(value: Any) -> object:
        attributes = dict(getattr(value, "__dict__", None) or {})
        for name in _slots(type(value)):
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
        for name in _caches(type(value)):
            attributes.pop(name, None)
        return type(value), attributes, rule(value)

    return reduce


def _is_plain(kind: type) -> bool:
    """Whether an object is its attributes and no more: what `object.__reduce_ex__` can copy.

    The sizes tell whether a type written in C keeps something where Python cannot see it; pickle asks the same.
    """
    if (
        kind.__reduce_ex__ is not object.__reduce_ex__
        or kind.__reduce__ is not object.__reduce__
        or getattr(kind, "__getstate__", None) is not getattr(object, "__getstate__", None)
        or hasattr(kind, "__getnewargs__")
        or hasattr(kind, "__getnewargs_ex__")
        or kind in copyreg.dispatch_table
        or kind.__itemsize__ != 0
    ):
        return False
    word = _Slot.__basicsize__ - object.__basicsize__
    visible = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__basicsize__ <= object.__basicsize__ + visible * word


class _Slot:
    __slots__ = ("_",)


def _slots(kind: type) -> tuple[str, ...]:
    """The names of all slots, as attributes are called: private names mangled."""
    names = []
    for base in kind.__mro__:
        own = base.__dict__.get("__slots__", ())
        for name in (own,) if isinstance(own, str) else tuple(own):
            if name in ("__dict__", "__weakref__"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            names.append(name)
    return tuple(names)


def _caches(kind: type) -> frozenset[str]:
    """Attributes that hold what can be computed again, and so are no value."""
    cached = {
        attribute.attrname
        for base in kind.__mro__
        for attribute in base.__dict__.values()
        if isinstance(attribute, functools.cached_property) and attribute.attrname is not None
    }
    return frozenset(cached | _CACHE_NAMES)


_CACHE_NAMES = {"_attrs_cached_hash"}
