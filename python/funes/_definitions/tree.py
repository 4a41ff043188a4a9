"""The syntax tree of a function as a plain value that is the same on every Python version.

`content` writes a tree as one flat tuple. A node is its type, the names and values of its fields,
and ``)``; a list stands between ``[`` and ``]``. The most frequent nodes are shorter: a name or a
constant is its type and one value, an attribute its type, its name and the node that it is taken
from, an operator its type alone. Constants stand for themselves, so that 1, 1.0 and True stay
apart. Each token's place says what it is, so two different trees never give one tuple. It is flat,
and made without recursion, because an expression may be nested deeper than the interpreter's stack.

What is not written, because it cannot change a result, or is written the same way for all versions:

================================================  ==================================================
part of the tree                                  treatment
================================================  ==================================================
positions, ``ctx``, ``type_comment``              left out: they follow from the rest, or are
                                                  comments
``Constant.kind`` (``u"text"``)                   left out
docstrings, ``pass``, ``...``, a lone constant    left out: statements without effect
annotations of parameters, ``returns``            left out
annotated assignment in a function                written as the assignment; without a value left
                                                  out (that its name is local is told by `names`)
annotated assignment in a nested class            written whole: dataclasses and others read it
``type_params`` (3.12), their defaults (3.13)     left out
empty lists and ``None``                          left out: a field that is new in some version is
                                                  absent before it, and empty where it is not used
f-strings: neighbouring and empty constants       joined, dropped: 3.11 and 3.12 end a format spec
                                                  with an empty one
``except*`` (3.11), ``type`` (3.12), template     as they are: a version that does not know them
strings (3.14)                                    cannot run them
``except`` without brackets (3.14)                has the tree of the form with brackets
================================================  ==================================================

The name, the decorators and the defaults of the function itself are left out too. They are taken
from the running object; those of the functions inside it are kept, since they run when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

__all__ = ["Content", "FunctionNode", "content", "is_private"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Content(NamedTuple):
    """A function's tree, and what of its surroundings changes its meaning."""

    tokens: tuple[object, ...]
    #: `__name`, whose meaning depends on the class around it.
    has_private_names: bool
    #: `assert` or `__debug__`, whose meaning depends on `python -O`.
    has_assert: bool


def content(function: FunctionNode) -> Content:
    """The tree of a function, without what cannot change its result.

    >>> content(ast.parse("lambda x: x + 1", mode="eval").body).tokens[-8:]
    ('left', 'Name', 'x', 'op', 'Add', 'right', 'Constant', 1, ')', ']', ')')[-8:]
    """
    out: list[object] = []
    emit = out.append
    has_assert = False
    in_class: set[int] = set()
    pending = _opened(function)
    take, put = pending.pop, pending.append
    while pending:
        item = take()
        kind = type(item)
        if kind is ast.Name:
            emit("Name")
            emit(item.id)
        elif kind is ast.Attribute:
            emit("Attribute")
            emit(item.attr)
            put(item.value)
        elif kind is ast.Constant:
            if item.value is ...:
                emit("Ellipsis")  # a node of its own: the value encoding need not know it
            else:
                emit("Constant")
                emit(item.value)
        elif kind is str or not issubclass(kind, ast.AST):
            emit(item)
        elif issubclass(kind, _OPERATORS):
            emit(kind.__name__)
        elif kind is ast.AnnAssign and id(item) not in in_class:
            emit("Assign")
            pending += (")", item.value, "value", "]", item.target, "[", "targets")
        elif kind is ast.MatchSingleton:
            emit("MatchSingleton")
            emit(str(item.value))
        else:
            if kind is ast.Assert:
                has_assert = True
            elif kind is ast.ClassDef:
                in_class.update(map(id, _class_annotations(item)))
            emit(kind.__name__)
            put(")")
            for field in _fields(kind):
                value = getattr(item, field, None)
                if value is None:
                    continue
                if type(value) is list:
                    if field in _BLOCKS:
                        value = _with_effect(value, in_class)
                    elif field == "values" and kind in _STRINGS:
                        value = _joined(value)
                    if not value:
                        continue
                    put("]")
                    pending += value[::-1]
                    put("[")
                else:
                    put(value)
                put(field)
    names = {token for token in set(out) if type(token) is str and token[:2] == "__"}
    return Content(tuple(out), any(map(is_private, names)), has_assert or "__debug__" in names)


def is_private(name: str) -> bool:
    """Whether a class around the name changes it (``__name`` becomes ``_Class__name``)."""
    return name[:2] == "__" and name[-2:] != "__" and "." not in name


_OPERATORS = (ast.operator, ast.cmpop, ast.unaryop, ast.boolop)
# Fields that are never written. Annotations of parameters are left out with `ast.arg` below.
_LEFT_OUT = frozenset({"ctx", "type_comment", "type_params", "type_ignores", "returns", "simple"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})
_STRINGS = frozenset({ast.JoinedStr, getattr(ast, "TemplateStr", ast.JoinedStr)})

_fields_of: dict[type[ast.AST], tuple[str, ...]] = {ast.arg: ("arg",)}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields to write, last first, as they are put on a stack."""
    fields = _fields_of.get(kind)
    if fields is None:
        fields = tuple(field for field in reversed(kind._fields) if field not in _LEFT_OUT)
        _fields_of[kind] = fields
    return fields


def _opened(function: FunctionNode) -> list[Any]:
    """The function itself, as items that are still to be written, last first."""
    arguments = function.args
    body: Sequence[ast.AST] = (
        [function.body] if isinstance(function, ast.Lambda) else _with_effect(function.body, set())
    )
    pending: list[Any] = [")", "]", *reversed(body), "[", "body", ")"]
    for field in ("kwarg", "kwonlyargs", "vararg", "args", "posonlyargs"):
        value = getattr(arguments, field)
        if type(value) is list and value:
            pending += ("]", *reversed(value), "[", field)
        elif isinstance(value, ast.AST):
            pending += (value, field)
    pending += ("arguments", "args", type(function).__name__)
    return pending


def _with_effect(block: list[ast.stmt], in_class: set[int]) -> list[ast.stmt]:
    """The statements of a block that do something.

    in_class: addresses of annotated names of nested classes.
    """

    def has_effect(statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Expr):
            return not isinstance(statement.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign):
            return statement.value is not None or id(statement) in in_class
        return not isinstance(statement, ast.Pass)

    return list(filter(has_effect, block))


def _class_annotations(of: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    """The annotated names of a class body, also those under an ``if`` or a ``with`` in it."""
    blocks: list[ast.AST] = list(of.body)
    while blocks:
        node = blocks.pop()
        if isinstance(node, ast.AnnAssign):
            yield node
        elif isinstance(node, _BLOCK_HOLDERS) and not isinstance(node, _NEW_SCOPES):
            blocks += ast.iter_child_nodes(node)


_BLOCK_HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_NEW_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring constants made one and empty ones dropped."""
    parts: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif value.value != "":
            last = parts[-1] if parts else None
            if isinstance(last, ast.Constant):
                parts[-1] = ast.Constant(str(last.value) + str(value.value))
            else:
                parts.append(value)
    return parts
