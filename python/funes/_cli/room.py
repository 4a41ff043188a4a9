"""How much room a folder takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from funes._entries.files import Removed

__all__ = ["room_of"]


def room_of(folder: Path) -> Removed:
    """Number and sizes of the files in a folder and all those below; links are not followed."""
    size, files = 0, 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                size += os.lstat(os.path.join(place, name)).st_size
                files += 1
    return Removed(files, size)
