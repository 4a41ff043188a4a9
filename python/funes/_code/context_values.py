"""Context variables and thread-local values: they count with the value at the place of the call.

The context of `decimal` counts in the same way: it determines the results of arithmetic, and code
rarely names it. Other settings of a process, such as those of numpy and pandas, change results as
well. They do not count: reading all of them would take longer than a hit, and most of them change
only the display.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, Final


class _Current:
    """A variable that is hashed with its value in the current context or thread."""

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

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


class _Decimal:
    """The current context of `decimal`."""

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

    def __funes_key__(self) -> object:
        import decimal

        context = decimal.getcontext()
        traps = sorted(signal.__name__ for signal, is_set in context.traps.items() if is_set)
        return (
            (context.prec, context.rounding, context.Emin, context.Emax),
            (context.capitals, context.clamp),
            traps,
        )


DECIMAL: Final = _Decimal()
"""The value that is hashed for the current context of `decimal`."""

#: One substitute for each variable, by address: state that calls change is tracked by its object.
_known: dict[int, _Current] = {}


def current(value: object) -> object:
    """Returns a substitute for a context variable or thread-local value; any other value itself."""
    if not issubclass(type(value), (ContextVar, threading.local)):
        return value
    return _known.setdefault(id(value), _Current(value))
