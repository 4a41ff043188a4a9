"""Decides what a cache can do without: which versions, entries and large arguments."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from funes._entries.large_arguments import GC_GRACE_SECONDS
from funes._results import usage
from funes._results.cache import Cache, StoredObject
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import StoredFile


class Limits(NamedTuple):
    """What is asked for; None where nothing is."""

    #: Only versions that nothing was added to and no hit is known of for so many seconds.
    older_than: float | None = None
    #: Only versions of which there are so many newer ones of the same function.
    keep_versions: int | None = None
    #: Then as many of the least valuable files as it takes to come down to so many bytes.
    max_bytes: int | None = None


class Plan(NamedTuple):
    """What is to be deleted."""

    versions: list[StoredVersion]
    entries: list[StoredEntry]
    damaged: list[StoredFile]
    objects: list[StoredObject]
    #: How many bytes the rest takes.
    rest: int
    #: How many of these cannot be deleted now.
    fixed: int
    #: Files that cannot be read now: as long as it is not known what they refer to, all large arguments stay.
    unread: list[str]


def plan(
    cache: Cache,
    limits: Limits,
    *,
    watch: Callable[[Iterable[StoredEntry], int], Iterable[StoredEntry]] = lambda entries, _: (
        entries
    ),
) -> Plan:
    """Decide what is to be deleted. Nothing is, but for unfinished files that were left behind days ago.

    Args:
        cache: Where.
        limits: What is asked for. If nothing is, only large arguments go that no entry refers to.
        watch: Passes on the entries that are read, of which there are so many.
    """
    now = time.time()
    doomed, kept = _versions(cache, limits, now)
    entries = [entry for version in kept for entry in version.entries()]
    objects = list(cache.objects())
    gone = {version.definition for version in doomed}
    aside = [file for file in cache.damaged() if file.path.parent.parent.name not in gone]
    old = [file for file in aside if _is_old(file, limits.older_than, now)]
    damaged = [file for file in aside if file not in old]
    book = _ReferenceCounts(objects, now)
    if objects:
        for entry in watch(entries, len(entries)):
            book.note(entry)
    leave = book.orphans()
    staying = [each for each in objects if each not in leave]
    rest = sum(each.bytes for each in (*entries, *damaged, *staying))
    fixed = sum(each.bytes for each in staying if not book.can_free(each))
    cut: list[StoredEntry] = []
    # Where the target cannot be reached, no result is given up for it.
    if limits.max_bytes is not None and fixed <= limits.max_bytes < rest:
        for file in sorted(damaged, key=_age):
            if rest > limits.max_bytes:
                old.append(file)
                rest -= file.bytes
        if rest > limits.max_bytes:
            values = _values(watch(entries, len(entries)), book)
            ranked = sorted(entries, key=lambda entry: (values[entry.path], *_age(entry)))
            cut, freed = _cut(ranked, book, rest - limits.max_bytes)
            leave += freed
            rest -= sum(each.bytes for each in (*cut, *freed))
    emptied = _emptied(kept, entries, cut)
    folders = {version.folder for version in emptied}
    return Plan(
        doomed + emptied,
        [entry for entry in cut if entry.version.folder not in folders],
        [file for file in old if file.path.parent.parent not in folders],
        leave,
        rest,
        fixed,
        book.unread,
    )


def last_used(version: StoredVersion) -> float:
    """When the last result was added, or a process with hits ended; seconds since 1970.

    Of a version without results it is when anything was done in its folder: the first may be being computed.
    """
    summary = version.summary
    if summary.last is None:
        return _changed(version.folder)
    return max(summary.last.timestamp(), _changed(version.folder / usage.FILE_NAME))


def is_dispensable(file: StoredObject) -> bool:
    """Whether a large argument that nothing refers to is old enough, as it is now."""
    return time.time() - _changed(file.path) > GC_GRACE_SECONDS


def _versions(
    cache: Cache, limits: Limits, now: float
) -> tuple[list[StoredVersion], list[StoredVersion]]:
    """The versions to do without, and the others, each once.

    A version of several functions, whose code is the same, goes only if each of them can do without it.
    """
    goes: dict[str, bool] = {}
    found: dict[str, StoredVersion] = {}
    for function in cache.functions():
        versions = function.versions()
        superseded = {version.definition for version in _superseded(versions, limits, now)}
        for version in versions:
            folder = str(version.folder)
            found.setdefault(folder, version)
            goes[folder] = goes.get(folder, True) and version.definition in superseded
    doomed = [version for folder, version in found.items() if goes[folder]]
    return doomed, [version for folder, version in found.items() if not goes[folder]]


def _superseded(versions: list[StoredVersion], limits: Limits, now: float) -> list[StoredVersion]:
    """The versions of a function to do without: those that every limit gives up."""
    if limits.older_than is None and limits.keep_versions is None:
        return []
    keep, patience = limits.keep_versions or 0, limits.older_than or 0.0
    filled: list[StoredVersion] = []
    bare: list[StoredVersion] = []
    for version in sorted(versions, key=last_used, reverse=True):
        (filled if version.summary.entries else bare).append(version)
    # A version without results takes the place of none that has some.
    candidates = [(each, 0.0) for each in filled[keep:]] + [
        (each, GC_GRACE_SECONDS) for each in bare
    ]
    return [each for each, least in candidates if now - last_used(each) > max(patience, least)]


def _values(
    entries: Iterable[StoredEntry], book: _ReferenceCounts
) -> dict[os.PathLike[str], float]:
    """What each entry saves: seconds per byte, for each time that it was used, as far as is known.

    A use is the computation itself, and each hit, of which a version counts those of all its entries. The bytes are its
    own, and its part of the large arguments that would go with it.
    """
    uses: dict[os.PathLike[str], float] = {}
    values: dict[os.PathLike[str], float] = {}
    for entry in entries:
        folder = entry.version.folder
        if folder not in uses:
            hits = (usage.read(folder) or usage.Stats()).hits
            uses[folder] = 1 + hits / max(1, entry.version.summary.entries)
        try:
            seconds = entry.time
        except Exception:  # it may be of value to a reader with another key
            seconds = float("inf")
        values[entry.path] = seconds * uses[folder] / max(1.0, entry.bytes + book.share(entry))
    return values


def _cut(
    ranked: list[StoredEntry], book: _ReferenceCounts, excess: int
) -> tuple[list[StoredEntry], list[StoredObject]]:
    """The entries to delete, the first of them first, to free so many bytes; and the large arguments that go with them.

    An entry that is not needed for that, as a later one frees enough, stays.
    """
    cut: list[StoredEntry] = []
    for entry in ranked:
        if excess <= 0:
            break
        cut.append(entry)
        excess -= entry.bytes + sum(each.bytes for each in book.strike(entry))
    kept = set()
    for entry in reversed(cut):
        size = entry.bytes + sum(each.bytes for each in book.would_return(entry))
        if excess + size <= 0:
            kept.add(entry.path)
            book.restore(entry)
            excess += size
    cut = [entry for entry in cut if entry.path not in kept]
    return cut, book.freed_by(cut)


def _emptied(
    versions: list[StoredVersion], entries: list[StoredEntry], cut: list[StoredEntry]
) -> list[StoredVersion]:
    """The versions of which no entry would be left."""
    left = Counter(entry.version.folder for entry in entries)
    left.subtract(entry.version.folder for entry in cut)
    touched = {entry.version.folder for entry in cut}
    return [each for each in versions if each.folder in touched and not left[each.folder]]


class _ReferenceCounts:
    """Records which entries refer to which large arguments."""

    def __init__(self, objects: list[StoredObject], now: float) -> None:
        self._old = {
            each.hash: each for each in objects if now - each.stored.timestamp() > GC_GRACE_SECONDS
        }
        #: Of each entry, by its path.
        self._of: dict[str, frozenset[str]] = {}
        #: By how many entries that stay each large argument is referred to.
        self._count: Counter[str] = Counter()
        self.unread: list[str] = []

    def note(self, entry: StoredEntry) -> None:
        if not self._old:
            return
        path = str(entry.path)
        try:
            found = entry.objects
        except FileNotFoundError:  # deleted since it was listed
            return
        except OSError:
            self.unread.append(path)
            return
        if found:
            self._of[path] = found
            self._count.update(found)

    def can_free(self, stored: StoredObject) -> bool:
        """Whether a large argument may be deleted once no entry refers to it."""
        return stored.hash in self._old and not self.unread

    def orphans(self) -> list[StoredObject]:
        """The large arguments that no entry refers to, and that may be deleted."""
        return [
            each
            for name, each in self._old.items()
            if not self._count[name] and self.can_free(each)
        ]

    def share(self, entry: StoredEntry) -> float:
        """The bytes of the large arguments that would go with an entry, divided among those that refer to them."""
        shared = self._freeable(entry)
        return sum(each.bytes / max(1, self._count[each.hash]) for each in shared)

    def strike(self, entry: StoredEntry) -> list[StoredObject]:
        """Take an entry out; returns what nothing refers to any more."""
        self._count.subtract(self._of.get(str(entry.path), ()))
        return [each for each in self._freeable(entry) if not self._count[each.hash]]

    def would_return(self, entry: StoredEntry) -> list[StoredObject]:
        """The large arguments that stay if an entry does that was taken out."""
        return [each for each in self._freeable(entry) if not self._count[each.hash]]

    def restore(self, entry: StoredEntry) -> None:
        """Put an entry back that was taken out."""
        self._count.update(self._of.get(str(entry.path), ()))

    def freed_by(self, cut: list[StoredEntry]) -> list[StoredObject]:
        """The large arguments that go with these entries, which were taken out."""
        freed = {each.hash: each for entry in cut for each in self.would_return(entry)}
        return list(freed.values())

    def _freeable(self, entry: StoredEntry) -> list[StoredObject]:
        names = self._of.get(str(entry.path), ())
        found = (self._old[name] for name in names if name in self._old)
        return [each for each in found if self.can_free(each)]


def _age(file: StoredFile) -> tuple[float, str]:
    return file.stored.timestamp(), file.hash


def _is_old(file: StoredFile, older_than: float | None, now: float) -> bool:
    return older_than is not None and now - file.stored.timestamp() > older_than


def _changed(path: os.PathLike[str]) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
