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

from funes._code.read_parts import ALL_READERS, ASKED, asked_in, may_spell

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Content(NamedTuple):
    """A function's tree, and what of its surroundings changes its meaning."""

    tokens: tuple[object, ...]
    #: `__name`, whose meaning depends on the class around it.
    has_private_names: bool
    #: `assert` or `__debug__`, whose meaning depends on `python -O`.
    has_assert: bool
    #: Where it reads an attribute of `ASKED`: the attribute, and its chain of names; () if it is no such chain.
    asks: frozenset[tuple[str, tuple[str, ...]]]
    #: What is read by the attributes that its texts spell, see `reading`.
    spelled: int
    #: Chains of names that give the name of an attribute that it takes; () for any other expression.
    named_by: frozenset[tuple[str, ...]]
    #: Attributes of `ALL_READERS` that it takes of anything.
    readers: frozenset[str]
    #: Names, with attributes taken from them, that it passes on: neither called, nor only compared.
    passed: frozenset[tuple[str, ...]]
    #: The docstrings of nested functions and classes, and the annotations of nested functions.
    docstrings: tuple[str, ...]
    annotations: tuple[str, ...]


def content(function: FunctionNode) -> Content:
    """The tree of a function, without what cannot change its result.

    >>> content(ast.parse("lambda x: x + 1", mode="eval").body).tokens[-8:]
    ('left', 'Name', 'x', 'op', 'Add', 'right', 'Constant', 1, ')', ']', ')')[-8:]
    """
    out: list[object] = []
    emit = out.append
    has_assert = False
    in_class: set[int] = set()
    asks: set[tuple[str, tuple[str, ...]]] = set()
    spelled = 0
    named_by: set[tuple[str, ...]] = set()
    readers: set[str] = set()
    passed: set[tuple[str, ...]] = set()
    #: Addresses of names and attributes that are not passed on.
    used: set[int] = set()
    called: set[int] = set()
    docstrings: list[str] = []
    annotations: list[str] = []
    pending = _opened(function)
    take, put = pending.pop, pending.append
    while pending:
        item = take()
        kind = type(item)
        if kind is ast.Name:
            emit("Name")
            emit(item.id)
            if id(item) not in used:
                passed.add((item.id,))
            if item.id == "getattr" and id(item) not in called:
                named_by.add(())
        elif kind is ast.Attribute:
            emit("Attribute")
            emit(item.attr)
            put(item.value)
            used.add(id(item.value))
            if id(item) not in used:
                passed.add(_chain(item))
            if item.attr in ASKED:
                asks.add((item.attr, _chain(item)))
            elif item.attr in ALL_READERS:
                readers.add(item.attr)
        elif kind is ast.Constant:
            if item.value is ...:
                emit("Ellipsis")  # a node of its own: the value encoding need not know it
            else:
                emit("Constant")
                emit(item.value)
                if type(item.value) is str:
                    spelled |= asked_in(item.value)
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
                docstrings += _docstring(item)
            elif kind in _NEW_SCOPES:
                docstrings += _docstring(item)
                annotations += _annotations(item)
            elif kind is ast.Call:
                called.add(id(item.func))
                named_by.update(_names_of_attribute(item))
            if kind in _CHAINED and id(item) not in used:
                passed.add(_chain(item))
            if kind in _USES:
                used.update(map(id, _only_used(item)))
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
    return Content(
        tuple(out),
        any(map(is_private, names)),
        has_assert or "__debug__" in names,
        frozenset(asks),
        spelled,
        frozenset(named_by),
        frozenset(readers),
        frozenset(passed),
        tuple(docstrings),
        tuple(annotations),
    )


def is_private(name: str) -> bool:
    """Whether a class around the name changes it (``__name`` becomes ``_Class__name``)."""
    return name[:2] == "__" and name[-2:] != "__" and "." not in name


def _chain(node: ast.expr) -> tuple[str, ...]:
    """A chain as `names` has it: ``("a", "b")`` for ``a.b``, ``("a", "['b']")`` for ``a["b"]``; () if it is none."""
    attributes: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript) and is_text(node.slice):
            attributes.append(f"[{node.slice.value!r}]")  # type: ignore[attr-defined]
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr != "get" or not node.args or not is_text(node.args[0]):
                return ()
            attributes.append(f"[{node.args[0].value!r}]")  # type: ignore[attr-defined]
            node = node.func
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id != "getattr" or len(node.args) < 2 or not is_text(node.args[1]):
                return ()
            attributes.append(node.args[1].value)  # type: ignore[attr-defined]
            node = node.args[0]
        else:
            return ()
    return (node.id, *reversed(attributes))


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a literal text."""
    return isinstance(node, ast.Constant) and type(node.value) is str


def _names_of_attribute(call: ast.Call) -> Iterator[tuple[str, ...]]:
    """What gives the name of an attribute that a call takes: a chain of names, or () for another expression."""
    chain = _chain(call.func)
    by = chain[-1:] or ((call.func.attr,) if isinstance(call.func, ast.Attribute) else ())
    if by == ("getattr",):
        arguments = call.args[1:2]
    elif by in (("attrgetter",), ("__getattribute__",)):
        arguments = call.args
    else:
        return
    for argument in arguments:
        if may_spell(*_ends(argument)):
            yield _chain(argument)


def _ends(text: ast.expr) -> tuple[str, str]:
    """The start and the end of a text, as far as its expression says them."""
    if isinstance(text, ast.Constant):
        # What it spells is looked at with all other texts.
        return "a constant", ""
    if isinstance(text, ast.JoinedStr) and text.values:
        return _ends_of_constant(text.values[0])[0], _ends_of_constant(text.values[-1])[1]
    if isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        return _ends_of_constant(text.left)[0], _ends_of_constant(text.right)[1]
    return "", ""


def _ends_of_constant(text: ast.expr) -> tuple[str, str]:
    is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
    return (text.value, text.value) if is_text else _ends(text)  # type: ignore[attr-defined]


def _only_used(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node for which it does not matter what a class says of itself but for its code."""
    if isinstance(node, ast.Call):
        yield node.func
        if isinstance(node.func, ast.Name) and node.func.id in _HARMLESS:
            yield from node.args
            yield from (part for keyword in node.keywords for part in ast.iter_child_nodes(keyword))
            # `isinstance(x, (A, B))`
            for argument in node.args:
                if isinstance(argument, ast.Tuple):
                    yield from argument.elts
    elif isinstance(node, ast.Compare):
        yield node.left
        yield from node.comparators
    elif isinstance(node, ast.Raise):
        yield from ast.iter_child_nodes(node)
    elif isinstance(node, ast.ExceptHandler) and node.type is not None:
        yield node.type
        if isinstance(node.type, ast.Tuple):
            yield from node.type.elts
    elif isinstance(node, ast.MatchClass):
        yield node.cls
    elif isinstance(node, ast.ClassDef):
        yield from node.bases


_CHAINED = frozenset((ast.Call, ast.Subscript))
_USES = frozenset(
    (ast.Call, ast.ClassDef, ast.Compare, ast.ExceptHandler, ast.MatchClass, ast.Raise)
)
# Builtins that read neither docstrings nor annotations of what they get.
_HARMLESS = frozenset(
    (
        "abs",
        "all",
        "any",
        "bool",
        "callable",
        "dict",
        "enumerate",
        "filter",
        "float",
        "frozenset",
        "getattr",
        "hasattr",
        "hash",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "zip",
    )
)


def _docstring(node: ast.AST) -> Iterator[str]:
    body = getattr(node, "body", None)
    if type(body) is list and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _annotations(node: ast.AST) -> Iterator[str]:
    for part in ast.iter_child_nodes(getattr(node, "args", node)):
        if isinstance(part, ast.arg) and part.annotation is not None:
            yield f"{part.arg}: {ast.unparse(part.annotation)}"
    returns = getattr(node, "returns", None)
    if returns is not None:
        yield f"return: {ast.unparse(returns)}"


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
