"""The other versions of a function that a cache has."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import NamedTuple

from funes._funes import Store

__all__ = ["Version", "other_versions"]


class Version(NamedTuple):
    """A version of a function that has a folder."""

    definition: str
    #: When anything last came into its folder, in seconds since 1970.
    used: float

    @property
    def used_at(self) -> datetime:
        """The same as a date, in UTC."""
        return datetime.fromtimestamp(self.used, timezone.utc)

    def __str__(self) -> str:
        return f"{self.definition[:12]} of {self.used_at.astimezone():%Y-%m-%d %H:%M}"


def other_versions(store: Store, function: str, definition: str) -> list[Version]:
    """All versions but one, that which was used last first.

    Raises:
        OSError: The folder cannot be listed.
    """
    found = []
    try:
        with os.scandir(os.path.dirname(store.folder(function, definition))) as folders:
            for folder in folders:
                is_version = len(folder.name) == len(definition) and folder.name != definition
                if is_version and folder.is_dir(follow_symlinks=False):
                    used = folder.stat(follow_symlinks=False).st_mtime
                    found.append(Version(folder.name, used))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda version: (version.used, version.definition), reverse=True)
