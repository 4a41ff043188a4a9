"""Variables of a context or thread: what counts is the value that they have where the call is made."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

__all__ = ["current"]


class _Current:
    """The value that a variable has in the context or thread that asks."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __funes_key__(self) -> object:
        variable = self.variable
        if isinstance(variable, ContextVar):
            try:
                return "value", variable.get()
            except LookupError:
                return ("no value",)
        return type(variable), dict(vars(variable))


#: One for each variable, by its address: what calls change is known by the object that stands for it.
_known: dict[int, _Current] = {}


def current(value: object) -> object:
    """What stands for a variable of a context or thread; any other value itself."""
    if not issubclass(type(value), (ContextVar, threading.local)):
        return value
    return _known.setdefault(id(value), _Current(value))
