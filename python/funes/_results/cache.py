"""Opens a cache folder without importing the code of its functions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funes._entries import signing, unpickler
from funes._entries.cache_folder import absolute, is_url
from funes._entries.large_arguments import GC_GRACE_SECONDS
from funes._entries.run_record import RunRecord, path_of_run, read_run, run_named
from funes._funes import OBJECTS, RUNS, Listing, Store, runs_not_in
from funes._results.lookup import by_name
from funes._results.stored import StoredFunction, StoredVersion, functions_in, subfolders
from funes._results.stored_files import CheckResult, StoredFile, damaged_files

if TYPE_CHECKING:
    from funes._results.stored import StoredVersion

#: The number of functions that a notebook shows.
_MAX_SHOWN = 50


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
            if name not in (OBJECTS, RUNS)
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
            for entry in version.entries(errors=True):
                with suppress(FileNotFoundError):
                    used |= entry.objects
        return [stored for stored in found if stored.hash not in used]

    def unused_runs(self, doomed: Iterable[StoredVersion] = ()) -> list[StoredRun]:
        """Lists the run records that no entry carries, and that may be deleted. Reads the ends of entries.

        Leaves out records that a process has begun to use within the last day, since it may be about to store an entry.

        Args:
            doomed: The versions whose entries do not count, since they are about to be deleted.

        Raises:
            OSError: An entry cannot be read now. It may carry any record.
        """
        before = datetime.now(timezone.utc) - timedelta(seconds=GC_GRACE_SECONDS)
        found = {each.hash: each for each in self._run_records() if each.stored < before}
        without = {version._folder for version in doomed}
        left = list(found)
        for folder in self._folders():
            if left and folder not in without:
                left = runs_not_in(folder, left)
        return [found[run] for run in left]

    def _folders(self) -> Iterator[str]:
        """Yields the folders of entries, also those whose definition is not known."""
        root = self._store.root
        for name in subfolders(root):
            if name not in (OBJECTS, RUNS):
                folder = os.path.join(root, name)
                yield from (os.path.join(folder, each) for each in subfolders(folder))

    def _run_records(self) -> Iterator[StoredRun]:
        folder = os.path.join(self._store.root, RUNS)
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as files:
            for each in files:
                run = run_named(each.name)
                with suppress(FileNotFoundError):  # deleted meanwhile
                    if run and each.is_file(follow_symlinks=False):
                        status = each.stat(follow_symlinks=False)
                        size, modified = status.st_size, status.st_mtime_ns
                        yield StoredRun(self._store, folder, run, size, modified)

    def damaged(self) -> Iterator[StoredFile]:
        """Yields the quarantined files of all functions and of large arguments."""
        for version in self._versions():
            yield from version.damaged()
        yield from damaged_files(self._store, os.path.join(self._store.root, OBJECTS))

    def __repr__(self) -> str:
        return f"<Cache {self.path}>"

    def _repr_html_(self) -> str:
        from funes._results import markup, usage
        from funes._results.units import bytes_shown, date_shown, number_of, seconds_shown

        functions = self.functions()
        rows = []
        for function in functions[:_MAX_SHOWN]:
            versions = function.versions()
            summaries = [version.summary for version in versions]
            stats = [usage.stats_of(version.folder) for version in versions]
            last = max((each.last for each in summaries if each.last), default=None)
            rows.append(
                (
                    function._label,
                    f"{sum(each.entries for each in summaries):,}",
                    len(versions),
                    bytes_shown(sum(each.bytes for each in summaries)),
                    seconds_shown(sum(each.saved_seconds for each in stats)),
                    "" if last is None else date_shown(last),
                )
            )
        more = len(functions) - len(rows)
        titles = ("function", "results", "versions", "size", "saved", "last result")
        return markup.block(
            markup.paragraph(f"Cache {self.path}"),
            markup.table(titles, rows, range(1, len(titles))) if rows else "<p>No results.</p>",
            markup.paragraph(f"and {number_of(more, 'more function')}") if more else "",
        )


class StoredRun(StoredFile):
    """A run record: a file about the process that computed entries. `hash` is its id."""

    __slots__ = ()

    @property
    def _path(self) -> str:
        return path_of_run(self._store.root, self.hash)

    def load(self) -> RunRecord | None:
        """Reads the record; returns None if it cannot be read."""
        return read_run(self._store.root, self.hash)


class StoredObject(StoredFile):
    """A large argument."""

    __slots__ = ()

    def load(self) -> Any:
        """Unpickles the large argument. Raises the same errors as `StoredEntry.input`."""
        found = self._store.read_object(self.hash)
        if found is None:
            raise FileNotFoundError(2, "the large argument has been deleted", self._path)
        return unpickler.load(found.body, found.fast)

    def verify(self) -> CheckResult:
        """Compares every byte of the file with its checksum and signature, as `StoredEntry.verify` does."""
        return CheckResult(*self._store.check_object(self.hash))
