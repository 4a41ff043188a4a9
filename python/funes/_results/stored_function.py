"""What is stored of one function."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from funes._code.definition_file import read_functions
from funes._entries import function_identity
from funes._funes import safe_name
from funes._results.stored_files import DeletedFiles, refuse_links
from funes._results.stored_version import StoredVersion, folded, guess_name, only, results_of

if TYPE_CHECKING:
    from funes._results.cache import Cache
    from funes._results.filters import Where
    from funes._results.results import Results

__all__ = ["StoredFunction", "definitions_of", "functions_in", "subfolders"]

_HASH = re.compile(r"[0-9a-f]{40}")


#: Stands for the module of versions of which it is not known.
_UNKNOWN = "?"


class StoredFunction:
    """What is stored of one function, under all its definitions.

    A function is known by its module and its qualified name. Others of the same name share its folder, and a version
    too if their code is the same.

    Attributes:
        cache: The cache that it lies in.
    """

    def __init__(self, cache: Cache, folder: str, identity: str) -> None:
        self.cache = cache
        self._folder = folder
        #: Empty if no version says whose it is.
        self._identity = identity

    @property
    def folder(self) -> Path:
        """The folder of its versions, and of those of other functions of its name."""
        return Path(self._folder)

    @cached_property
    def name(self) -> str:
        """Its name; that of its folder if nothing tells what it was before it was made safe for file systems."""
        folder = os.path.basename(self._folder)
        own = self._identity.rpartition(".")[2].rpartition(":")[2]
        if own and folded(safe_name(own)) == folded(folder):
            return own
        names = (version._true_name for version in self._versions())
        return guess_name(folder) or next(filter(None, names), folder)

    @property
    def module(self) -> str:
        """The name of its module; of a program its file and the folder of it; ``"?"`` if it is not recorded."""
        return self._identity.partition(":")[0] or _UNKNOWN

    @property
    def qualified_name(self) -> str:
        """Module and name, with the classes around it: ``mine.train.Model.fit``."""
        return function_identity.label(self._identity or f"{_UNKNOWN}:{self.name}")

    @cached_property
    def _label(self) -> str:
        """Its name for listings: the qualified one if it shares its folder with other functions."""
        alone = len(functions_in(self.cache, self._folder)) <= 1
        return self.name if alone else self.qualified_name

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
        return definitions_of(self._folder, self._identity)

    def results(self, where: Where | None = None, inputs_only: bool = False) -> Results:
        """The results of all versions as data; `where` and `inputs_only` as in `load_cached_results`.

        Each result has its definition hash under ``'definition'``. What came in ``**kwargs`` is one input, a dict.

        Raises:
            As `StoredVersion.results`.
        """
        return results_of(self, self._versions(), where, inputs_only, is_mixed=True)

    def remove(self) -> DeletedFiles:
        """Delete all versions, but those that are other functions' too, and the folder, unless other files are in it.

        Raises:
            OSError: A file cannot be deleted, or a folder is a link.
        """
        refuse_links(self.cache._store, self._folder)
        own = [version for version in self._versions() if not version.shared_with]
        removed = [DeletedFiles(0, 0), *(version.remove() for version in own)]
        with suppress(OSError):  # something else lies there, and stays
            os.rmdir(self._folder)
        return DeletedFiles(*map(sum, zip(*removed, strict=True)))

    def _versions(self) -> list[StoredVersion]:
        return [StoredVersion(self, definition) for definition in self.definitions()]

    def _spellings(self) -> set[str]:
        """How people may write its name, but for beginnings that they may leave out."""
        spelt = set(function_identity.spellings(self._identity or f"{_UNKNOWN}:{self.name}"))
        return {self.name, os.path.basename(self._folder), *spelt}

    def __repr__(self) -> str:
        return f"<StoredFunction {self._label} in {self.cache.path}>"


def functions_in(cache: Cache, folder: str) -> list[StoredFunction]:
    """The functions that have versions in a folder."""
    return [StoredFunction(cache, folder, each) for each in _by_function(folder)]


def definitions_of(folder: str, wanted: str) -> list[str]:
    """The definition hashes in a folder that are of the function with this identity."""
    return _by_function(folder, wanted).get(wanted, [])


def _by_function(folder: str, wanted: str = "") -> dict[str, list[str]]:
    """The definition hashes in a folder, by the identities of the functions; by "" those of which it is not known.

    If one function alone is known, these are its own.

    Args:
        folder: The folder.
        wanted: The identity of a function that has this very spelling in the answer, if it has any versions.
    """
    found = {
        name: read_functions(os.path.join(folder, name))
        for name in subfolders(folder)
        if _HASH.fullmatch(name)
    }
    known = [each for names in found.values() for each in names]
    one = function_identity.as_one([wanted, *known] if wanted else known)
    spelt = {one[wanted]: wanted} if wanted else {}
    by_function: dict[str, list[str]] = {}
    for definition, names in found.items():
        for name in dict.fromkeys(one[each] for each in names):
            by_function.setdefault(spelt.get(name, name), []).append(definition)
    unknown = [definition for definition, names in found.items() if not names]
    if unknown:
        alone = [*by_function] or [wanted]
        owner = alone[0] if len(alone) == 1 else ""
        by_function[owner] = sorted([*by_function.get(owner, ()), *unknown])
    return by_function


def subfolders(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted; links to folders too, since a cache may be spread over disks."""
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if each.is_dir())
    except (FileNotFoundError, NotADirectoryError):  # deleted meanwhile
        return []
