"""What is stored of one function."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from funes._entries.files import Removed, refuse_links
from funes._entries.version import StoredVersion, guess_name, only, results_of

if TYPE_CHECKING:
    from funes._entries.cache import Cache
    from funes._entries.results import Results
    from funes._entries.where import Where

__all__ = ["StoredFunction", "subfolders"]

_HASH = re.compile(r"[0-9a-f]{40}")


class StoredFunction:
    """What is stored of one function, under all its definitions.

    Attributes:
        cache: The cache that it lies in.
    """

    def __init__(self, cache: Cache, folder: str) -> None:
        self.cache = cache
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The folder of its versions."""
        return Path(self._folder)

    @cached_property
    def name(self) -> str:
        """Its name; that of its folder if nothing tells what it was before it was made safe for file systems."""
        folder = os.path.basename(self._folder)
        names = (version._true_name for version in self._versions())
        return guess_name(folder) or next(filter(None, names), folder)

    def versions(self) -> list[StoredVersion]:
        """Its versions, the one to which a result was added last first. Lists all their folders.

        Raises:
            OSError: The folder cannot be listed.
        """

        def age(version: StoredVersion) -> tuple[float, str]:
            last = version.summary.last
            return 0.0 if last is None else -last.timestamp(), version.definition

        return sorted(self._versions(), key=age)

    def version(self, definition: str) -> StoredVersion:
        """A version by its definition hash, or by as many digits of it as no other one has.

        Raises:
            KeyError: There is none, or more than one.
        """
        found = {
            version.definition: version
            for version in self._versions()
            if version.definition.startswith(definition)
        }
        return only("version", definition, found)

    def definitions(self) -> list[str]:
        """The definition hashes of its versions, sorted."""
        return [name for name in subfolders(self._folder) if _HASH.fullmatch(name)]

    def results(self, where: Where | None = None, inputs_only: bool = False) -> Results:
        """The results of all versions as data; `where` and `inputs_only` as in `load_cached_results`.

        Each result has its definition hash under ``'definition'``. What came in ``**kwargs`` is one input, a dict.

        Raises:
            As `StoredVersion.results`.
        """
        return results_of(self, self._versions(), where, inputs_only, is_mixed=True)

    def remove(self) -> Removed:
        """Delete all versions, and the folder, unless other files are in it.

        Raises:
            OSError: A file cannot be deleted, or a folder is a link.
        """
        refuse_links(self.cache._store, self._folder)
        removed = [Removed(0, 0), *(version.remove() for version in self._versions())]
        with suppress(OSError):  # something else lies there, and stays
            os.rmdir(self._folder)
        return Removed(*map(sum, zip(*removed, strict=True)))

    def _versions(self) -> list[StoredVersion]:
        return [StoredVersion(self, definition) for definition in self.definitions()]

    def __repr__(self) -> str:
        return f"<StoredFunction {self.name} in {self.cache.path}>"


def subfolders(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted; links to folders too, since a cache may be spread over disks."""
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if each.is_dir())
    except (FileNotFoundError, NotADirectoryError):  # deleted meanwhile
        return []
