"""The age of entries, for functions whose entries expire."""

from __future__ import annotations

import os
import time


def is_expired(stored: float, max_age: float | None) -> bool:
    """Returns whether an entry is expired.

    Args:
        stored: The time stamp of its file, in seconds since 1970. A stamp in the future counts like one that is as far
            in the past, since a clock was wrong.
        max_age: The age in seconds from which an entry is expired; None for never.
    """
    return max_age is not None and abs(time.time() - stored) >= max_age


def is_file_expired(path: str | os.PathLike[str], max_age: float | None) -> bool:
    """Returns whether the entry in a file is expired; False if there is no file."""
    if max_age is None:
        return False
    try:
        return is_expired(os.lstat(path).st_mtime, max_age)
    except OSError:
        return False
