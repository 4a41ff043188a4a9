"""Context variables and thread-local values, which count with their values in the calling context or thread.

The context of `decimal` counts in the same way: it determines the results of arithmetic, and code
rarely names it. Other settings of a process, such as those of numpy and pandas, change results as
well. These do not count: reading all of them would take longer than a hit, and most of them change
only how values are displayed.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, Final


class _Current:
    """The substitute of a variable, hashed with the variable's value in the current context or thread."""

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

        return _decimal_key(decimal.getcontext())


def _decimal_key(context: Any) -> object:
    traps = sorted(signal.__name__ for signal, is_set in context.traps.items() if is_set)
    return (
        (context.prec, context.rounding, context.Emin, context.Emax),
        (context.capitals, context.clamp),
        traps,
    )


@functools.lru_cache(maxsize=1)
def _usual_decimal() -> Any:
    import decimal

    signals = decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow
    return decimal.Context(28, decimal.ROUND_HALF_EVEN, -999999, 999999, 1, 0, [], list(signals))


def changed_decimal() -> object | None:
    """Returns the current context of `decimal`, or None if it equals the context with which each thread begins."""
    import decimal

    context, usual = decimal.getcontext(), _usual_decimal()
    is_usual = (
        context.prec == usual.prec
        and context.rounding == usual.rounding
        and context.traps == usual.traps
        and (context.Emin, context.Emax) == (usual.Emin, usual.Emax)
        and (context.capitals, context.clamp) == (usual.capitals, usual.clamp)
    )
    return None if is_usual else _decimal_key(context)


DECIMAL: Final = _Decimal()
"""The value that is hashed for the current context of `decimal`."""

#: The attributes that determine how `decimal` computes. Flags only record what has happened.
_DECIDES = attrgetter("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "traps")


def state_of(value: object) -> tuple[Callable[[], Any], Callable[[Any], object]] | None:
    """Returns two C functions: one finds the object behind a value, the other reads its state.

    Returns None for most values. Each hit compares the state, which is cheaper than hashing the
    value.
    """
    if value is not DECIMAL:
        return None
    import decimal

    return decimal.getcontext, _DECIDES


#: One substitute for each variable, by the address of the variable: state that calls change is
#: tracked by its object, so the substitute must be the same object each time.
_known: dict[int, _Current] = {}


def current(value: object) -> object:
    """Returns the substitute of a context variable or thread-local value; any other value unchanged."""
    if not issubclass(type(value), (ContextVar, threading.local)):
        return value
    return _known.setdefault(id(value), _Current(value))
