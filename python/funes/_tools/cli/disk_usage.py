"""Measures how much room a folder takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from funes._results.stored_files import DeletedFiles

#: The unit of `st_blocks`, whatever the blocks of the file system are.
_BLOCK_BYTES = 512


def room_of(folder: Path) -> DeletedFiles:
    """Number and sizes of the files in a folder and all those below; links are not followed."""
    sizes = [status.st_size for status in _files(folder)]
    return DeletedFiles(len(sizes), sum(sizes))


def disk_room_of(folder: Path, seen: set[tuple[int, int]]) -> DeletedFiles:
    """The same with the bytes that the files take on disk.

    Args:
        folder: The folder.
        seen: Takes device and number of each file. A file that is in there already does not count.
    """
    files, size = 0, 0
    for status in _files(folder):
        place = status.st_dev, status.st_ino
        if status.st_ino and place in seen:
            continue
        seen.add(place)
        files += 1
        size += _on_disk(status)
    return DeletedFiles(files, size)


def _on_disk(status: os.stat_result) -> int:
    blocks = getattr(status, "st_blocks", None)
    # Windows tells the size only.
    return status.st_size if blocks is None else int(blocks) * _BLOCK_BYTES


def _files(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # deleted meanwhile
                yield os.lstat(os.path.join(place, name))
