"""Warnings that point at the user's line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from types import FrameType

from funes.errors import CacheWarning

_OWN = os.path.dirname(__file__) + os.sep
#: The frames of an import, which `warnings.warn` does not count.
_IMPORTING = "<frozen importlib"

#: What the name of an error has in it if a module is missing.
_IMPORT = "ModuleNotFoundError"

#: How many characters of a message are shown, and stored in the place of what cannot be.
_LONGEST = 200


def warn(text: str) -> None:
    """Give a `CacheWarning` at the line outside of funes that led here."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        name = frame.f_code.co_filename
        if name.startswith(_OWN):
            level += 1
        elif not name.startswith(_IMPORTING):
            break
        frame = frame.f_back
    warnings.warn(text, CacheWarning, stacklevel=level)


def grouped(failures: Iterable[tuple[str, str]]) -> list[tuple[int, str]]:
    """Failures as people want to read them: one text for each kind, and how many failures are of it.

    Args:
        failures: The path of what failed, and the reason.

    Example:
        >>> grouped([("a", "gone"), ("b", "gone"), ("c", "c is damaged")])
        [(2, 'gone; the first is a'), (1, 'c is damaged')]
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path, reason in failures:
        kinds.setdefault(reason.replace(path, "the file"), []).append((path, reason))
    told = []
    for kind, found in kinds.items():
        path, reason = found[0]
        cure = " (run it where your code is, or set PYTHONPATH)" if _IMPORT in kind else ""
        if len(found) > 1:
            told.append((len(found), f"{kind}{cure}; the first is {path}"))
        else:
            told.append((1, f"{reason}{cure}" if path in reason else f"{path}: {reason}{cure}"))
    return told


def one_line(error: BaseException) -> str:
    """`ValueError: what happened`, however long the message is."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    message = lines[0] if len(lines[0]) <= _LONGEST else f"{lines[0][:_LONGEST]}..."
    return f"{type(error).__name__}: {message}"
