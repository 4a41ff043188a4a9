"""A cache whose functions are not at hand: what lies in its folder, without importing anybody's code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from funes._entries import pickles, secret
from funes._entries.files import StoredFile, Verdict, damaged_files
from funes._entries.function import StoredFunction, subfolders
from funes._entries.large_arguments import YOUNG
from funes._funes import OBJECTS, Listing, Store

__all__ = ["Cache", "StoredObject", "open_cache"]


def open_cache(
    path: str | os.PathLike[str] | None = None,
    *,
    key: str | bytes | None = None,
    verify: str = "once",
) -> Cache:
    """Open a cache folder to see what is stored in it.

    Listing functions, versions and entries reads names, sizes and dates, and imports nothing of anybody's. Reading an
    entry (`StoredEntry.input`, `StoredEntry.load`, results as data) unpickles it, which imports the modules of the
    classes in it and may run any code: do it with folders that you trust.

    Args:
        path: The cache folder. By default the one that memorious functions would use here: the environment variable
            ``FUNES_CACHE_DIR``, or ``cache`` in the working directory.
        key: What entries are signed with, as in ``memorious(key=...)``. By default the environment variable
            ``FUNES_KEY``, if it is set.
        verify: How often large entries are compared with their checksums as they are read, as in ``memorious``:
            ``"never"`` makes `StoredVersion.seconds` fast where outputs are large. `StoredEntry.verify` always does it.

    Raises:
        TypeError: `key` is neither a text nor bytes, or empty.
        ValueError: `verify` is none of ``"once"``, ``"always"`` and ``"never"``.
        FileNotFoundError: There is no such folder.
        NotADirectoryError: It is a file.

    Example:
        >>> for function in open_cache("cache").functions():          # doctest: +SKIP
        ...     for version in function.versions():
        ...         print(function.name, version.definition[:8], version.summary.entries)
        double 3f2a9c01 2
    """
    folder = os.fspath(path) if path is not None else os.environ.get("FUNES_CACHE_DIR") or "cache"
    root = os.path.abspath(os.path.expanduser(folder))
    os.scandir(root).close()  # raises what is to be raised
    signed = secret.from_environment() if key is None else secret.checked(key).reveal()
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
            StoredFunction(self, os.path.join(root, name))
            for name in subfolders(root)
            if name != OBJECTS
        ]
        return sorted(filter(StoredFunction._versions, found), key=lambda function: function.name)

    def function(self, name: str) -> StoredFunction:
        """A function by its name, or by that of its folder.

        Raises:
            KeyError: Nothing is stored of it; the message names the functions that there are.
        """
        functions = self.functions()
        for function in functions:
            if name in (function.name, os.path.basename(function._folder)):
                return function
        there = ", ".join(function.name for function in functions) or "nothing"
        raise KeyError(f"nothing is stored of {name!r} in {self.path}; there is {there}")

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
        before = datetime.now(timezone.utc) - timedelta(seconds=YOUNG)
        found = [stored for stored in self.objects() if stored.stored < before]
        used: set[str] = set()
        for function in self.functions() if found else ():
            for version in function._versions():
                for entry in version.entries():
                    with suppress(FileNotFoundError):
                        used |= entry.objects
        return [stored for stored in found if stored.hash not in used]

    def damaged(self) -> Iterator[StoredFile]:
        """The damaged files that were set aside, of all functions and of large arguments."""
        for function in self.functions():
            for version in function._versions():
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
        return pickles.load(found.body, found.second, found.buffers)

    def verify(self) -> Verdict:
        """Compare every byte of the file with its checksum and signature, as `StoredEntry.verify` does."""
        return Verdict(*self._store.check_object(self.hash))
