"""Finds the attributes that were set on functions, memorious functions, partials and other wrappers."""

from __future__ import annotations

import functools
from types import MemberDescriptorType
from typing import Any

from funes._code.third_party import is_memorious
from funes._funes import count_attributes

COPIED = frozenset(
    (*functools.WRAPPER_ASSIGNMENTS, "__annotate__", "__annotations__", "__type_params__")
)
"""The attributes that `functools.update_wrapper` copies in addition to ``__dict__``: the location of
the wrapped function, its docstring and its annotations. The copies do not count. If code reads such
an attribute, that of the wrapped function counts.
"""

# Marks for type checkers, which have no effect at run time.
_MARKS = frozenset(("__deprecated__", "__final__", "__no_type_check__", "__override__"))

MEMO_STATE = (
    *sorted(COPIED),
    "__wrapped__",
    "_arrived",
    "_core",
    "_described",
    "_extra",
    "_is_coroutine",
    "_is_coroutine_mark",
    "_mains",
    "_options",
    "_root",
    "_sent",
    "_warned",
)
"""The attributes in which a memorious function keeps its own state."""


def attributes_of(thing: Any) -> dict[str, object]:
    """Returns the attributes that were set on a function or wrapper, with the values that count."""
    attributes: dict[str, object] = thing.__dict__.copy()
    count_attributes(thing.__dict__, attributes)
    for name in (*COPIED, *_MARKS):
        attributes.pop(name, None)
    if "_options" in attributes and _wraps_memo(thing):
        for name in MEMO_STATE:
            if name != "__wrapped__":
                attributes.pop(name, None)
    return attributes


def _wraps_memo(thing: Any) -> bool:
    """Returns true if an object wraps a memorious function, whose state `functools.wraps` has copied."""
    seen: set[int] = set()
    while id(thing) not in seen:
        seen.add(id(thing))
        if is_memorious(thing):
            return True
        thing = getattr(thing, "__dict__", {}).get("__wrapped__")
    return False


def memo_attributes(memo: Any) -> dict[str, object]:
    """Returns the attributes that were set on a memorious function; nothing if its function has the same."""
    attributes = attributes_of(memo)
    for name in MEMO_STATE:
        attributes.pop(name, None)
    function = memo.__wrapped__
    own = attributes_of(function)
    shown = {name: value for name, value in own.items() if not hasattr(type(memo), name)}
    shown.pop("__wrapped__", None)
    is_copy = attributes.keys() == shown.keys() and all(
        value is shown[name] for name, value in attributes.items()
    )
    return {} if is_copy else attributes


def slots_of(thing: object, base: type) -> dict[str, object]:
    """Returns the values in the slots of an object, without those of `base` and its bases."""
    found = {}
    for cls in type(thing).__mro__:
        if cls is base:
            break
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            slot = cls.__dict__.get(_mangled(cls, name))
            if isinstance(slot, MemberDescriptorType):
                try:
                    found[name] = slot.__get__(thing, type(thing))
                except AttributeError:
                    continue  # it was not set
    return found


def _mangled(cls: type, name: str) -> str:
    is_private = name.startswith("__") and not name.endswith("__")
    return f"_{cls.__name__.lstrip('_')}{name}" if is_private else name
