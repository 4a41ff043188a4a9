"""Lists the other versions of a function that a cache has."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone
from typing import NamedTuple

from funes._funes import Store
from funes._results.stored import definitions_of


class Version(NamedTuple):
    """A version of a function that has a folder."""

    definition: str
    #: The time of the last change of the version's folder, in seconds since 1970.
    used: float

    @property
    def used_at(self) -> datetime:
        """The time of the last change of the version's folder, as a date in UTC."""
        return datetime.fromtimestamp(self.used, timezone.utc)

    def __str__(self) -> str:
        return f"{self.definition[:12]} ({self.used_at.astimezone():%Y-%m-%d %H:%M})"


def other_versions(store: Store, function: str, identity: str, definition: str) -> list[Version]:
    """Lists all versions of a function except one; the version that was used last comes first.

    Args:
        store: The cache.
        function: The name of the function.
        identity: The module and qualified name of the function, since functions with the same name
            share the folder.
        definition: The definition hash of the version to leave out.
    """
    parent = os.path.dirname(store.folder(function, definition))
    found = []
    for name in definitions_of(parent, identity):
        with suppress(OSError):  # deleted meanwhile
            used = os.stat(os.path.join(parent, name), follow_symlinks=False).st_mtime
            if name != definition:
                found.append(Version(name, used))
    return sorted(found, key=lambda version: (version.used, version.definition), reverse=True)
