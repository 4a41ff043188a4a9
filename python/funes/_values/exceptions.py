"""Reduces exceptions: by class, arguments, attributes, fields and causes.

Built-in exceptions have fields besides their arguments: `errno` of an `OSError`, `name` of an
`ImportError`. Most fields follow from the arguments. Only a field with another value counts by
itself, so that the pickled copy of an exception has the hash of the exception, and a field that
exists in some versions of Python only changes no hash while it is unused.

The traceback does not count: it refers to the frames of the program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from funes._code.third_party import is_library_class
from funes._values.rules import PICKLE_METHODS, slots

#: Types whose objects are compared by value.
_ATOMS = frozenset((bool, bytes, float, int, str))
#: A bit of `tp_flags`: the class was made at run time.
_HEAP_TYPE = 1 << 9
MISSING = object()


def state_of(error: BaseException, arguments: Any, state: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the state of an exception, and what its reduction omits.

    arguments, state: the parts of the reduction.
    """
    kind = type(error)
    reducer = next(base for base in kind.__mro__ if not PICKLE_METHODS.isdisjoint(vars(base)))
    further: dict[str, Any] = {}
    if not reducer.__flags__ & _HEAP_TYPE:
        # The state of some versions of Python has fields too.
        state = _attributes(error) or None
    else:
        arguments = error.args
        attributes = vars(error)
        if not is_library_class(reducer):
            # What a class of user code leaves out of its reduction is not part of its value.
            attributes = {"__notes__": error.__notes__} if hasattr(error, "__notes__") else {}
        kept = state if isinstance(state, dict) else {}
        further = {name: part for name, part in attributes.items() if name not in kept}
    further.update(_set_fields(error, arguments))
    causes = {"__cause__": error.__cause__, "__context__": error.__context__}
    causes = {name: cause for name, cause in causes.items() if cause is not None}
    if causes or error.__suppress_context__:
        further.update(causes, __suppress_context__=error.__suppress_context__)
    return state, further


def _attributes(error: BaseException) -> dict[str, Any]:
    attributes = dict(vars(error))
    for name in slots(type(error)):
        value = getattr(error, name, MISSING)
        if value is not MISSING:
            attributes[name] = value
    return attributes


def fields_of(error: BaseException) -> dict[str, Any]:
    """Returns the fields of a built-in exception, such as the `errno` of an `OSError`; None for an unset one."""
    kind: Any = type(error)
    _, fields = _fields(kind)
    return {name: _read(read, error) for name, read in fields.items()}


def _set_fields(error: BaseException, arguments: Any) -> dict[str, Any]:
    """Returns the fields of a built-in exception that do not follow from its arguments."""
    kind: Any = type(error)
    base, fields = _fields(kind)
    if not fields:
        return {}
    try:
        fresh = base(*arguments)
    except Exception:  # a subclass may have arguments of its own
        fresh = None
    found = {}
    for name, read in fields.items():
        value = _read(read, error)
        usual = None if fresh is None else _read(read, fresh)
        if not is_same(value, usual):
            found[name] = value
    return found


@functools.lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[type, dict[str, Callable[[Any], Any]]]:
    """Returns the built-in base class of an exception class, and how its fields are read."""
    base = next(base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE)
    fields: dict[str, Callable[[Any], Any]] = {}
    for each in base.__mro__:
        if each is BaseException:
            break
        for name, attribute in vars(each).items():
            if not name.startswith("_") and hasattr(attribute, "__set__"):
                fields.setdefault(name, attribute.__get__)
    return base, fields


def _read(read: Callable[[Any], Any], error: BaseException) -> Any:
    """Returns the value of a field; None if it is unset."""
    try:
        return read(error)
    except (AttributeError, TypeError):
        return None


def is_same(one: Any, other: Any) -> bool:
    """Returns whether two values are one object, or equal; calls no method of user code."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) in _ATOMS and bool(one == other)
