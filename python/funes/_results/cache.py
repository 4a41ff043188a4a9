"""Opens a cache folder without importing the code of its functions."""

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
from funes._results.lookup import by_name
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
    """Opens a cache folder, to list and read what is stored in it.

    Listing functions, versions and entries reads the names, sizes and dates of files, and imports no
    user code. Reading an entry (`StoredEntry.input`, `StoredEntry.load`, results as data) unpickles
    the entry, which imports the modules of its classes and may run any code. Read entries only from
    folders that you trust.

    Args:
        path: The cache folder. The default is the default folder of memorious functions: the
            environment variable ``FUNES_CACHE_DIR``, or ``cache`` in the working directory.
        signing_key: The secret that signs entries, as in ``memorious(signing_key=...)``. The
            default is the environment variable ``FUNES_SIGNING_KEY``, if it is set.
        verify: How often large entries are compared with their checksums when they are read, as in
            ``memorious``. ``"never"`` makes `StoredVersion.seconds` fast if outputs are large.
            `StoredEntry.verify` always compares.

    Raises:
        TypeError: `signing_key` is neither a string nor bytes, or empty.
        ValueError: `path` is a URL, or `verify` is none of ``"once"``, ``"always"``, ``"never"``.
        FileNotFoundError: The folder does not exist.
        NotADirectoryError: `path` is a file.

    Example:
        >>> for function in open_cache("cache").functions():          # doctest: +SKIP
        ...     for version in function.versions():
        ...         print(function.name, version.definition[:8], version.summary.entries)
        double 3f2a9c01 2
    """
    root = absolute(None if path is None else os.fspath(path))
    if is_url(root):
        raise ValueError(f"a cache is a folder, and {root!r} is a URL")
    os.scandir(root).close()  # raises FileNotFoundError or NotADirectoryError
    signed = (
        signing.from_environment() if signing_key is None else signing.checked(signing_key).reveal()
    )
    return Cache(Store(root, key=signed, verify=verify))


class Cache:
    """An open cache folder, returned by `open_cache`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def path(self) -> Path:
        """The cache folder, as an absolute path."""
        return Path(self._store.root)

    def functions(self) -> list[StoredFunction]:
        """Lists the functions that have stored results, sorted by name.

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
        """Finds a function by its name, its qualified name, the end of the qualified name, or its folder.

        Raises:
            KeyError: No function has this name, or several functions have it. If none has it, the
                message lists the functions of the cache.
        """
        return by_name(name, self.functions(), self.path)

    def _versions(self) -> Iterator[StoredVersion]:
        """Yields the versions of all functions, each once: functions with equal code share one."""
        seen: set[str] = set()
        for function in self.functions():
            for version in function._versions():
                if version._folder not in seen:
                    seen.add(version._folder)
                    yield version

    def objects(self) -> Iterator[StoredObject]:
        """Yields the large arguments, which are stored once for all calls that have them."""
        folder = os.path.join(self._store.root, OBJECTS)
        for name, size, modified in Listing(folder):
            yield StoredObject(self._store, folder, name, size, modified)

    def unused_objects(self) -> list[StoredObject]:
        """Lists the large arguments that no entry refers to, and that may be deleted. Reads every entry.

        Leaves out large arguments that were stored or came into use within the last day, since a
        call may be about to store an entry that refers to them.

        Raises:
            OSError: An entry cannot be read now. It may refer to any large argument.
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
        """Yields the quarantined files of all functions and of large arguments."""
        for version in self._versions():
            yield from version.damaged()
        yield from damaged_files(self._store, os.path.join(self._store.root, OBJECTS))

    def __repr__(self) -> str:
        return f"<Cache {self.path}>"


class StoredObject(StoredFile):
    """A large argument."""

    __slots__ = ()

    def load(self) -> Any:
        """Unpickles the large argument. Raises the same errors as `StoredEntry.input`."""
        found = self._store.read_object(self.hash)
        if found is None:
            raise FileNotFoundError(2, "the large argument has been deleted", self._path)
        return pickler.load(found.body, found.fast)

    def verify(self) -> CheckResult:
        """Compares every byte of the file with its checksum and signature, as `StoredEntry.verify` does."""
        return CheckResult(*self._store.check_object(self.hash))
