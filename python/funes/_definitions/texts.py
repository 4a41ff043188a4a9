"""The texts of files that functions were made from, as they were then: they may be edited later."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any

__all__ = ["Text", "lock", "of", "remember"]


class Text:
    """One text of a file."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines
        #: What was compiled of it, for `source` alone.
        self.pieces: dict[tuple[int, int, int, bool], Any] = {}


_kept: dict[str, list[Text]] = {}
_KEPT = 8  # of one file: enough for an evening of editing and reloading it
lock = threading.RLock()


def remember(function: FunctionType) -> None:
    """Keep the text of a function's file as it is now.

    It may be edited before the function is described, which is when the text is needed. Costs one
    reading of the file, and for each further function of it a look at its date.
    """
    _keep(function.__code__.co_filename, function.__globals__, is_fresh=True)


def of(filename: str, namespace: dict[str, Any]) -> Iterator[Text]:
    """The texts that may be a file's: those that are kept, latest first, then what it says now.

    namespace: globals of code from the file. Their loader knows the text of a module in a zip file.
    """
    tried: list[Text] = []
    for effort in range(3):
        if effort:
            _keep(filename, namespace, is_fresh=effort > 1)
        # Another thread may have kept the text meanwhile.
        for text in reversed(tuple(_kept.get(filename, ()))):
            if text not in tried:
                tried.append(text)
                yield text


def _keep(filename: str, namespace: dict[str, Any], *, is_fresh: bool) -> None:
    """Keep the text of a file; `is_fresh`: not as it was read before, if it has changed since."""
    import linecache

    with lock:
        if is_fresh:
            linecache.checkcache(filename)
        lines = linecache.getlines(filename, namespace)
        kept = _kept.setdefault(filename, [])
        if lines and not any(lines is text.lines or lines == text.lines for text in kept):
            del kept[: 1 - _KEPT]
            kept.append(Text(filename, lines))


def _renew_lock() -> None:
    global lock
    lock = threading.RLock()  # a thread that does not exist in this process may hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
