"""Warnings that point at the user's line."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

from funes.errors import CacheWarning

__all__ = ["one_line", "warn"]

_OWN = os.path.dirname(__file__) + os.sep


def warn(text: str) -> None:
    """Give a `CacheWarning` at the line outside of funes that led here."""
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        if frame.f_back is None:
            break
        frame = frame.f_back
        level += 1
    warnings.warn(text, CacheWarning, stacklevel=level)


def one_line(error: BaseException) -> str:
    """`ValueError: what happened`, however long the message is."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0][:200]}" if message else type(error).__name__
