"""Warnings that point at the user's line."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

from funes.errors import CacheWarning

__all__ = ["one_line", "warn"]

_OWN = os.path.dirname(__file__) + os.sep
#: The frames of an import, which `warnings.warn` does not count.
_IMPORTING = "<frozen importlib"

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


def one_line(error: BaseException) -> str:
    """`ValueError: what happened`, however long the message is."""
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    message = lines[0] if len(lines[0]) <= _LONGEST else f"{lines[0][:_LONGEST]}..."
    return f"{type(error).__name__}: {message}"
