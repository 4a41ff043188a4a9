"""One version of a function: the entries of one definition."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from funes._funes import Listing, Store, safe_name
from funes._results.stored_entry import StoredEntry
from funes._results.stored_files import DeletedFiles, StoredFile, damaged_files, date, remove_folder
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._results.filters import Where
    from funes._results.results import Results
    from funes._results.stored_function import StoredFunction

T = TypeVar("T")

__all__ = [
    "StoredVersion",
    "Summary",
    "folded",
    "guess_name",
    "inputs_of",
    "only",
    "results_of",
]


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
        self._store: Store = function.cache._store
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
        from funes._code.definition_file import read_definition

        try:
            return read_definition(self._folder)
        except (OSError, ValueError):
            return None

    @property
    def shared_with(self) -> list[str]:
        """The other functions whose code is the same, so that the results are theirs too, by their qualified names."""
        from funes._code.definition_file import read_functions
        from funes._results.stored_function import functions_in

        if len(read_functions(self._folder)) < 2:
            return []
        return [
            each.qualified_name
            for each in functions_in(self.function.cache, self.function._folder)
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
    from funes._results.columns import Shape
    from funes._results.filters import condition
    from funes._results.results import Folder, Results

    folders = []
    for version in versions:
        if version._true_name is None:
            raise FunesError(
                f"the results in {version._folder} cannot be verified: their checksums have the function's"
                " name in them, which definition.json beside them would say"
            )
        folders.append(Folder(version._true_name, version.definition))
    store = function.cache._store
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
