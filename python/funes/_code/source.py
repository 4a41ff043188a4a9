"""Finds the source of the code that is running.

A function knows its file and line, but not the content of the file at import time. So the available
source is compiled again, and a tree is used for a function only if it compiles to exactly the code
object that runs. Then later edits of the file do not matter, nor does the origin of the source: a
file, a zip archive, a notebook cell or a doctest.

Compiled fragments are cached. Sources are cached too (see `source_cache`), so that code from before an
edit and code from after the edit are both found.
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


def find_source(function: FunctionType) -> SourceFunction | None:
    """Returns the source of a function; None if no source compiles to the running code."""
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
    """Returns the source that contains a function, and the range of lines of its outermost statement.

    Lines are counted from 0. If the function was found only in the whole source, the range is the
    whole source. Returns None if no source compiles to the running code.
    """
    code = function.__code__
    for text in source_cache.of(code.co_filename, function.__globals__):
        start, end = _statement_around(text.lines, code.co_firstlineno - 1)
        if _piece(text, start, end, code).find(code):
            return text, start, end
        if _find(text, code):
            return text, 0, len(text.lines)
    return None


# The keys are addresses of code objects, since hash and equality of a code object use its whole
# content.
_known: dict[int, tuple[weakref.ref[CodeType], SourceFunction]] = {}


def _forget(address: int, _code: weakref.ref[CodeType]) -> None:
    _known.pop(address, None)


def _find(text: Text, code: CodeType) -> SourceFunction | None:
    """Returns the function in a source that compiles to `code`, if there is one."""
    # A few lines compile in a hundredth of the time that a long file takes. The range of lines is a
    # guess, but the compiled code is checked in the same way.
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
    # The flag of `nested_scopes` is set for every nested function.
    if _feature != "nested_scopes":
        _FUTURE_FLAGS |= getattr(__future__, _feature).compiler_flag


def _statement_around(lines: list[str], line: int) -> tuple[int, int]:
    """Guesses the first line and the end of the outermost statement around a line, by indentation.

    line: The line, counted from 0 like the result.
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


# First characters of lines that do not start a statement: indentation, comments, closing brackets.
_INSIDE = frozenset(" \t\f\r\n#)]}")
_DECORATOR = _INSIDE | {"@"}

_Result = TypeVar("_Result")


def _on_empty_stack(work: Callable[[], _Result]) -> _Result | None:
    """Runs `work`, in a separate thread if it reaches the recursion limit on this stack.

    Otherwise, a function that is first called deep in a recursion would be described in another way
    than at the top. Returns None if an empty stack is too small as well.
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
