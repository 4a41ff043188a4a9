"""The texts of files that functions were made from, as they were then: they may be edited later."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any


class Text:
    """One text of a file."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines
        #: What was compiled of it, for `source` alone.
        self.pieces: dict[tuple[int, int, int, bool], Any] = {}


#: The file name of code objects that cloudpickle has carried.
CARRIED = "<dynamic-code>"

_kept: dict[str, list[Text]] = {}
#: The texts that arrived from other processes. Each holds only the statements that the code there needed.
_arrived: dict[str, list[Text]] = {}
#: The files of them, by the name of the module: each a dict for its order.
_files_of: dict[str, dict[str, None]] = {}
_KEPT = 8  # of one file: enough for an evening of editing and reloading it
_ARRIVED = 64  # of one file: a text arrives with each memorious function of it
lock = threading.RLock()


def remember(function: FunctionType) -> None:
    """Keep the text of a function's file as it is now.

    It may be edited before the function is described, which is when the text is needed. Costs one
    reading of the file, and for each further function of it a look at its date.
    """
    _keep(function.__code__.co_filename, function.__globals__, is_fresh=True)


def arrive(module: str, filename: str, lines: list[str]) -> None:
    """Keeps a text of a module that another process sent with its code."""
    with lock:
        texts = _arrived.setdefault(filename, [])
        if not any(lines == text.lines for text in texts):
            del texts[: 1 - _ARRIVED]
            texts.append(Text(filename, lines))
        files = _files_of.setdefault(module, {})
        files[filename] = None


def of(filename: str, namespace: dict[str, Any]) -> Iterator[Text]:
    """The texts that may be a file's: those that are kept, latest first, then what it says now.

    Code that cloudpickle has carried here does not name its file (from 3.1.3 on): then the texts of its module are
    tried, those that arrived with code from the same process and that of the module's own file.

    namespace: globals of code from the file. Their loader knows the text of a module in a zip file.
    """
    filenames = [filename]
    if filename == CARRIED:
        file = namespace.get("__file__")
        filenames = list(_files_of.get(str(namespace.get("__name__")), ()))
        filenames += [file] if isinstance(file, str) and file not in filenames else []
    tried: list[Text] = []
    for effort in range(3):
        for name in filenames:
            if effort:
                _keep(name, namespace, is_fresh=effort > 1)
            # Another thread may have kept the text meanwhile.
            kept = (*_arrived.get(name, ()), *_kept.get(name, ()))
            for text in reversed(kept):
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
