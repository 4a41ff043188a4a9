"""Lists stored functions, their versions (one per definition), and their entries (one per call)."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from funes._code.definition_file import libraries_in, read_definition, read_functions
from funes._entries import function_identity, large_arguments, reader, remembered_errors
from funes._entries.age import is_expired
from funes._entries.at_exit import at_exit
from funes._entries.run_record import RunRecord, read_run
from funes._funes import (
    ERROR_EXTENSION,
    PACKED,
    Listing,
    Store,
    close_segments,
    earlier_files,
    pack,
    safe_name,
    unpack,
    verify_packed,
)
from funes._results.cached import cached_property
from funes._results.lookup import by_prefix
from funes._results.stored_files import (
    CheckResult,
    DeletedFiles,
    StoredFile,
    damaged_files,
    date,
    refuse_links,
    remove_folder,
)
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._code.definition_diff import Change
    from funes._results.filters import Where
    from funes._results.results import Results

_HASH = re.compile(r"[0-9a-f]{40}")


#: The module of versions whose module is not recorded.
_UNKNOWN = "?"


class StoredFunction:
    """A function that has stored results, under all its definitions.

    A function is identified by its module and its qualified name. Functions with the same name
    share a folder; functions with the same name and code also share versions.
    """

    def __init__(self, store: Store, folder: str, identity: str) -> None:
        self._store = store
        self._folder = folder
        #: The module and qualified name of the function; empty if no version records them.
        self._identity = identity

    @property
    def folder(self) -> Path:
        """The folder of the function's versions. Other functions with the same name share the folder."""
        return Path(self._folder)

    @cached_property
    def name(self) -> str:
        """The name of the function, or the name of its folder if the original name is not known."""
        folder = os.path.basename(self._folder)
        own = self._identity.rpartition(".")[2].rpartition(":")[2]
        if own and folded(safe_name(own)) == folded(folder):
            return own
        names = (version._true_name for version in self._versions())
        return guess_name(folder) or next(filter(None, names), folder)

    @property
    def module(self) -> str:
        """The name of the function's module. For a program: its file and folder. ``"?"`` if not recorded."""
        return self._identity.partition(":")[0] or _UNKNOWN

    @property
    def qualified_name(self) -> str:
        """The function's module and qualified name: ``mine.train.Model.fit``."""
        return function_identity.label(self._identity or f"{_UNKNOWN}:{self.name}")

    @cached_property
    def _label(self) -> str:
        """The function's name in listings: the qualified name, if other functions share the folder."""
        alone = len(functions_in(self._store, self._folder)) <= 1
        return self.name if alone else self.qualified_name

    def versions(self) -> list[StoredVersion]:
        """Lists the versions of the function, the version with the latest result first.

        To sort the versions, this lists the folder of each version.

        Raises:
            OSError: The folder cannot be listed.
        """

        def age(version: StoredVersion) -> tuple[float, str]:
            last = version.summary.last
            return 0.0 if last is None else -last.timestamp(), version.definition

        return sorted(self._versions(), key=age)

    def version(self, definition: str) -> StoredVersion:
        """Finds a version by its definition hash, or by the first digits if they are unique.

        Raises:
            KeyError: No version matches, or several versions match.
        """
        return by_prefix("version", definition, self._versions(), lambda each: each.definition)

    def definitions(self) -> list[str]:
        """Returns the definition hashes of the function's versions, sorted."""
        return definitions_of(self._folder, self._identity)

    def results(
        self, where: Where | None = None, inputs_only: bool = False, errors: bool = False
    ) -> Results:
        """Returns the results of all versions of the function.

        Each result has its definition hash under ``'definition'``. Keyword arguments for
        ``**kwargs`` are one input, a dict.

        Args:
            where: See `load_cached_results`.
            inputs_only: See `load_cached_results`.
            errors: See `load_cached_results`.

        Raises:
            FunesError, KeyError, TypeError, UnhashableArgumentError: See `StoredVersion.results`.
        """
        return results_of(self, self._versions(), where, inputs_only, is_mixed=True, errors=errors)

    def remove(self) -> DeletedFiles:
        """Deletes all versions that no other function shares, then the folder if it is empty.

        Raises:
            OSError: A file cannot be deleted, or a folder is a link.
        """
        refuse_links(self._store, self._folder)
        unshared = [version for version in self._versions() if not version.shared_with]
        removed = [DeletedFiles(0, 0), *(version.remove() for version in unshared)]
        with suppress(OSError):  # not empty
            os.rmdir(self._folder)
        return DeletedFiles(*map(sum, zip(*removed, strict=True)))

    def _versions(self) -> list[StoredVersion]:
        return [StoredVersion(self, definition) for definition in self.definitions()]

    def _spellings(self) -> set[str]:
        """Returns the spellings of the function's name that commands accept, without shortened ones."""
        written = set(function_identity.spellings(self._identity or f"{_UNKNOWN}:{self.name}"))
        return {self.name, os.path.basename(self._folder), *written}

    def __repr__(self) -> str:
        return f"<StoredFunction {self._label} in {self._store.root}>"


def functions_in(store: Store, folder: str) -> list[StoredFunction]:
    """Lists the functions that have versions in a folder."""
    return [StoredFunction(store, folder, each) for each in _by_function(folder)]


def definitions_of(folder: str, wanted: str) -> list[str]:
    """Lists the definition hashes in a folder that belong to the function with the identity `wanted`."""
    return _by_function(folder, wanted).get(wanted, [])


def _by_function(folder: str, wanted: str = "") -> dict[str, list[str]]:
    """Groups the definition hashes in a folder by the identity of their function.

    Hashes without a recorded function belong to the identity "", or to the only function if the
    folder has only one.

    Args:
        folder: The folder of the function name.
        wanted: An identity. If the function has versions, the result contains this spelling of its
            identity.
    """
    found = {
        name: read_functions(os.path.join(folder, name))
        for name in subfolders(folder)
        if _HASH.fullmatch(name)
    }
    known = [each for names in found.values() for each in names]
    common = function_identity.as_one([wanted, *known] if wanted else known)
    spelling = {common[wanted]: wanted} if wanted else {}
    by_function: dict[str, list[str]] = {}
    for definition, names in found.items():
        for name in dict.fromkeys(common[each] for each in names):
            by_function.setdefault(spelling.get(name, name), []).append(definition)
    unknown = [definition for definition, names in found.items() if not names]
    if unknown:
        candidates = [*by_function] or [wanted]
        owner = candidates[0] if len(candidates) == 1 else ""
        by_function[owner] = sorted([*by_function.get(owner, ()), *unknown])
    return by_function


def subfolders(folder: str) -> list[str]:
    """Lists the names of the folders in a folder, sorted.

    Links to folders are included, since a cache may be spread over disks.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if each.is_dir())
    except (FileNotFoundError, NotADirectoryError):  # deleted meanwhile
        return []


class Summary(NamedTuple):
    """Numbers about the entries of a version, taken from a listing of its folder. No entry is read."""

    #: The number of entries.
    entries: int
    #: The total size of the entries' files, in bytes.
    bytes: int
    #: The time at which the first entry was stored, in UTC; None if there are no entries.
    first: datetime | None
    #: The time at which the last entry was stored, in UTC; None if there are no entries.
    last: datetime | None


class Totals(NamedTuple):
    """Numbers that the ends of a version's entries give."""

    #: The total run time of the stored calls, in seconds.
    seconds: float
    #: The number of entries that are older than the ``max_age`` with which they were stored.
    expired: int
    #: The number of entries by the id of their run record.
    runs: Counter[str]


class Packing(NamedTuple):
    """What packing a version did."""

    #: The number of results in the pack.
    results: int
    #: The size of the pack; 0 if there was nothing to pack.
    bytes: int
    #: The number of segments and packs that it replaces.
    packed: int
    #: The number of single files that it replaces.
    files: int
    #: The number of damaged records. Their files are in quarantine.
    damaged: int
    #: The number of files that were left out, since processes append to them or their version is not known.
    busy: int


class Unpacking(NamedTuple):
    """What unpacking a version did."""

    #: The number of restored results.
    results: int
    #: The number of segments and packs that were deleted.
    packed: int
    #: The number of files that were left, since processes append to them or their version is not known.
    busy: int


class StoredVersion:
    """A version of a function: the results that are stored under one of its definitions.

    Attributes:
        function: The function to which the version belongs.
        definition: The definition hash: 40 hexadecimal digits.
    """

    def __init__(self, function: StoredFunction, definition: str) -> None:
        self.function = function
        self.definition = definition
        self._store: Store = function._store
        self._folder = os.path.join(function._folder, definition)

    @property
    def folder(self) -> Path:
        """The folder of the version's entries."""
        return Path(self._folder)

    def entries(self, errors: bool = False) -> Iterator[StoredEntry]:
        """Yields the entries in the order of the folder, without reading them.

        Args:
            errors: If true, also yields remembered errors, after the results. See ``remember_errors=``.

        Raises:
            OSError: The folder cannot be listed.
        """
        for is_error in (False, True)[: 1 + errors]:
            for name, size, modified in Listing(self._folder, errors=is_error):
                yield StoredEntry(self, name, size, modified, is_error=is_error)

    def entry(self, arguments: str) -> StoredEntry:
        """Finds an entry by its argument hash, or by the first digits if they are unique.

        Raises:
            KeyError: No entry matches, or several entries match.
        """
        return by_prefix("entry", arguments, self.entries(), lambda each: each.hash)

    @cached_property
    def summary(self) -> Summary:
        """The number and size of the version's entries, and their first and last date; computed once."""
        return self._sum_up(reads=False)[0]

    def totals(self) -> Totals:
        """Sums up what the ends of all entries say, which several threads read. `summary` is then known, too.

        Nothing is verified. An entry that cannot be read adds nothing.
        """
        self.__dict__["summary"], totals = self._sum_up(reads=True)
        return totals

    def _sum_up(self, *, reads: bool) -> tuple[Summary, Totals]:
        listing = Listing(self._folder)
        parts = list(iter(lambda: listing.sum_up(reads=reads), None))
        firsts = [first for _, _, first, *_ in parts if first is not None]
        lasts = [last for _, _, _, last, *_ in parts if last is not None]
        summary = Summary(
            sum(part[0] for part in parts),
            sum(part[1] for part in parts),
            date(min(firsts)) if firsts else None,
            date(max(lasts)) if lasts else None,
        )
        runs: Counter[str] = Counter()
        for part in parts:
            runs.update(part[6])
        return summary, Totals(sum(part[4] for part in parts), sum(part[5] for part in parts), runs)

    def seconds(self) -> float:
        """Returns the total run time of the stored calls in seconds.

        Reads every entry. The run time of an entry that cannot be read is taken as 0.0.
        """
        return sum(map(seconds_of, self.entries()), 0.0)

    def results(
        self, where: Where | None = None, inputs_only: bool = False, errors: bool = False
    ) -> Results:
        """Returns the results of the version as data.

        Keyword arguments for ``**kwargs`` are one input, a dict, since the function is not loaded.

        Args:
            where: See `load_cached_results`.
            inputs_only: See `load_cached_results`.
            errors: See `load_cached_results`.

        Raises:
            FunesError: The name of the function is not known, so that no entry can be verified.
            KeyError: `where` names an argument that the version does not have. This is checked if
                the parameters of the version are recorded.
            TypeError, UnhashableArgumentError: See `load_cached_results`.
        """
        return results_of(self.function, [self], where, inputs_only, is_mixed=False, errors=errors)

    @cached_property
    def description(self) -> dict[str, Any] | None:
        """The content of the version's definition.json, see docs/format.md; None if it is missing or damaged."""
        try:
            return read_definition(self._folder)
        except (OSError, ValueError):
            return None

    def _changes_since(self, before: StoredVersion) -> list[Change]:
        """Lists the changes from another version to this one. One change says so if they are not known."""
        from funes._code.definition_diff import Change, changes

        old, new = before.description, self.description
        if old is None or new is None:
            reason = "not known: definition.json is missing or damaged"
        elif not old["nodes"] or not new["nodes"]:
            reason = "not known: the code was not recorded"
        else:
            return changes(old, new)
        return [Change("changed", "unknown", reason)]

    @property
    def shared_with(self) -> list[str]:
        """The qualified names of other functions that share the version, because their code is the same."""
        if len(read_functions(self._folder)) < 2:
            return []
        return [
            each.qualified_name
            for each in functions_in(self._store, self.function._folder)
            if self.definition in each.definitions()
            and each.qualified_name != self.function.qualified_name
        ]

    def damaged(self) -> Iterator[StoredFile]:
        """Yields the quarantined files of the version."""
        return damaged_files(self._store, self._folder)

    def pack(self, files: bool = True) -> Packing | None:
        """Merges segments, packs and single files into one pack; returns None if the function name is not known.

        Args:
            files: If false, single files stay.

        Raises:
            OSError: A file cannot be read or written. No result is lost.
        """
        name = self._true_name
        if name is None:
            return None
        return Packing(*pack(self._store, name, self.definition, files=files))

    def unpack(self) -> Unpacking | None:
        """Restores single files from segments and packs; returns None if the function name is not known.

        Raises:
            OSError: A file cannot be read or written. No result is lost.
        """
        name = self._true_name
        return None if name is None else Unpacking(*unpack(self._store, name, self.definition))

    def verify_packed(self) -> list[tuple[str, int, list[tuple[int, str]]]]:
        """Verifies segments and packs. Returns path, number of sound results and places of damage of each.

        Raises:
            OSError: A file cannot be read.
        """
        name = self._true_name
        return [] if name is None else verify_packed(self._store, name, self.definition)

    def remove(self) -> DeletedFiles:
        """Deletes all entries and quarantined files of the version, then its folder if it is empty.

        If a call in another process ends at the same time, it may store its result again.

        Raises:
            OSError: A file cannot be deleted, or the folder is a link.
        """
        return remove_folder(self._store, self._folder)

    @cached_property
    def _true_name(self) -> str | None:
        """The function name that the checksums of the version's entries cover; None if it is not known.

        The versions in one folder may have different names: on a file system that ignores case, `F`
        and `f` share a folder.
        """
        folder = folded(os.path.basename(self.function._folder))
        for name in _names(self.description):
            if folded(safe_name(name)) == folder:
                return name
        return guess_name(os.path.basename(self.function._folder))

    def __repr__(self) -> str:
        return f"<StoredVersion {self.definition[:12]} of {self.function.name}>"


def results_of(
    function: StoredFunction,
    versions: list[StoredVersion],
    where: Where | None,
    inputs_only: bool,
    is_mixed: bool,
    *,
    errors: bool,
    runs: bool = False,
) -> Results:
    """Returns the results of versions of one function. `runs`: each result has its run record under ``'run'``."""
    # Listings do not need these modules.
    from funes._results.columns import Shape
    from funes._results.filters import make_filter
    from funes._results.results import Folder, Results

    folders = []
    for version in versions:
        if version._true_name is None:
            raise FunesError(
                f"the results in {version._folder} cannot be verified: their checksums cover the name of"
                " the function, and definition.json beside them does not record it"
            )
        folders.append(Folder(version._true_name, version.definition))
    store = function._store
    names, keywords = inputs_of(versions)
    matches = make_filter(store, where, names, keywords)
    libraries: frozenset[str] = frozenset()
    for version in versions if runs else ():
        libraries |= libraries_in(version.description)
    return Results(
        store,
        folders,
        function=function,
        name=function.name,
        shape=Shape(is_mixed=is_mixed, has_errors=errors, libraries=libraries if runs else None),
        matches=matches,
        inputs_only=inputs_only,
    )


def inputs_of(versions: Iterable[StoredVersion]) -> tuple[list[str] | None, str | None]:
    """Returns the names that inputs of versions can have, or None if not recorded; and the name of ``**kwargs``."""
    names: dict[str, None] = {}
    keywords = None
    for version in versions:
        description = version.description or {}
        parameters = description.get("parameters")
        if not isinstance(parameters, list):
            return None, None
        names.update((name, None) for name in parameters if isinstance(name, str))
        keywords = keywords or description.get("keywords")
    return [*names, "global_seed"], keywords


def seconds_of(entry: StoredEntry) -> float:
    """Returns the run time of an entry; 0.0 if it cannot be read, which `verify` reports."""
    try:
        return entry.time
    except Exception:
        return 0.0


def _names(description: dict[str, Any] | None) -> Iterator[str]:
    """Yields possible values of `__name__`: the recorded one, then the ends of the qualified name."""
    recorded = description and description.get("function")
    if isinstance(recorded, str):
        yield recorded
    try:
        rest: str = description["nodes"][0]["name"]  # type: ignore[index]
        while rest:
            yield rest
            rest = rest.partition(".")[2]
    except (AttributeError, IndexError, KeyError, TypeError):
        return


def guess_name(folder: str) -> str | None:
    """Guesses the name of a function from the name of its folder; returns None if that is ambiguous."""
    readable = folder.rpartition("-")[0]
    for name in (folder, readable, f"<{readable}>"):
        if safe_name(name) == folder:
            return name
    return None


def folded(name: str) -> str:
    """Normalizes a name as a file system that ignores case compares it."""
    return unicodedata.normalize("NFC", name).casefold()


class StoredEntry(StoredFile):
    """A stored call of a version of a function. The entry's file is read only when needed.

    Attributes:
        version: The version to which the entry belongs.
        bytes: The size of the entry's file.

    Example:
        >>> for entry in open_cache("cache").function("double").versions()[0].entries():  # doctest: +SKIP
        ...     print(entry.input, entry.time)
        {'x': 21} 1.2e-06
    """

    __slots__ = ("version",)

    def __init__(
        self,
        version: StoredVersion,
        name: str,
        size: int,
        modified: int,
        *,
        is_error: bool = False,
    ) -> None:
        super().__init__(version._store, version._folder, name, size, modified, is_error=is_error)
        self.version = version

    def remove(self) -> bool:
        """Deletes the entry, and earlier results of the same call. A packed entry is marked as deleted.

        Returns:
            True if there was an entry to delete.

        Raises:
            OSError: The entry cannot be deleted, or is behind a link.
        """
        is_removed = super().remove()
        name = self.version._true_name
        is_packable = not self.is_error and os.path.isdir(os.path.join(self._folder, PACKED))
        if name is None or not is_packable:
            return is_removed
        at_exit(close_segments)
        return self._store.remove(name, self.version.definition, self.hash) or is_removed

    @property
    def arguments(self) -> str:
        """The argument hash of the stored call: 40 hexadecimal digits."""
        return self.hash

    @property
    def input(self) -> dict[str, Any]:
        """The arguments of the stored call, by name. Unpickles them, which imports the modules of their classes.

        Raises:
            FileNotFoundError: The entry has been deleted.
            OSError: The entry cannot be read now, is in another version of the format, or is not
                signed with the signing key.
            DamagedEntryError: The file differs from what was written.
            Exception: Unpickling failed.
        """
        inputs: dict[str, Any] = self._read(reader.read_head)["input"]
        return inputs

    @property
    def time(self) -> float:
        """The run time of the stored call in seconds. Unpickles nothing. Raises the same errors as `input`."""
        seconds: float = self._read(reader.read_seconds)
        return seconds

    @property
    def run(self) -> RunRecord | None:
        """The record of the process that computed the result; None if there is none. Raises what `time` raises."""
        return read_run(self._store.root, self._about()[2])

    @property
    def is_expired(self) -> bool:
        """Whether the entry is older than the ``max_age`` with which it was stored. Raises what `time` raises."""
        return self._about()[1]

    def _about(self) -> tuple[float, bool, str | None]:
        """Returns the run time in seconds, whether the entry is expired, and the id of the run. Unpickles nothing."""
        seconds, max_age, run = self._read(reader.read_about)
        return seconds, is_expired(self._modified / 1e9, max_age), run

    @property
    def objects(self) -> frozenset[str]:
        """The hashes of the large arguments of the entry and of earlier results of the same call, see `Cache.objects`.

        Unpickles and verifies nothing.

        Raises:
            FileNotFoundError: The entry has been deleted.
            OSError: The entry cannot be read now.
        """
        try:
            found = set(large_arguments.named_in_file(self._path))
        except FileNotFoundError:
            return self._packed_objects()
        for earlier in earlier_files(self._path):
            with suppress(FileNotFoundError):
                found.update(large_arguments.named_in_file(earlier))
        return frozenset(found)

    def _packed_objects(self) -> frozenset[str]:
        name = self.version._true_name
        if name is None and os.path.isdir(os.path.join(self._folder, PACKED)):
            raise OSError(errno.EINVAL, self._nameless(), self._path)
        # A process may have packed the file a moment ago.
        entry = name and self._store.read(name, self.version.definition, self._key, refresh=True)
        if not entry:
            raise FileNotFoundError(2, "the entry has been deleted", self._path)
        return frozenset(large_arguments.named_in(bytes(entry.body)))

    def load(self) -> dict[str, Any]:
        """Unpickles the entry: ``{'input': ..., 'output': ..., 'time': ...}``. Raises the same errors as `input`.

        A remembered error has ``'error'``, the exception, in place of ``'output'``.
        """
        read = remembered_errors.read_whole if self.is_error else reader.read_whole
        entry: dict[str, Any] = self._read(read)
        return entry

    def verify(self) -> CheckResult:
        """Compares every byte of the file with its checksum and, if there is a signing key, its signature."""
        name = self.version._true_name
        if name is None:
            return CheckResult("unreadable", self._nameless())
        return CheckResult(*self._store.check(name, self.version.definition, self._key))

    def _read(self, read: Any) -> Any:
        name = self.version._true_name
        if name is None:
            raise FunesError(self._nameless())
        found = read(self._store, name, self.version.definition, self._key)
        if found is None:
            raise FileNotFoundError(2, "the entry has been deleted", self._path)
        return found

    @property
    def _key(self) -> str:
        """The argument hash, and the extension of a remembered error."""
        return self.hash + ERROR_EXTENSION if self.is_error else self.hash

    def _nameless(self) -> str:
        return (
            f"{self._path} cannot be verified: its checksum covers the name of the function, and"
            " definition.json beside it does not record it"
        )
