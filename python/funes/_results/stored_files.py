"""Files of a cache as they lie in its folders, and how they are deleted: those of funes, and never through a link."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from funes._funes import DAMAGED, EXTENSION, Listing, Store

#: What funes writes beside entries; see docs/format.md. The first of them go first: as long as there are entries, what
#: says whose they are stays.
_OWN_NAMES = (
    re.compile(rf"[0-9a-f]{{40}}{re.escape(EXTENSION)}"),
    re.compile(r"\.tmp-.+"),
    re.compile(r"stats\.json"),
    re.compile(r"definition\.json"),
    re.compile(r"\.lock"),
)


class CheckResult(NamedTuple):
    """What a look at every byte of a file has shown.

    Example:
        >>> CheckResult("damaged", "it is too short to be an entry").is_sound
        False
    """

    #: "found" (sound), "absent" (deleted meanwhile), "damaged", "foreign" (not signed with the key in use), "format"
    #: (in another version of the format) or "unreadable" (the system refuses to read it now).
    state: str
    #: What is the matter; empty for what is sound.
    text: str

    @property
    def is_sound(self) -> bool:
        """Whether it is what was written there."""
        return self.state == "found"


class DeletedFiles(NamedTuple):
    """What was deleted."""

    #: How many files.
    files: int
    #: Their sizes together.
    bytes: int


class StoredFile:
    """A file of a cache: what the folder knows of it.

    Attributes:
        hash: The 40 hexadecimal digits that it is named by.
        bytes: Its size.
    """

    __slots__ = ("_folder", "_modified", "_store", "bytes", "hash")

    def __init__(self, store: Store, folder: str, name: str, size: int, modified: int) -> None:
        self._store = store
        self._folder = folder
        self._modified = modified
        self.hash = name
        self.bytes = size

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self._path)

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, self.hash + EXTENSION)

    @property
    def stored(self) -> datetime:
        """When it was stored, in UTC; what the file's time of modification says."""
        return date(self._modified)

    def remove(self) -> bool:
        """Delete the file.

        Returns:
            Whether there was an ordinary file to delete.

        Raises:
            OSError: It cannot be deleted, or lies behind a link.
        """
        refuse_links(self._store, self._folder)
        return _remove_file(self._path) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path}, {self.bytes} bytes>"


def damaged_files(store: Store, folder: str) -> Iterator[StoredFile]:
    """What was set aside beside the entries of a folder."""
    folder = os.path.join(folder, DAMAGED)
    for name, size, modified in Listing(folder):
        yield StoredFile(store, folder, name, size, modified)


def date(nanoseconds: int) -> datetime:
    """A time of a file, in UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)


def refuse_links(store: Store, folder: str) -> None:
    """Raise OSError if a link leads from the cache folder to this one: what lies behind it may belong to others."""
    while len(folder) > len(store.root):
        if os.path.islink(folder):
            raise OSError(
                f"{folder} is a link: delete what you mean in the folder that it leads to"
            )
        folder = os.path.dirname(folder)


def remove_folder(store: Store, folder: str) -> DeletedFiles:
    """Delete the files of funes in the folder of a definition, then the folder, unless other files are in it.

    Raises:
        OSError: The folder is behind a link, or a file cannot be deleted; those before it have gone.
    """
    refuse_links(store, folder)
    aside = os.path.join(folder, DAMAGED)
    files, size = 0, 0
    for place in (folder,) if os.path.islink(aside) else (aside, folder):
        names = _names(place)
        for own in _OWN_NAMES:
            for name in filter(own.fullmatch, names):
                gone = _remove_file(os.path.join(place, name))
                if gone is not None:
                    files, size = files + 1, size + gone
        with suppress(OSError):  # something else lies there, and stays
            os.rmdir(place)
    return DeletedFiles(files, size)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove_file(path: str) -> int | None:
    """The size of the file that was deleted; None if there is none, or no ordinary one."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size
