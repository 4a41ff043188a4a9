"""The syntax tree of the code that is running.

A function knows its file and line, but not what the file said when it was imported. So the text
that can be had is compiled again, and a tree in it is taken for a function's only if it compiles to
the very code object that runs. Then it does not matter whether the file was edited since, above the
function or below it, nor where the text came from: a file, a zip archive, a notebook's cell, a
doctest.

What was compiled once is kept. So are texts (see `texts`), so that code which was imported before
an edit and code which was imported after it are both found.
"""

from __future__ import annotations
import __future__

import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType
from typing import TypeVar

from funes._code import source_cache
from funes._code.parse import Fragment, SourceFunction
from funes._code.source_cache import Text


def written(function: FunctionType) -> SourceFunction | None:
    """The function as its source says it; None if no text compiles to the code that is running."""
    code = function.__code__
    known = _known.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    for text in source_cache.of(code.co_filename, function.__globals__):
        found = _find(text, code)
        if found is not None:
            _known[id(code)] = (weakref.ref(code, partial(_forget, id(code))), found)
            return found
    return None


def statement_of(function: FunctionType) -> tuple[Text, int, int] | None:
    """Returns the text that holds a function, and the first line and the end of its outermost statement.

    Lines are counted from 0. The statement is the whole text if the function was found only so. None if no text
    compiles to the code that is running.
    """
    code = function.__code__
    for text in source_cache.of(code.co_filename, function.__globals__):
        start, end = _statement_around(text.lines, code.co_firstlineno - 1)
        if _piece(text, start, end, code).find(code):
            return text, start, end
        if _find(text, code):
            return text, 0, len(text.lines)
    return None


# By the address of a code object, since its hash and equality compare all that is in it.
_known: dict[int, tuple[weakref.ref[CodeType], SourceFunction]] = {}


def _forget(address: int, _code: weakref.ref[CodeType]) -> None:
    _known.pop(address, None)


def _find(text: Text, code: CodeType) -> SourceFunction | None:
    """The function in this text that compiles to `code`, if there is one."""
    # A few lines compile in a hundredth of the time that a long file takes. Which lines is a
    # guess, but what is found in them is put to the same test.
    start, end = _statement_around(text.lines, code.co_firstlineno - 1)
    return (
        _piece(text, start, end, code).find(code)
        or _piece(text, 0, len(text.lines), code).find(code)
        or _rewritten(text, code)
    )


def _rewritten(text: Text, code: CodeType) -> SourceFunction | None:
    if "_pytest.assertion.rewrite" not in sys.modules:
        return None
    return _piece(text, 0, len(text.lines), code, is_rewritten=True).find(code)


def _piece(
    text: Text, start: int, end: int, code: CodeType, *, is_rewritten: bool = False
) -> Fragment:
    flags = code.co_flags & _FUTURE_FLAGS
    key = (start, end, flags, is_rewritten)
    with source_cache.lock:
        piece = text.pieces.get(key)
        if piece is None:
            lines = text.lines[start:end]
            make = partial(Fragment, text.filename, lines, start, flags, is_rewritten)
            piece = _on_empty_stack(make) or Fragment(text.filename, [], 0, 0, False)
            text.pieces[key] = piece
    return piece


_FUTURE_FLAGS = 0
for _feature in __future__.all_feature_names:
    # `nested_scopes` has a flag that every nested function carries.
    if _feature != "nested_scopes":
        _FUTURE_FLAGS |= getattr(__future__, _feature).compiler_flag


def _statement_around(lines: list[str], line: int) -> tuple[int, int]:
    """Where the outermost statement that holds a line seems to start and end, by the left margin.

    line: counted from 0, as the result is.
    """
    start = min(line, len(lines) - 1)
    while start > 0 and lines[start][0] in _INSIDE:
        start -= 1
    end = start
    while end < len(lines) - 1 and lines[end][0] in _DECORATOR:
        end += 1
    end += 1
    while end < len(lines) and lines[end][0] in _INSIDE:
        end += 1
    return start, end


# What a line begins with that does not begin a statement: an indentation, a bracket that ends ...
_INSIDE = frozenset(" \t\f\r\n#)]}")
_DECORATOR = _INSIDE | {"@"}

_Result = TypeVar("_Result")


def _on_empty_stack(work: Callable[[], _Result]) -> _Result | None:
    """The result of `work`, done in a thread of its own if the stack is too full for it here.

    Else a function that is first called deep in a recursion would be described otherwise than at
    the top. None if an empty stack is too small as well.
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
