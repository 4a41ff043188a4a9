"""Finds methods that keep values of their object in a table by the identity of the object.

The value of such an object is not in its attributes: `TABLE[id(self)] = price`. Two objects with
equal attributes may have different values there, so that the object has no hash.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterator
from types import FunctionType
from typing import NamedTuple


class IdentityKeyed:
    """Stands for such a table in a definition. The type rules refuse it."""


class Lookup(NamedTuple):
    """A lookup whose key is a variable, or the identity of the object in a variable."""

    variable: str
    is_by_id: bool
    #: The variable that holds the table; "" if it is an attribute or another expression.
    table: str


_METHODS = frozenset(("__getitem__", "__setitem__", "get", "pop", "setdefault"))
#: Methods whose second parameter is the object that has the attribute.
_OF_DESCRIPTORS = frozenset(("__delete__", "__get__", "__set__"))


def lookups_in(node: ast.AST) -> Iterator[Lookup]:
    """Yields the lookups of one expression: `table[key]`, `table.get(key)`, `key in table`."""
    table: ast.expr | None = None
    key: ast.expr
    if isinstance(node, ast.Subscript):
        table, key = node.value, node.slice
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        table, key = node.comparators[0], node.left
    elif (
        isinstance(node, ast.Call)
        and node.args
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _METHODS
    ):
        table, key = node.func.value, node.args[0]
    if table is None:
        return
    name = table.id if isinstance(table, ast.Name) else ""
    for part in key.elts if isinstance(key, ast.Tuple) else (key,):
        if isinstance(part, ast.Name):
            yield Lookup(part.id, False, name)
        elif (
            not isinstance(node, ast.Compare)  # `id(self) in running` ends recursions
            and isinstance(part, ast.Call)
            and isinstance(part.func, ast.Name)
            and part.func.id == "id"
            and len(part.args) == 1
            and isinstance(part.args[0], ast.Name)
        ):
            yield Lookup(part.args[0].id, True, name)


def is_keyed_by_identity(function: FunctionType, lookups: frozenset[Lookup]) -> bool:
    """Returns whether a method looks values of its object up by the identity of the object."""
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount]
    is_descriptor = function.__name__ in _OF_DESCRIPTORS
    owner = parameters[1:2] if is_descriptor else parameters[:1]
    inner = frozenset((*code.co_varnames, *code.co_cellvars))
    found = [each for each in lookups if (each.variable,) == owner and each.table not in inner]
    if not found or owner == ("cls",):
        return False
    cls = _class_of(function)
    if cls is not None and issubclass(cls, (type, enum.Enum)):
        return False
    has_identity = is_descriptor or (cls is not None and cls.__hash__ is object.__hash__)
    return has_identity or any(each.is_by_id for each in found)


def _class_of(function: FunctionType) -> type | None:
    """Returns the class of a method; None if it cannot be found by its name."""
    path = function.__qualname__.split(".")[:-1]
    found: object = function.__globals__.get(path[0]) if path else None
    for name in path[1:]:
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None
