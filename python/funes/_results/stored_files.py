"""Deletes files of a cache: only files that funes wrote, and never through a link."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from funes._funes import (
    DAMAGED,
    ERROR_EXTENSION,
    EXTENSION,
    PACKED,
    Listing,
    Store,
    earlier_files,
)

#: The names of files that funes writes, see docs/format.md. They are deleted in this order, so that
#: definition.json outlives the entries that it describes.
_FILE_NAMES = (
    re.compile(rf"[0-9a-f]{{40}}(-[0-9a-f]{{16}})?{re.escape(EXTENSION)}"),
    re.compile(rf"[0-9a-f]{{40}}{re.escape(ERROR_EXTENSION)}"),
    re.compile(r"[0-9a-f]{32}\.(seg|pack)"),
    re.compile(r"\.tmp-.+"),
    re.compile(r"stats\.json"),
    re.compile(r"definition\.json"),
    re.compile(r"\.lock"),
)


class CheckResult(NamedTuple):
    """The outcome of comparing every byte of a file with its checksum.

    Example:
        >>> CheckResult("damaged", "it is too short to be an entry").is_sound
        False
    """

    #: "found" (the file is as it was written), "absent" (it has been deleted meanwhile), "damaged",
    #: "foreign" (it is not signed with the signing key in use), "format" (it is in another version
    #: of the format) or "unreadable" (it cannot be read now).
    state: str
    #: The reason for a state other than "found"; else empty.
    text: str

    @property
    def is_sound(self) -> bool:
        """True if the file is as it was written: the state is "found"."""
        return self.state == "found"


class DeletedFiles(NamedTuple):
    """The number and size of deleted files."""

    #: The number of files.
    files: int
    #: The total size of the files.
    bytes: int


class StoredFile:
    """A file of a cache: its path, hash and size, as read from a listing of its folder.

    Attributes:
        hash: The hash in the file name: 40 hexadecimal digits.
        bytes: The size of the file.
        is_error: True for the exception that a call raised, see ``remember_errors=``.
    """

    __slots__ = ("_folder", "_modified", "_store", "bytes", "hash", "is_error")

    def __init__(
        self,
        store: Store,
        folder: str,
        name: str,
        size: int,
        modified: int,
        *,
        is_error: bool = False,
    ) -> None:
        self._store = store
        self._folder = folder
        self._modified = modified
        self.is_error = is_error
        self.hash = name
        self.bytes = size

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self._path)

    @property
    def _path(self) -> str:
        extension = ERROR_EXTENSION if self.is_error else EXTENSION
        return os.path.join(self._folder, self.hash + extension)

    @property
    def stored(self) -> datetime:
        """The time at which the file was stored, in UTC. It is the modification time of the file."""
        return date(self._modified)

    def remove(self) -> bool:
        """Deletes the file, and those of earlier results of the same call.

        Returns:
            True if there was a regular file to delete.

        Raises:
            OSError: The file cannot be deleted, or is behind a link.
        """
        refuse_links(self._store, self._folder)
        for earlier in earlier_files(self._path):
            _remove_file(earlier)
        return _remove_file(self._path) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path}, {self.bytes} bytes>"


def damaged_files(store: Store, folder: str) -> Iterator[StoredFile]:
    """Yields the quarantined files of a folder of entries."""
    folder = os.path.join(folder, DAMAGED)
    for is_error in (False, True):
        for name, size, modified in Listing(folder, errors=is_error):
            yield StoredFile(store, folder, name, size, modified, is_error=is_error)


def date(nanoseconds: int) -> datetime:
    """Converts the time of a file to a date in UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)


def refuse_links(store: Store, folder: str) -> None:
    """Raises OSError if a link leads to a folder, since other caches may use the target of the link."""
    while len(folder) > len(store.root):
        if os.path.islink(folder):
            raise OSError(f"{folder} is a link: delete the files in its target instead")
        folder = os.path.dirname(folder)


def remove_folder(store: Store, folder: str) -> DeletedFiles:
    """Deletes the files of funes in the folder of a definition, then the folder if it is empty.

    Raises:
        OSError: The folder is behind a link, or a file cannot be deleted. Files before it are deleted.
    """
    refuse_links(store, folder)
    subfolders = [os.path.join(folder, name) for name in (PACKED, DAMAGED)]
    files, size = 0, 0
    for each in (*(each for each in subfolders if not os.path.islink(each)), folder):
        names = _names(each)
        for pattern in _FILE_NAMES:
            for name in filter(pattern.fullmatch, names):
                deleted = _remove_file(os.path.join(each, name))
                if deleted is not None:
                    files, size = files + 1, size + deleted
        with suppress(OSError):  # not empty
            os.rmdir(each)
    return DeletedFiles(files, size)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_file(path: str) -> int | None:
    """Deletes a regular file and returns its size; returns None if there is no file."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size
