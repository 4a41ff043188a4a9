"""Describes one function, class or other piece of code as a node of the definition graph.

`describe` returns the content and the references of a node. It does not follow the references: the
extension walks the graph, handles cycles, and hashes the nodes. docs/definitions.md explains the
rules to users.
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
    describe_like_partial,
    describe_memorious,
    describe_wrapper,
    is_like_partial,
    is_wrapper,
)

CODE_TYPES = frozenset((FunctionType, type, *DESCRIBERS))
"""The exact types whose instances are always code. For any other object, call `is_code`."""


def is_code(thing: object) -> bool:
    """Returns true for code that `describe` describes; false for a value that is hashed itself.

    A bare `object()` that a module has under a name is code too, since it counts by this name.

    >>> is_code(len), is_code(dict), is_code({})
    (True, True, False)
    """
    if type(thing) is object:
        return place_of(thing) is not None
    return (
        type(thing) in CODE_TYPES
        or is_a(thing, type)
        or is_wrapper(thing)
        or is_named(thing)
        or is_like_partial(thing)
    )


def describe(thing: Any, read_parts: int = 0, is_bare: bool = False) -> Description:
    """Describes a piece of code.

    Args:
        thing: A function, class, method, partial, property, wrapper or other object for which
            `is_code` is true.
        read_parts: The parts of other code (docstrings, annotations and so on) that code of the same
            graph reads, see `Description.read_parts`. They are known only after all nodes have been
            described. So a graph that reads such parts is described a second time.
        is_bare: True for a function without attributes. Its ``__dict__`` is not read, since reading
            it would create it.

    Raises:
        TypeError: The object is not code.

    >>> describe(len).name
    'builtins.len'
    """
    kind = type(thing)
    if kind is object and (place := place_of(thing)) is not None:
        return by_name(place.label)
    if kind is FunctionType:
        if is_library_function(thing):
            return describe_library_function(thing)
        return describe_function(thing, read_parts, is_bare)
    if is_a(thing, type):
        return describe_class(thing, read_parts)
    describer = DESCRIBERS.get(kind)
    if describer is not None:
        description = describer(thing)
        if kind is property and read_parts & DOCSTRINGS:
            description.references["docstring"] = thing.__doc__
        return description
    if is_memorious(thing):
        return describe_memorious(thing, lambda function: describe(function, read_parts))
    if is_named(thing):
        return by_name(named_in_library(thing), library_of(thing))
    if is_wrapper(thing):
        return describe_method(thing) if hasattr(kind, "__self__") else describe_wrapper(thing)
    if is_like_partial(thing):
        return describe_like_partial(thing)
    raise TypeError(f"a {kind.__qualname__!r} object is not code")
