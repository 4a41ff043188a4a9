"""The syntax tree of a function as a plain value that is the same on every Python version.

`content` writes a tree as one flat tuple, a node as its type, the names and values of its fields, and ``)``; a list
between ``[`` and ``]``; a constant as ``"Constant"`` and the value itself, so that 1, 1.0 and True stay apart. Each
token's place says what it is, so two different trees never give one tuple. It is flat, and made without recursion,
because an expression may be nested deeper than the interpreter's stack.

What is not written, because it cannot change a result, or is written the same way for all versions:

=================================================  ====================================================================
part of the tree                                   treatment
=================================================  ====================================================================
positions, ``ctx``, ``type_comment``               left out: they follow from the rest, or are comments
``Constant.kind`` (``u"text"``)                    left out
docstrings, ``pass``, ``...``, any lone constant   left out: statements without effect
annotations of parameters, ``returns``             left out
annotated assignment in a function                 written as the assignment; without a value left out (that the name
                                                   becomes local is told by `_names`)
annotated assignment in a nested class             written whole: dataclasses and others read it while running
``type_params`` (3.12), their defaults (3.13)      left out
empty lists and ``None``                           left out: until 3.12 a node lacks what it was not given, from 3.13
                                                   on it has an empty list; a field new in some version is absent before
f-strings: neighbouring and empty constants        joined, dropped: 3.11 and 3.12 end a format spec with an empty one
``match``, ``except*`` (3.11), ``type`` (3.12),    as they are: a version that does not know them cannot run them
template strings, ``except`` without brackets      (the last has the tree of the form with brackets)
(3.14)
=================================================  ====================================================================

The name, the decorators and the defaults of the function itself are left out too. They are taken from the running
object; those of the functions inside it are kept, since they run when it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union

__all__ = ["Content", "FunctionNode", "content", "is_private"]

FunctionNode = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]


class Content(NamedTuple):
    """A function's tree, and what of its surroundings changes its meaning."""

    tokens: tuple[object, ...]
    has_private_names: bool  # `__name`, whose meaning depends on the class around it
    has_assert: bool  # `assert` or `__debug__`, whose meaning depends on `python -O`


def content(function: FunctionNode) -> Content:
    """The tree of a function, without what cannot change its result.

    >>> content(ast.parse("lambda x: x + 1", mode="eval").body).tokens[-10:]
    ('body', 'BinOp', 'left', 'Name', 'id', 'x', ')', 'op', 'Add', ')', 'right', 'Constant', 1, ')')[-10:]
    """
    out: list[object] = []
    emit = out.append
    has_private_names = has_assert = False
    in_class: set[int] = set()
    pending = _opened(function)
    while pending:
        item = pending.pop()
        if not isinstance(item, ast.AST):
            if type(item) is str and is_private(item):
                has_private_names = True
            emit(item)
            continue
        kind = type(item)
        if kind is ast.Constant:
            if item.value is ...:
                emit("Ellipsis")  # a node of its own: the value encoding need not know it
            else:
                emit("Constant")
                emit(item.value)
            continue
        emit(kind.__name__)
        if kind is ast.Name:
            pending += (")", item.id, "id")
            has_assert = has_assert or item.id == "__debug__"
            continue
        if kind is ast.AnnAssign and id(item) not in in_class:
            out[-1] = "Assign"
            pending += (")", item.value, "value", "]", item.target, "[", "targets")
            continue
        if kind is ast.MatchSingleton:
            pending += (")", str(item.value))
            continue
        if kind is ast.Assert:
            has_assert = True
        elif kind is ast.ClassDef:
            in_class.update(map(id, _class_annotations(item)))
        pending.append(")")
        for field in reversed(_fields(kind)):
            value = getattr(item, field, None)
            if type(value) is list:
                if field in _BLOCKS:
                    value = _with_effect(value, in_class)
                elif field == "values" and kind in _STRINGS:
                    value = _joined(value)
                if value:
                    pending.append("]")
                    pending += reversed(value)
                    pending += ("[", field)
            elif value is not None:
                pending += (value, field)
    return Content(tuple(out), has_private_names, has_assert)


def is_private(name: str) -> bool:
    """Whether a class around the name changes it (``__name`` becomes ``_Class__name``)."""
    return name[:2] == "__" and name[-2:] != "__" and "." not in name


# Fields that are never written. `returns` and `annotation` occur in no other sense, `annotation` except in AnnAssign.
_LEFT_OUT = frozenset({"ctx", "type_comment", "type_params", "type_ignores", "returns", "simple"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})
_STRINGS = frozenset({ast.JoinedStr, getattr(ast, "TemplateStr", ast.JoinedStr)})

_fields_of: dict[type[ast.AST], tuple[str, ...]] = {ast.arg: ("arg",)}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    fields = _fields_of.get(kind)
    if fields is None:
        fields = _fields_of[kind] = tuple(f for f in kind._fields if f not in _LEFT_OUT)
    return fields


def _opened(function: FunctionNode) -> list[object]:
    """The function itself, as items that are still to be written, last first."""
    arguments = function.args
    body: Sequence[ast.AST]
    body = (
        [function.body] if isinstance(function, ast.Lambda) else _with_effect(function.body, set())
    )
    pending: list[object] = [")", "]", *reversed(body), "[", "body", ")"]
    for field in ("kwarg", "kwonlyargs", "vararg", "args", "posonlyargs"):
        value = getattr(arguments, field)
        if type(value) is list and value:
            pending += ("]", *reversed(value), "[", field)
        elif isinstance(value, ast.AST):
            pending += (value, field)
    pending += ("arguments", "args", type(function).__name__)
    return pending


def _with_effect(block: list[ast.stmt], in_class: set[int]) -> list[ast.stmt]:
    """The statements of a block that do something."""
    return [
        statement
        for statement in block
        if not (
            isinstance(statement, ast.Pass)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            or (
                isinstance(statement, ast.AnnAssign)
                and statement.value is None
                and id(statement) not in in_class
            )
        )
    ]


def _class_annotations(of: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    """The annotated names of a class body, also those under an ``if`` or a ``with`` in it."""
    blocks: list[ast.AST] = list(of.body)
    while blocks:
        node = blocks.pop()
        if isinstance(node, ast.AnnAssign):
            yield node
        elif isinstance(node, (ast.stmt, ast.ExceptHandler)) and not isinstance(node, _NEW_SCOPES):
            blocks += ast.iter_child_nodes(node)


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
