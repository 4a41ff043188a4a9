"""A cache whose functions are not at hand: what lies in its folder, without importing anybody's code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funes._entries import pickler, signing
from funes._entries.cache_folder import absolute, is_url
from funes._entries.large_arguments import GC_GRACE_SECONDS
from funes._funes import OBJECTS, Listing, Store
from funes._results.find_function import named
from funes._results.stored import StoredFunction, functions_in, subfolders
from funes._results.stored_files import CheckResult, StoredFile, damaged_files

if TYPE_CHECKING:
    from funes._results.stored import StoredVersion


def open_cache(
    path: str | os.PathLike[str] | None = None,
    *,
    signing_key: str | bytes | None = None,
    verify: str = "once",
) -> Cache:
    """Open a cache folder to see what is stored in it.

    Listing functions, versions and entries reads names, sizes and dates, and imports nothing of anybody's. Reading an
    entry (`StoredEntry.input`, `StoredEntry.load`, results as data) unpickles it, which imports the modules of the
    classes in it and may run any code: do it with folders that you trust.

    Args:
        path: The cache folder. By default the one that memorious functions would use here: the environment variable
            ``FUNES_CACHE_DIR``, or ``cache`` in the working directory.
        signing_key: The secret that signs entries, as in ``memorious(signing_key=...)``. By default the environment variable
            ``FUNES_SIGNING_KEY``, if it is set.
        verify: How often large entries are compared with their checksums as they are read, as in ``memorious``:
            ``"never"`` makes `StoredVersion.seconds` fast where outputs are large. `StoredEntry.verify` always does it.

    Raises:
        TypeError: `signing_key` is neither a text nor bytes, or empty.
        ValueError: `path` is a URL. `verify` is none of ``"once"``, ``"always"`` and ``"never"``.
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.

    Example:
        >>> for function in open_cache("cache").functions():          # doctest: +SKIP
        ...     for version in function.versions():
        ...         print(function.name, version.definition[:8], version.summary.entries)
        double 3f2a9c01 2
    """
    root = absolute(None if path is None else os.fspath(path))
    if is_url(root):
        raise ValueError(f"a cache is a folder, and {root!r} is a URL")
    os.scandir(root).close()  # raises what is to be raised
    signed = (
        signing.from_environment() if signing_key is None else signing.checked(signing_key).reveal()
    )
    return Cache(Store(root, key=signed, verify=verify))


class Cache:
    """A cache folder, opened by `open_cache`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def path(self) -> Path:
        """The folder, as an absolute path."""
        return Path(self._store.root)

    def functions(self) -> list[StoredFunction]:
        """The functions of which anything is stored, by name.

        Raises:
            OSError: The folder cannot be listed.
        """
        root = self._store.root
        found = [
            function
            for name in subfolders(root)
            if name != OBJECTS
            for function in functions_in(self._store, os.path.join(root, name))
        ]
        return sorted(found, key=lambda function: (function.name, function.qualified_name))

    def function(self, name: str) -> StoredFunction:
        """A function by its name, its qualified name or the end of that, or by the name of its folder.

        Raises:
            KeyError: Nothing is stored of it; the message names the functions that there are. Or several have the name.
        """
        functions = self.functions()
        found = named(functions, name)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(function.qualified_name for function in found)
            raise KeyError(f"{name!r} may be any of {several}")
        there = ", ".join(dict.fromkeys(function.name for function in functions)) or "nothing"
        raise KeyError(f"nothing is stored of {name!r} in {self.path}; there is {there}")

    def _versions(self) -> Iterator[StoredVersion]:
        """The versions of all functions, each once: functions whose code is the same share one."""
        seen: set[str] = set()
        for function in self.functions():
            for version in function._versions():
                if version._folder not in seen:
                    seen.add(version._folder)
                    yield version

    def objects(self) -> Iterator[StoredObject]:
        """The large arguments, which are stored once for all calls that have them."""
        folder = os.path.join(self._store.root, OBJECTS)
        for name, size, modified in Listing(folder):
            yield StoredObject(self._store, folder, name, size, modified)

    def unused_objects(self) -> list[StoredObject]:
        """The large arguments that no entry refers to, so that they may be deleted. Reads every entry.

        Those that were stored, or came to be referred to, within the last day are not among them: the call that did so
        may still be about to store its result.

        Raises:
            OSError: An entry cannot be read now: nothing is known then.
        """
        before = datetime.now(timezone.utc) - timedelta(seconds=GC_GRACE_SECONDS)
        found = [stored for stored in self.objects() if stored.stored < before]
        used: set[str] = set()
        for version in self._versions() if found else ():
            for entry in version.entries():
                with suppress(FileNotFoundError):
                    used |= entry.objects
        return [stored for stored in found if stored.hash not in used]

    def damaged(self) -> Iterator[StoredFile]:
        """The damaged files that were set aside, of all functions and of large arguments."""
        for version in self._versions():
            yield from version.damaged()
        yield from damaged_files(self._store, os.path.join(self._store.root, OBJECTS))

    def __repr__(self) -> str:
        return f"<Cache {self.path}>"


class StoredObject(StoredFile):
    """A large argument."""

    __slots__ = ()

    def load(self) -> Any:
        """The value. Unpickles it; raises as `StoredEntry.input` does."""
        found = self._store.read_object(self.hash)
        if found is None:
            raise FileNotFoundError(2, "the large argument has been deleted", self._path)
        return pickler.load(found.body, found.fast)

    def verify(self) -> CheckResult:
        """Compare every byte of the file with its checksum and signature, as `StoredEntry.verify` does."""
        return CheckResult(*self._store.check_object(self.hash))
