"""Finds the functions in the attributes of a class."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType

from funes._code.third_party import is_a, is_library_function


def is_own_code(value: object) -> bool:
    """Returns true if an attribute of a class is or wraps a function of the user."""
    return any(not is_library_function(function) for function in functions_in(value))


def function_in(value: object) -> FunctionType | None:
    """Returns the innermost function that an attribute of a class wraps; None if the attribute is no method."""
    return next(reversed(list(functions_in(value))), None)


def functions_in(value: object) -> Iterator[FunctionType]:
    """Yields a function and the functions that it wraps, from the outside in."""
    seen: set[int] = set()
    while id(value) not in seen:
        seen.add(id(value))
        if is_a(value, staticmethod) or is_a(value, classmethod):
            value = value.__func__
        if not is_a(value, FunctionType):
            return
        yield value
        value = value.__dict__.get("__wrapped__")
