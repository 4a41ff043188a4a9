"""The other versions of a function that a cache has."""

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
    #: When anything last came into its folder, in seconds since 1970.
    used: float

    @property
    def used_at(self) -> datetime:
        """The same as a date, in UTC."""
        return datetime.fromtimestamp(self.used, timezone.utc)

    def __str__(self) -> str:
        return f"{self.definition[:12]} of {self.used_at.astimezone():%Y-%m-%d %H:%M}"


def other_versions(store: Store, function: str, identity: str, definition: str) -> list[Version]:
    """All versions of a function but one, that which was used last first.

    Args:
        store: The cache.
        function: The function's name.
        identity: Its module and qualified name: others of its name share the folder.
        definition: The version to leave out.
    """
    above = os.path.dirname(store.folder(function, definition))
    found = []
    for name in definitions_of(above, identity):
        with suppress(OSError):  # deleted meanwhile
            used = os.stat(os.path.join(above, name), follow_symlinks=False).st_mtime
            if name != definition:
                found.append(Version(name, used))
    return sorted(found, key=lambda version: (version.used, version.definition), reverse=True)
