"""Handles lists that libraries create from sets: their order differs from process to process.

The metaclass or a base class of a library may add lists to a user class, and fill them from a set.
The elements of such a list count, but not their order. The order may also come from the body of the
class, so the order of the names in the body counts instead.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from funes._code import source_cache
from funes._code.source_cache import Text
from funes._code.third_party import is_a, library_of


def body_of(cls: type, namespace: dict[str, Any], *, is_written_to: bool) -> tuple[str, ...] | None:
    """Returns the names that the body of a class binds to values other than functions, in order.

    Args:
        cls: The class.
        namespace: The globals of the class's module.
        is_written_to: True if a base class or metaclass may have added attributes. Otherwise only a
            decorator of a library can have done so.

    Returns:
        None if the class has no source, or if no library can have added attributes.
    """
    filename = namespace.get("__file__")
    codes = (value.__code__ for value in vars(cls).values() if is_a(value, FunctionType))
    filename = filename if isinstance(filename, str) else next(codes, _NO_CODE).co_filename
    for text in source_cache.of(filename, namespace):
        if not is_written_to and not _is_decorated(cls.__name__, text.lines):
            continue
        for statement in _classes(text).get(cls.__qualname__.rpartition("<locals>.")[2], ()):
            bound = list(_bound(statement.body))
            if {name for name, _ in bound} & vars(cls).keys() or not bound:
                if not is_written_to and not _has_library(statement.decorator_list, namespace):
                    return None
                return tuple(name for name, is_code in bound if not is_code)
    return None


def _is_decorated(name: str, lines: list[str]) -> bool:
    """Returns true if a class seems to have a decorator, by a cheap check of the source lines."""
    before = ""
    for line in lines:
        is_statement = name in line and line.split("(")[0].split(":")[0].split() == ["class", name]
        if is_statement and (before.startswith(("@", ")")) or before.endswith(")")):
            return True
        before = line.strip() or before
    return False


def _has_library(decorators: list[ast.expr], namespace: dict[str, Any]) -> bool:
    """Returns true if a decorator comes from a third-party library."""
    names = {
        node.id for each in decorators for node in ast.walk(each) if isinstance(node, ast.Name)
    }
    libraries = (library_of(namespace[name]).partition(".")[0] for name in names & namespace.keys())
    return any(root and root not in sys.stdlib_module_names for root in libraries)


_NO_CODE = (lambda: None).__code__
#: The classes in a source by qualified name, for the last source only.
_parsed: tuple[Text, dict[str, list[ast.ClassDef]]] | None = None


def _classes(text: Text) -> dict[str, list[ast.ClassDef]]:
    global _parsed
    known = _parsed
    if known is not None and known[0] is text:
        return known[1]
    found: dict[str, list[ast.ClassDef]] = {}
    try:
        pending: list[tuple[str, ast.AST]] = [("", ast.parse("".join(text.lines)))]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        pending = []
    while pending:
        around, node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                found.setdefault(f"{around}{child.name}", []).append(child)
                pending.append((f"{around}{child.name}.", child))
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                pending.append(("", child))
            elif isinstance(child, ast.stmt):
                pending.append((around, child))
    _parsed = text, found
    return found


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    """Yields the names that statements bind, each with a flag: true if the name is a function or class."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name, True
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id, False


class _Unordered:
    """A list, tuple or dict whose order does not count."""

    __module__ = "funes"  # part of cache keys, so it stays when the class moves

    def __init__(self, value: object) -> None:
        self.value = value

    def __funes_key__(self) -> object:
        return sorted_through(self.value)


#: One substitute for each value, by the address of the value: state that calls change is tracked by
#: its object, so the substitute must be the same object each time.
_known: dict[int, _Unordered] = {}


def unordered(value: object) -> object:
    """Returns the substitute of a value whose order does not count."""
    return _known.setdefault(id(value), _Unordered(value))


def sorted_through(value: Any) -> Any:
    """Sorts the lists and tuples in a value, if their elements have a reproducible order.

    >>> sorted_through({"a": ["y", "x"]})
    {'a': ['x', 'y']}
    """
    kind = type(value)
    if kind is dict:
        return {key: sorted_through(part) for key, part in value.items()}
    if kind is not list and kind is not tuple:
        return value
    parts = [sorted_through(part) for part in value]
    keys = [_key(part) for part in parts]
    if None not in keys:
        parts = [parts[index] for index in sorted(range(len(parts)), key=keys.__getitem__)]  # type: ignore[arg-type]
    return kind(parts)


def _key(part: Any) -> str | None:
    """Returns a sort key that is equal in every process; None if there is none."""
    kind = type(part)
    if kind in _PLAIN:
        return f"{kind.__name__} {part!r}"
    if kind is tuple or kind is list:
        keys = [_key(inner) for inner in part]
        return None if None in keys else f"{kind.__name__} {keys}"
    if is_a(part, FunctionType) or is_a(part, type):
        return f"code {part.__module__}.{part.__qualname__}"
    return None


_PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))


def without_orders(attributes: dict[str, Any]) -> dict[str, Any]:
    """Removes attributes of a library object that only list or print the elements of another attribute.

    >>> without_orders({"choices": {"a"}, "texts": ["a"], "shown": "a"})
    {'choices': {'a'}}
    """
    sets = [part for part in attributes.values() if type(part) in (set, frozenset) and part]
    if not sets:
        return attributes
    made: list[Any] = [tuple(part) for part in sets]
    made += [list(part) for part in sets]
    for part in sets:
        if all(type(each) in _PLAIN for each in part):
            made += [repr(part), *(sign.join(map(str, part)) for sign in (", ", ",", " ", "|"))]
    return {
        name: part
        for name, part in attributes.items()
        if type(part) not in (tuple, list, str) or not _is_any(part, made)
    }


def _is_any(part: Any, made: list[Any]) -> bool:
    try:
        return any(type(part) is type(each) and part == each for each in made)
    except Exception:  # the comparison of elements may raise anything
        return False
