"""Warnings at the user's line of code, and lines beside progress bars."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from funes.errors import CacheWarning, FunesError

_OWN = os.path.dirname(__file__) + os.sep
#: File names of the import system, whose frames `warnings.warn` does not count.
_IMPORTING = "<frozen importlib"

#: The name of the error for a missing module, as it occurs in messages.
_IMPORT = "ModuleNotFoundError"

#: The maximum number of characters of a message that are shown, or stored in place of an argument
#: that cannot be stored.
_LONGEST = 200


def warn(text: str) -> None:
    """Gives a `CacheWarning` at the innermost line outside of funes."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OWN):
            level += 1
        elif not name.startswith(_IMPORTING):
            break
        frame = frame.f_back
    with beside_bars():
        warnings.warn(text, CacheWarning, stacklevel=level)


@contextmanager
def beside_bars() -> Iterator[None]:
    """Makes room for lines on standard error where tqdm shows progress bars, and draws the bars again below.

    In a worker process, the line at the cursor may be a bar of the parent process. It is erased; the parent draws it
    again.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    erase = erasure()
    if erase:
        with suppress(Exception):
            sys.stderr.write(erase)
        yield
    elif getattr(tqdm, "_instances", None):
        with tqdm.external_write_mode(file=sys.stderr):
            yield
    else:
        yield


#: The control codes that move the cursor to the start of its line and erase the line.
ERASE_LINE = "\r\x1b[K"

_PROCESS = os.getpid()


def erasure() -> str:
    """Returns what a worker process writes to standard error before a line, since its parent may show a bar there."""
    return ERASE_LINE if _is_worker() and can_erase(sys.stderr) else ""


def _is_worker() -> bool:
    """Returns whether this process was forked, or is one of `multiprocessing`: its bars are those of its parent."""
    if os.getpid() != _PROCESS:
        return True
    parent_process = getattr(sys.modules.get("multiprocessing"), "parent_process", None)
    return parent_process is not None and parent_process() is not None


def can_erase(stream: Any) -> bool:
    """Returns whether a stream is a terminal that understands `ERASE_LINE`."""
    try:
        is_terminal = stream.isatty()
    except (AttributeError, ValueError):  # there is no stream, or it is closed
        return False
    return is_terminal and sys.platform != "win32" and os.environ.get("TERM") != "dumb"


def grouped(failures: Iterable[tuple[str, str]]) -> list[tuple[int, str]]:
    """Groups failures by their reasons. Returns, for each reason, the number of failures and a message.

    Args:
        failures: Paths of files that failed, each with the reason.

    Example:
        >>> grouped([("a", "gone"), ("b", "gone"), ("c", "c is damaged")])
        [(2, 'gone; the first is a'), (1, 'c is damaged')]
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path, reason in failures:
        kinds.setdefault(reason.replace(path, "the file"), []).append((path, reason))
    texts = []
    for kind, found in kinds.items():
        path, reason = found[0]
        cure = " (run it where your code is, or set PYTHONPATH)" if _IMPORT in kind else ""
        if len(found) > 1:
            texts.append((len(found), f"{kind}{cure}; the first is {path}"))
        else:
            texts.append((1, f"{reason}{cure}" if path in reason else f"{path}: {reason}{cure}"))
    return texts


def one_line(error: BaseException) -> str:
    """Returns `ValueError: what happened` in one line, shortened if it is long.

    The name of the class is left out for errors of funes and of the operating system, whose text says enough.

    Example:
        >>> one_line(ValueError("too large"))
        'ValueError: too large'
        >>> one_line(FileNotFoundError(2, "No such file or directory", "a/b"))
        'a/b: no such file or directory'
    """
    text = _system_text(error) if isinstance(error, OSError) else None
    if text is None:
        try:
            lines = str(error).strip().splitlines()
        except Exception:  # `__str__` of the user may fail
            lines = []
        if not lines:
            return type(error).__name__
        message = lines[0] if len(lines[0]) <= _LONGEST else f"{lines[0][:_LONGEST]}..."
        text = message if isinstance(error, FunesError) else f"{type(error).__name__}: {message}"
    return text


def _system_text(error: OSError) -> str | None:
    """Returns what an `OSError` says without its number; None if it says nothing of its own."""
    text, path = error.strerror, error.filename
    if not isinstance(text, str) or not text or type(error).__module__ != "builtins":
        return None
    doing, cause = "", text
    if text.startswith("could not "):
        doing, _, cause = text.rpartition(": ")
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    what = " ".join(str(part) for part in (doing, path) if part or isinstance(part, int))
    if cause[1:2].islower():
        cause = cause[0].lower() + cause[1:]
    return f"{what}: {cause}" if what else cause


def safe_repr(value: object) -> str:
    """Returns the `repr` of a value. Never raises."""
    try:
        return repr(value)
    except Exception:  # `__repr__` of the user may fail
        return f"<{type(value).__name__} that cannot be shown>"
