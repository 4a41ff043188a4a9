"""Normalizes the syntax tree of a function to a value that is equal on every Python version.

`content` converts a tree to one flat tuple of tokens. A node is its type, the names and values of
its fields, and ``)``; a list is enclosed in ``[`` and ``]``. The most frequent nodes are shorter: a
name or a constant is its type and one value; an attribute is its type, its name and the node before
the dot; an operator is its type only. Constants keep their types, so that 1, 1.0 and True differ.
The position of each token determines its meaning, so different trees always give different tuples.
The tuple is flat and is built without recursion, because an expression may be nested deeper than
the interpreter's stack.

These parts are omitted, because they cannot change a result, or are unified between versions:

================================================  ==================================================
part of the tree                                  treatment
================================================  ==================================================
positions, ``ctx``, ``type_comment``              omitted: they follow from the rest, or are
                                                  comments
``Constant.kind`` (``u"text"``)                   omitted
docstrings, ``pass``, ``...``, a lone constant    omitted: statements without effect
annotations of parameters, ``returns``            omitted
annotated assignment in a function                kept as an assignment; omitted if it has no value
                                                  (`scopes` records that the name is local)
annotated assignment in a nested class            kept: dataclasses and similar tools read it
``type_params`` (3.12)                            kept in nested code if they have a bound or a
                                                  default (3.13), else omitted
empty lists and ``None``                          omitted: a field that is new in some version is
                                                  absent before it, and empty where it is not used
f-strings: adjacent and empty constants           joined, dropped: 3.11 and 3.12 end a format spec
                                                  with an empty one
``except*`` (3.11), ``type`` (3.12), template     kept: older versions cannot run them
strings (3.14)
``except`` without brackets (3.14)                has the same tree as with brackets
``is_lazy`` of imports (3.15)                     omitted: a function cannot import lazily
================================================  ==================================================

The name, the decorators and the defaults of the function itself are omitted too, since they are
taken from the running object. Those of nested functions are kept, since they run with the function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from funes._code.identity_keys import Lookup, lookups_in
from funes._code.read_parts import ALL_READERS, PART_OF_ATTRIBUTE, may_name_part, parts_named_in

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Content(NamedTuple):
    """The normalized tree of a function, and other properties of its code."""

    tokens: tuple[object, ...]
    #: True if the function uses a name like `__name`, whose meaning depends on the enclosing class.
    has_private_names: bool
    #: True if the function uses `assert` or `__debug__`, whose meaning depends on `python -O`.
    has_assert: bool
    #: The uses of attributes of `PART_OF_ATTRIBUTE`: the attribute, and the path of the object from which it is
    #: read; () if the object is no path of names.
    asks: frozenset[tuple[str, tuple[str, ...]]]
    #: The bits of `read_parts` for attributes of `PART_OF_ATTRIBUTE` that string constants of the function
    #: contain.
    named_parts: int
    #: The paths of the expressions that give attribute names at run time; () for an expression that
    #: is no path.
    named_by: frozenset[tuple[str, ...]]
    #: The attributes of `ALL_READERS` that the function reads from any object.
    readers: frozenset[str]
    #: The paths of the values that the function passes to other code, and does not only call or
    #: compare.
    passed: frozenset[tuple[str, ...]]
    #: The lookups with a variable as the key.
    lookups: frozenset[Lookup]
    #: The docstrings of nested functions and classes, and the annotations of nested functions.
    docstrings: tuple[str, ...]
    annotations: tuple[str, ...]


def content(function: FunctionNode) -> Content:
    """Normalizes the tree of a function, without the parts that cannot change its result.

    >>> content(ast.parse("lambda x: x + 1", mode="eval").body).tokens[-8:]
    ('left', 'Name', 'x', 'op', 'Add', 'right', 'Constant', 1, ')', ']', ')')[-8:]
    """
    out: list[object] = []
    emit = out.append
    has_assert = False
    in_class: set[int] = set()
    asks: set[tuple[str, tuple[str, ...]]] = set()
    named_parts = 0
    named_by: set[tuple[str, ...]] = set()
    readers: set[str] = set()
    passed: set[tuple[str, ...]] = set()
    lookups: set[Lookup] = set()
    #: The addresses of the names and attributes that are not passed to other code.
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
            if item.attr in PART_OF_ATTRIBUTE:
                asks.add((item.attr, _chain(item)))
            elif item.attr in ALL_READERS:
                readers.add(item.attr)
        elif kind is ast.Constant:
            if item.value is ...:
                emit("Ellipsis")  # a node type, so that tokens need not contain the object `...`
            else:
                emit("Constant")
                emit(item.value)
                if type(item.value) is str:
                    named_parts |= parts_named_in(item.value)
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
            if kind in _LOOKUPS:
                lookups.update(lookups_in(item))
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
                    elif field == "type_params":
                        value = list(filter(_has_parts, value))
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
        named_parts,
        frozenset(named_by),
        frozenset(readers),
        frozenset(passed),
        frozenset(lookups),
        tuple(docstrings),
        tuple(annotations),
    )


def is_private(name: str) -> bool:
    """Returns true for a name that an enclosing class mangles (``__name`` becomes ``_Class__name``)."""
    return name[:2] == "__" and name[-2:] != "__" and "." not in name


def _chain(node: ast.expr) -> tuple[str, ...]:
    """Returns the path of an expression as in `scopes`; () if it is no path.

    ``a.b`` gives ``("a", "b")``, and ``a["b"]`` gives ``("a", "['b']")``.
    """
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
    """Returns true for a string literal."""
    return isinstance(node, ast.Constant) and type(node.value) is str


def _names_of_attribute(call: ast.Call) -> Iterator[tuple[str, ...]]:
    """Yields the paths of a call's arguments that are names of attributes; () for an argument that is no path."""
    chain = _chain(call.func)
    by = chain[-1:] or ((call.func.attr,) if isinstance(call.func, ast.Attribute) else ())
    if by == ("getattr",):
        arguments = call.args[1:2]
    elif by in (("attrgetter",), ("__getattribute__",)):
        arguments = call.args
    else:
        return
    for argument in arguments:
        if may_name_part(*_ends(argument)):
            yield _chain(argument)


def _ends(text: ast.expr) -> tuple[str, str]:
    """Returns the constant start and the constant end of a string expression; each is empty if not constant."""
    if isinstance(text, ast.Constant):
        # String constants are checked together, see `Content.named_parts`.
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
    """Yields the parts of a node that may use a class, but read neither its docstring nor its annotations."""
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
_LOOKUPS = frozenset((ast.Call, ast.Compare, ast.Subscript))
_USES = frozenset(
    (ast.Call, ast.ClassDef, ast.Compare, ast.ExceptHandler, ast.MatchClass, ast.Raise)
)
# Builtins that read neither the docstrings nor the annotations of their arguments.
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
# The fields that are always omitted. The entry for `ast.arg` below omits annotations of parameters.
_OMITTED = frozenset({"ctx", "is_lazy", "type_comment", "type_ignores", "returns", "simple"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})
_STRINGS = frozenset({ast.JoinedStr, getattr(ast, "TemplateStr", ast.JoinedStr)})

_fields_of: dict[type[ast.AST], tuple[str, ...]] = {ast.arg: ("arg",)}


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Returns the fields of a node type that are kept, the last field first, as the stack needs them."""
    fields = _fields_of.get(kind)
    if fields is None:
        fields = tuple(field for field in reversed(kind._fields) if field not in _OMITTED)
        _fields_of[kind] = fields
    return fields


def _opened(function: FunctionNode) -> list[Any]:
    """Returns the parts of a function as a stack of items, the last part first."""
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
    """Returns the statements of a block that have an effect.

    in_class: The addresses of the annotated names in nested classes.
    """

    def has_effect(statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Expr):
            return not isinstance(statement.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign):
            return statement.value is not None or id(statement) in in_class
        return not isinstance(statement, ast.Pass)

    return list(filter(has_effect, block))


def _class_annotations(of: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    """Yields the annotated names of a class body, including those under an ``if`` or a ``with``."""
    blocks: list[ast.AST] = list(of.body)
    while blocks:
        node = blocks.pop()
        if isinstance(node, ast.AnnAssign):
            yield node
        elif isinstance(node, _BLOCK_HOLDERS) and not isinstance(node, _NEW_SCOPES):
            blocks += ast.iter_child_nodes(node)


_BLOCK_HOLDERS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_NEW_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _has_parts(parameter: Any) -> bool:
    """True for a type parameter with a bound, constraints or a default."""
    parts = (getattr(parameter, name, None) for name in ("bound", "default_value"))
    return any(part is not None for part in parts)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Returns the parts of an f-string, with adjacent constants joined and empty ones dropped."""
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
