"""What a Python function of the user's consists of."""

from __future__ import annotations

import sys
from types import CellType, CodeType, FunctionType
from typing import Any

from funes._definitions.code import byte_code, names_in
from funes._definitions.description import Description, LeftOut
from funes._definitions.links import Links
from funes._definitions.source import written
from funes._definitions.written import Written
from funes._warn import warn

__all__ = ["cells_of", "defaults_of", "describe_function"]


def describe_function(function: FunctionType, left_out: LeftOut = frozenset()) -> Description:
    """What a function of the user's consists of: its code, and what its names lead to.

    left_out: names that other code of the graph assigns.
    """
    found = written(function)
    names = names_in(function.__code__) if found is None else found.names
    if function.__name__ in _AT_CLASS_STATEMENTS:
        links = Links(left_out=left_out)
    else:
        links = Links(names.assigned, names.filled, left_out)
    for parameter, value in defaults_of(function).items():
        links.add(f"default {parameter}", value)
    cells = cells_of(function)
    links.add_captured(names, cells)
    links.add_globals(names, cells, function.__globals__, _builtins(function))
    links.add_imports(names, function.__globals__)
    if links.changed:
        _warn_of_changes(function, links.changed)
    return Description(
        "function",
        function.__name__,
        byte_code(function.__code__) if found is None else _tree(found),
        links.links,
        links.reads,
        frozenset(links.modules),
        "" if found is None else found.source,
        tuple(links.assigned.values()),
        links.tools,
    )


# Methods that run when a class is made: what they change (a table of subclasses) stands when others run.
_AT_CLASS_STATEMENTS = frozenset(("__init_subclass__", "__set_name__"))


def _tree(found: Written) -> tuple[object, ...]:
    content = found.content
    return (
        "tree",
        found.private if content.has_private_names else "",
        # Under `python -O` an assertion of the tree is none of the code.
        content.has_assert and sys.flags.optimize > 0,
        found.names.only_declared,
        content.tokens,
    )


def defaults_of(function: FunctionType) -> dict[str, object]:
    """The running defaults by parameter; those in the tree are only what they once came from."""
    code = function.__code__
    positional = reversed(code.co_varnames[: code.co_argcount])
    defaults = dict(zip(positional, reversed(function.__defaults__ or ()), strict=False))
    return {**defaults, **(function.__kwdefaults__ or {})}


def cells_of(function: FunctionType) -> dict[str, CellType]:
    """The captured variables by name."""
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


def _builtins(function: FunctionType) -> dict[str, object]:
    as_it_is: Any = (
        function  # the stubs of some versions know the attribute, those of others do not
    )
    builtins: dict[str, object] = as_it_is.__builtins__
    return builtins


_warned: set[tuple[CodeType, frozenset[str]]] = set()


def _warn_of_changes(function: FunctionType, names: set[str]) -> None:
    """Warn, once, of the variables that a function changes while it runs."""
    case = (function.__code__, frozenset(names))
    if case in _warned:
        return
    _warned.add(case)
    listed = ", ".join(map(repr, sorted(names)))
    warn(
        f"{function.__qualname__} assigns or changes {listed} while it runs: what is remembered does"
        " not depend on the value, and a remembered call does not change it."
        " If it matters, pass it as an argument and return it."
    )
