"""What a definition consists of, piece by piece; the extension goes from piece to piece and hashes.

`describe` says of one function, class or other piece of code what it is itself and what it refers
to. It does not follow the references: recursion, cycles and the order of the walk are the
extension's. What the rules mean for those who use funes stands in docs/definitions.md.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from funes._code.callables import DESCRIBERS, describe_method, is_named
from funes._code.classes import describe_class
from funes._code.functions import describe_function
from funes._code.node import Description, by_name
from funes._code.read_parts import DOCSTRINGS
from funes._code.sentinels import place_of
from funes._code.third_party import (
    is_a,
    is_library_function,
    is_memorious,
    library_of,
    named_in_library,
)
from funes._code.wrappers import (
    describe_library_function,
    describe_memorious,
    describe_wrapper,
    is_wrapper,
)

CODE_TYPES = frozenset((FunctionType, type, *DESCRIBERS))
"""The exact types whose instances are always described. Of any other object, `is_code` tells."""


def is_code(thing: object) -> bool:
    """Whether a thing is a piece of code that `describe` describes, and not a value to be hashed as such.

    So is a bare `object()` that a module has under a name, since it counts by its name.

    >>> is_code(len), is_code(dict), is_code({})
    (True, True, False)
    """
    if type(thing) is object:
        return place_of(thing) is not None
    return type(thing) in CODE_TYPES or is_a(thing, type) or is_wrapper(thing) or is_named(thing)


def describe(thing: Any, reading: int = 0, is_bare: bool = False) -> Description:
    """What a piece of code consists of.

    thing: a function, class, method, partial, property, wrapper ...: anything that `is_code` says
        is code.

    reading: what code of the same graph reads of code (`Description.reading`). It is found only when its node is
        described, so a graph that has any is described a second time with it.
    is_bare: whether it is a function without attributes, which need not be asked for its ``__dict__``: that would
        make one.

    Raises TypeError for anything that is no code.

    >>> describe(len).name
    'builtins.len'
    """
    kind = type(thing)
    if kind is object and (place := place_of(thing)) is not None:
        return by_name(place.label)
    if kind is FunctionType:
        if is_library_function(thing):
            return describe_library_function(thing)
        return describe_function(thing, reading, is_bare)
    if is_a(thing, type):
        return describe_class(thing, reading)
    describer = DESCRIBERS.get(kind)
    if describer is not None:
        description = describer(thing)
        if kind is property and reading & DOCSTRINGS:
            description.links["docstring"] = thing.__doc__
        return description
    if is_memorious(thing):
        return describe_memorious(thing, lambda function: describe(function, reading))
    if is_named(thing):
        return by_name(named_in_library(thing), library_of(thing))
    if is_wrapper(thing):
        return describe_method(thing) if hasattr(kind, "__self__") else describe_wrapper(thing)
    raise TypeError(f"{kind.__qualname__!r} object is no code that can be described")
