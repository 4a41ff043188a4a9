"""Keeps the source of files as it was when functions were created, since files may be edited later."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import FunctionType
from typing import Any


class Text:
    """The source of a file at one time."""

    def __init__(self, filename: str, lines: list[str]) -> None:
        self.filename = filename
        self.lines = lines
        #: The compiled fragments, for `source` only.
        self.pieces: dict[tuple[int, int, int, bool], Any] = {}


#: The file name of code objects that come from a pickle of cloudpickle.
CARRIED = "<dynamic-code>"

_kept: dict[str, list[Text]] = {}
#: The sources that arrived from other processes, by file name. Each source contains only the
#: statements that the sent code needs.
_arrived: dict[str, list[Text]] = {}
#: The files of these sources by module name, as ordered sets.
_files_of: dict[str, dict[str, None]] = {}
_MAX_KEPT = 8  # per file: enough for an evening of editing and reloading
_MAX_ARRIVED = 64  # per file: a source arrives with each memorious function of the file
lock = threading.RLock()


def remember(function: FunctionType) -> None:
    """Keeps the current source of a function's file.

    The source is needed when the function is described; the file may be edited before that. The
    first function of a file costs one read of the file, each further function one `stat`.
    """
    _keep(function.__code__.co_filename, function.__globals__, is_fresh=True)


def keep_received(module: str, filename: str, lines: list[str]) -> None:
    """Keeps the source of a module that another process sent with its code."""
    with lock:
        texts = _arrived.setdefault(filename, [])
        if not any(lines == text.lines for text in texts):
            del texts[: 1 - _MAX_ARRIVED]
            texts.append(Text(filename, lines))
        files = _files_of.setdefault(module, {})
        files[filename] = None


def of(filename: str, namespace: dict[str, Any]) -> Iterator[Text]:
    """Yields possible sources of a file: those that are kept, latest first, then the current content.

    Code from a pickle of cloudpickle has no file name (from 3.1.3 on). Then the sources of the code's
    module are tried: those that arrived with code from the same process, and the module's own file.

    namespace: The globals of code from the file. Their loader has the source of modules in a zip
        file.
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
            # Another thread may have added a source meanwhile.
            kept = (*_arrived.get(name, ()), *_kept.get(name, ()))
            for text in reversed(kept):
                if text not in tried:
                    tried.append(text)
                    yield text


def _keep(filename: str, namespace: dict[str, Any], *, is_fresh: bool) -> None:
    """Keeps the source of a file. If `is_fresh` is true, the file is read again if it has changed."""
    import linecache

    with lock:
        if is_fresh:
            linecache.checkcache(filename)
        lines = linecache.getlines(filename, namespace)
        kept = _kept.setdefault(filename, [])
        if lines and not any(lines is text.lines or lines == text.lines for text in kept):
            del kept[: 1 - _MAX_KEPT]
            kept.append(Text(filename, lines))


def _renew_lock() -> None:
    global lock
    lock = threading.RLock()  # a thread of the parent process may hold the old lock


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
