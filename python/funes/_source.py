"""The syntax tree of the code that is running.

A function knows its file and line, but not what the file said when it was imported. So the text that can be had is
compiled again, and a tree in it is taken for a function's only if it compiles to the very code object that runs. Then
it does not matter whether the file was edited since, above the function or below it, nor where the text came from: a
file, a zip archive, a notebook's cell, a doctest.

A file is compiled once for each text of it. Texts are kept, so that code which was imported before an edit and code
which was imported after it are both found.
"""

from __future__ import annotations

import __future__
import ast
import linecache
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property, partial
from types import CodeType, FunctionType
from typing import Any, NamedTuple, TypeVar

from ._code import nested_codes, same_code
from ._names import Names, names_of
from ._tree import Content, FunctionNode, content

__all__ = ["Written", "remember_text", "written"]


class Written:
    """A function as its source says it: parts are made when they are first asked for, and kept."""

    def __init__(self, node: FunctionNode, private: str, lines: list[str]) -> None:
        self._node = node
        self._lines = lines
        self.private = private  # name of the class around the function, which changes `__name`; "" if there is none

    @cached_property
    def content(self) -> Content:
        """The normalised tree."""
        return content(self._node)

    @cached_property
    def names(self) -> Names:
        """What the function takes from outside."""
        return names_of(self._node, self.private)

    @cached_property
    def source(self) -> str:
        """The text, for people; of a lambda the lines that it stands on."""
        margin = len(self._lines[0]) - len(self._lines[0].lstrip())
        return "".join(line[margin:] if line[:margin].isspace() else line for line in self._lines)


def written(function: FunctionType) -> Written | None:
    """The function as its source says it; None if no text can be had that compiles to the code that is running."""
    code = function.__code__
    known = _known.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    for text in _texts(code.co_filename, function.__globals__):
        found = text.find(code)
        if found is not None:
            key = id(code)
            _known[key] = (weakref.ref(code, lambda _: _known.pop(key, None)), found)
            return found
    return None


def remember_text(function: FunctionType) -> None:
    """Keep the text of a function's file as it is now, for when it has been edited before the function is described.

    Costs one reading of the file, and for further functions of it a look at its date.
    """
    for _ in _texts(function.__code__.co_filename, function.__globals__):
        pass


# By the identity of a code object, since its hash and equality compare all that is in it.
_known: dict[int, tuple[weakref.ref[CodeType], Written]] = {}
_texts_of: dict[str, list[_Text]] = {}
_lock = threading.RLock()
_KEPT_TEXTS = 8  # of one file: enough for an evening of reloading it


def _texts(filename: str, namespace: dict[str, Any]) -> Iterator[_Text]:
    """The texts that may be a file's, likely ones first.

    namespace: globals of code from the file, through which a module's loader tells the text of a module in a zip file.
    """
    kept = _texts_of.setdefault(filename, [])
    yield from reversed(kept)
    for look_again in (False, True):
        if look_again:
            linecache.checkcache(filename)
        lines = linecache.getlines(filename, namespace)
        if lines and not any(lines is text.lines or lines == text.lines for text in kept):
            text = _Text(filename, lines)
            with _lock:
                del kept[: -_KEPT_TEXTS + 1]
                kept.append(text)
            yield text


class _Place(NamedTuple):
    """Where a function stands in a tree."""

    node: FunctionNode
    private: str
    first_line: int
    last_line: int


class _Text:
    """One text of a file, and the functions in it."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines
        self._functions: dict[tuple[int, bool], _Functions] = {}

    def find(self, code: CodeType) -> Written | None:
        """The function in this text that compiles to `code`."""
        flags = code.co_flags & _FUTURE_FLAGS
        for is_rewritten in (False, True) if _pytest_rewriting() else (False,):
            with _lock:
                functions = self._functions.get((flags, is_rewritten))
                if functions is None:
                    functions = _on_empty_stack(partial(self._compiled, flags, is_rewritten))
                    functions = functions or _Functions({}, ())
                    self._functions[flags, is_rewritten] = functions
            for place, compiled in functions.like(code):
                if same_code(compiled, code):
                    return Written(
                        place.node,
                        place.private,
                        self.lines[place.first_line - 1 : place.last_line],
                    )
        return None

    def _compiled(self, flags: int, is_rewritten: bool) -> _Functions:
        source = "".join(self.lines)
        try:
            with warnings.catch_warnings():
                # Whoever compiled this before us has given them.
                warnings.simplefilter("ignore")
                tree = compile(source, self.filename, "exec", flags | ast.PyCF_ONLY_AST, True)
                assert isinstance(tree, ast.Module)
                places = _places(tree, len(self.lines))
                if is_rewritten:
                    # Numbered in the same way, so that its code is found by the places of the tree as written.
                    tree = compile(source, self.filename, "exec", flags | ast.PyCF_ONLY_AST, True)
                    assert isinstance(tree, ast.Module)
                    _places(tree, len(self.lines))
                    _rewrite_asserts(tree, source)
                # A notebook's cell may have `await` outside a function; it changes nothing inside one.
                flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                code = compile(tree, self.filename, "exec", flags, True)
        except (SyntaxError, ValueError, MemoryError):
            return _Functions({}, ())
        return _Functions(places, nested_codes(code))


_FUTURE_FLAGS = 0
for _feature in __future__.all_feature_names:
    # `nested_scopes` has a flag that every nested function carries.
    if _feature != "nested_scopes":
        _FUTURE_FLAGS |= getattr(__future__, _feature).compiler_flag


class _Functions:
    """The functions of a text, with the code that they compile to."""

    def __init__(self, places: dict[tuple[str, int], _Place], codes: Iterable[CodeType]) -> None:
        self._by_name: dict[str, list[tuple[_Place, CodeType]]] = {}
        self._by_line: dict[tuple[str, int], list[tuple[_Place, CodeType]]] = {}
        for code in codes:
            place = places.get((code.co_name, code.co_firstlineno))
            if place is not None:
                self._by_name.setdefault(code.co_name, []).append((place, code))
                self._by_line.setdefault((code.co_name, place.first_line), []).append((place, code))

    def like(self, code: CodeType) -> Iterator[tuple[_Place, CodeType]]:
        """Functions of the same name, those on the same line first: other lines may have been added above."""
        yield from self._by_line.get((code.co_name, code.co_firstlineno), ())
        yield from self._by_name.get(code.co_name, ())


def _places(tree: ast.Module, last_line: int) -> dict[tuple[str, int], _Place]:
    """The functions of a tree, by the name and first line that their code objects will have.

    Lambdas that share a line are given lines of their own, beyond the last, since only so can their code be told
    apart; equal ones share one, because the compiler may have made one of them.
    """
    places: dict[tuple[str, int], _Place] = {}
    lambdas: dict[int, list[tuple[ast.Lambda, str]]] = {}
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, private = pending.pop()
        if isinstance(node, ast.Lambda):
            lambdas.setdefault(node.lineno, []).append((node, private))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            line = node.decorator_list[0].lineno if node.decorator_list else node.lineno
            places[node.name, line] = _Place(node, private, line, node.end_lineno or line)
        elif isinstance(node, ast.ClassDef):
            pending += (
                (child, private) for child in (*node.decorator_list, *node.bases, *node.keywords)
            )
            pending += ((child, node.name.lstrip("_")) for child in node.body)
            continue
        pending += ((child, private) for child in ast.iter_child_nodes(node))
    for line, group in sorted(lambdas.items()):
        numbers: dict[str, int] = {}
        for function, private in reversed(group):
            place = _Place(function, private, line, function.end_lineno or line)
            if len(group) > 1:
                number = numbers.setdefault(ast.dump(function), last_line + len(numbers) + 1)
                function.lineno = function.end_lineno = number
                function.end_col_offset = max(function.col_offset, function.end_col_offset or 0)
                places["<lambda>", number] = place
            else:
                places["<lambda>", line] = place
        last_line += len(numbers)
    return places


def _pytest_rewriting() -> bool:
    return "_pytest.assertion.rewrite" in sys.modules


def _rewrite_asserts(tree: ast.Module, source: str) -> None:
    """Change the tree as pytest does with the modules of tests."""
    rewrite: Any = sys.modules["_pytest.assertion.rewrite"]
    hooks = (hook for hook in sys.meta_path if isinstance(hook, rewrite.AssertionRewritingHook))
    hook: Any = next(hooks, None)
    with suppress(
        Exception
    ):  # another version's pytest: then the code does not match, and that is all
        rewrite.rewrite_asserts(
            tree, source.encode(), None, hook.config if hook is not None else None
        )


_Result = TypeVar("_Result")


def _on_empty_stack(work: Callable[[], _Result]) -> _Result | None:
    """The result of `work`, done in a thread of its own if the stack is too full here; None if that is too small too.

    Else a function that is first called deep in a recursion would be described otherwise than at the top.
    """
    results: list[_Result] = []

    def attempt() -> None:
        with suppress(RecursionError):
            results.append(work())

    attempt()
    if not results:
        thread = threading.Thread(target=attempt, name="funes-parser")
        thread.start()
        thread.join()
    return results[0] if results else None


def _forget_lock() -> None:
    global _lock
    _lock = threading.RLock()  # a thread that does not exist in this process may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
