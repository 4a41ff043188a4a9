"""Warnings at the user's line of code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from types import FrameType

from funes.errors import CacheWarning

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
    warnings.warn(text, CacheWarning, stacklevel=level)


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
    """Returns `ValueError: what happened` in one line, shortened if it is long."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # `__str__` of the user may fail
        lines = []
    if not lines:
        return type(error).__name__
    message = lines[0] if len(lines[0]) <= _LONGEST else f"{lines[0][:_LONGEST]}..."
    return f"{type(error).__name__}: {message}"


def safe_repr(value: object) -> str:
    """Returns the `repr` of a value. Never raises."""
    try:
        return repr(value)
    except Exception:  # `__repr__` of the user may fail
        return f"<{type(value).__name__} that cannot be shown>"
