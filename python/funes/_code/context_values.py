"""Variables of a context or thread: what counts is the value that they have where the call is made.

So does the context of `decimal`, which decides what arithmetic gives and which code rarely names. Other settings of a
process change results as well, such as those of numpy and pandas. They do not count: to ask for all of them would take
longer than a hit, and most change only how results are shown.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any, Final


class _Current:
    """The value that a variable has in the context or thread that asks."""

    __module__ = "funes"  # part of keys: wherever this class lies

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
    """The context in which `decimal` computes."""

    __module__ = "funes"  # part of keys: wherever this class lies

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
"""Stands for the context in which `decimal` computes."""

#: One for each variable, by its address: what calls change is known by the object that stands for it.
_known: dict[int, _Current] = {}


def current(value: object) -> object:
    """What stands for a variable of a context or thread; any other value itself."""
    if not issubclass(type(value), (ContextVar, threading.local)):
        return value
    return _known.setdefault(id(value), _Current(value))
