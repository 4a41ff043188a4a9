"""What is stored: functions, their versions (one for each definition), and their entries (one for each call)."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from funes._code.definition_file import read_definition, read_functions
from funes._entries import function_identity, large_arguments, reader
from funes._funes import Listing, Store, safe_name
from funes._results.columns import Shape
from funes._results.filters import Where, condition
from funes._results.results import Folder, Results
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

T = TypeVar("T")

_HASH = re.compile(r"[0-9a-f]{40}")


#: Stands for the module of versions of which it is not known.
_UNKNOWN = "?"


class StoredFunction:
    """What is stored of one function, under all its definitions.

    A function is known by its module and its qualified name. Others of the same name share its folder, and a version
    too if their code is the same.

    """

    def __init__(self, store: Store, folder: str, identity: str) -> None:
        self._store = store
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
        alone = len(functions_in(self._store, self._folder)) <= 1
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
        refuse_links(self._store, self._folder)
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
        return f"<StoredFunction {self._label} in {self._store.root}>"


def functions_in(store: Store, folder: str) -> list[StoredFunction]:
    """The functions that have versions in a folder."""
    return [StoredFunction(store, folder, each) for each in _by_function(folder)]


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


class Summary(NamedTuple):
    """What the folder of a version tells, without any entry being read."""

    #: How many entries there are.
    entries: int
    #: The sizes of their files together.
    bytes: int
    #: When the first was stored, in UTC; None if there are none.
    first: datetime | None
    #: When the last was stored, in UTC; None if there are none.
    last: datetime | None


class StoredVersion:
    """What is stored of one version of a function: one definition of it.

    Attributes:
        function: The function that it is a version of.
        definition: The definition hash: 40 hexadecimal digits.
    """

    def __init__(self, function: StoredFunction, definition: str) -> None:
        self.function = function
        self.definition = definition
        self._store: Store = function._store
        self._folder = os.path.join(function._folder, definition)

    @property
    def folder(self) -> Path:
        """The folder of the entries."""
        return Path(self._folder)

    def entries(self) -> Iterator[StoredEntry]:
        """Go through the entries, in the order that the folder has; none is read.

        Raises:
            OSError: The folder cannot be listed.
        """
        for name, size, modified in Listing(self._folder):
            yield StoredEntry(self, name, size, modified)

    def entry(self, arguments: str) -> StoredEntry:
        """An entry by its argument hash, or by as many digits of it as no other one has.

        Raises:
            KeyError: There is none, or more than one.
        """
        found = {entry.hash: entry for entry in self.entries() if entry.hash.startswith(arguments)}
        return only("entry", arguments, found)

    @cached_property
    def summary(self) -> Summary:
        """Number and size of the entries, first and last date: as they were when this was asked for first."""
        count, size = 0, 0
        first: int | None = None
        last: int | None = None
        for _, each, modified in Listing(self._folder):
            count, size = count + 1, size + each
            first = modified if first is None else min(first, modified)
            last = modified if last is None else max(last, modified)
        dates = [None if moment is None else date(moment) for moment in (first, last)]
        return Summary(count, size, *dates)

    def seconds(self) -> float:
        """How long the stored calls took to compute, together. Reads every entry; what cannot be read counts 0.0."""
        return sum(map(_seconds, self.entries()), 0.0)

    def results(self, where: Where | None = None, inputs_only: bool = False) -> Results:
        """The results as data; `where` and `inputs_only` as in `load_cached_results`.

        As the function is not at hand, what came in ``**kwargs`` is one input, a dict.

        Raises:
            FunesError: The name of the function is not known, so that no entry can be verified.
            KeyError: `where` names an argument that the version does not have, if its parameters are recorded.
            TypeError, UnhashableArgumentError: As `load_cached_results`.
        """
        return results_of(self.function, [self], where, inputs_only, is_mixed=False)

    @cached_property
    def description(self) -> dict[str, Any] | None:
        """What the definition consists of: definition.json, see docs/format.md; None if that is missing or spoilt."""
        try:
            return read_definition(self._folder)
        except (OSError, ValueError):
            return None

    @property
    def shared_with(self) -> list[str]:
        """The other functions whose code is the same, so that the results are theirs too, by their qualified names."""
        if len(read_functions(self._folder)) < 2:
            return []
        return [
            each.qualified_name
            for each in functions_in(self._store, self.function._folder)
            if self.definition in each.definitions()
            and each.qualified_name != self.function.qualified_name
        ]

    def damaged(self) -> Iterator[StoredFile]:
        """The damaged files that were set aside."""
        return damaged_files(self._store, self._folder)

    def remove(self) -> DeletedFiles:
        """Delete all entries of the version, damaged ones too, and its folder, unless other files are in it.

        A call of the function in another process that ends meanwhile may store its result again.

        Raises:
            OSError: A file cannot be deleted, or the folder is a link.
        """
        return remove_folder(self._store, self._folder)

    @cached_property
    def _true_name(self) -> str | None:
        """The name of the function that its checksums have; None if nothing tells.

        Where file systems ignore case, `F` and `f` share a folder, so that each version is asked.
        """
        shown = folded(os.path.basename(self.function._folder))
        for name in _names(self.description):
            if folded(safe_name(name)) == shown:
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
) -> Results:
    """The results of versions of one function."""
    folders = []
    for version in versions:
        if version._true_name is None:
            raise FunesError(
                f"the results in {version._folder} cannot be verified: their checksums have the function's"
                " name in them, which definition.json beside them would say"
            )
        folders.append(Folder(version._true_name, version.definition))
    store = function._store
    names, keywords = inputs_of(versions)
    fulfils = condition(store, where, names, keywords)
    return Results(
        store,
        folders,
        name=function.name,
        shape=Shape(is_mixed=is_mixed),
        fulfils=fulfils,
        inputs_only=inputs_only,
    )


def inputs_of(versions: Iterable[StoredVersion]) -> tuple[list[str] | None, str | None]:
    """The names that inputs of these versions can have, None if that is not recorded; and that of ``**kwargs``."""
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


def _seconds(entry: StoredEntry) -> float:
    try:
        return entry.time
    except Exception:
        return 0.0  # `verify` tells what is the matter


def _names(description: dict[str, Any] | None) -> Iterator[str]:
    """What `__name__` of the function may have been: what is recorded, or the ends of its qualified name."""
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
    """The function's name, from that of its folder alone; None if that does not tell."""
    readable = folder.rpartition("-")[0]
    for name in (folder, readable, f"<{readable}>"):
        if safe_name(name) == folder:
            return name
    return None


def folded(name: str) -> str:
    """A name as file systems compare it that ignore case."""
    return unicodedata.normalize("NFC", name).casefold()


def only(kind: str, beginning: str, found: dict[str, T]) -> T:
    """The only one that was found.

    Raises:
        KeyError: There is none, or more than one.
    """
    if not found:
        raise KeyError(f"there is no {kind} {beginning!r}")
    if len(found) > 1:
        names = ", ".join(sorted(found)[:3])
        raise KeyError(
            f"{beginning!r} may be any of {len(found)}: {names}{', ...' * (len(found) > 3)}"
        )
    return next(iter(found.values()))


class StoredEntry(StoredFile):
    """One stored call of one version of a function. Nothing of the file is read before it is asked for.

    Attributes:
        version: The version that it belongs to.
        bytes: The size of its file.

    Example:
        >>> for entry in open_cache("cache").function("double").versions()[0].entries():  # doctest: +SKIP
        ...     print(entry.input, entry.time)
        {'x': 21} 1.2e-06
    """

    __slots__ = ("version",)

    def __init__(self, version: StoredVersion, name: str, size: int, modified: int) -> None:
        super().__init__(version._store, version._folder, name, size, modified)
        self.version = version

    @property
    def arguments(self) -> str:
        """The argument hash: 40 hexadecimal digits."""
        return self.hash

    @property
    def input(self) -> dict[str, Any]:
        """The arguments by name. Unpickles them, which imports the modules of their classes.

        Raises:
            FileNotFoundError: It has been deleted.
            OSError: It cannot be read now, or not by this funes, or not with this key.
            DamagedEntryError: The file is not what was written.
            Exception: Whatever comes up when the objects are made again.
        """
        inputs: dict[str, Any] = self._read(reader.read_head)["input"]
        return inputs

    @property
    def time(self) -> float:
        """How many seconds the function ran. Unpickles nothing if that can be avoided; raises as `input`."""
        seconds: float = self._read(reader.read_seconds)
        return seconds

    @property
    def objects(self) -> frozenset[str]:
        """The hashes of its large arguments, which lie in `Cache.objects`. Nothing is unpickled or verified.

        Raises:
            OSError: It cannot be read now; FileNotFoundError if it has been deleted.
        """
        return frozenset(large_arguments.named_in_file(self._path))

    def load(self) -> dict[str, Any]:
        """The whole: ``{'input': ..., 'output': ..., 'time': ...}``. Unpickles it, and raises, as `input`."""
        entry: dict[str, Any] = self._read(reader.read_whole)
        return entry

    def verify(self) -> CheckResult:
        """Compare every byte of the file with its checksum; with its signature too if the cache has a key."""
        name = self.version._true_name
        if name is None:
            return CheckResult("unreadable", self._nameless())
        return CheckResult(*self._store.check(name, self.version.definition, self.hash))

    def _read(self, read: Any) -> Any:
        name = self.version._true_name
        if name is None:
            raise FunesError(self._nameless())
        found = read(self._store, name, self.version.definition, self.hash)
        if found is None:
            raise FileNotFoundError(2, "the entry has been deleted", self._path)
        return found

    def _nameless(self) -> str:
        return (
            f"{self._path} cannot be verified: its checksum has the function's name in it, which"
            " definition.json beside it would say"
        )
