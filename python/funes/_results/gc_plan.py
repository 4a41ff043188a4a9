"""Decides which versions, entries and large arguments to delete: for `funes gc`, and for ``max_bytes=``."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from funes._entries.large_arguments import GC_GRACE_SECONDS
from funes._funes import PACKED
from funes._results import usage
from funes._results.cache import Cache, StoredObject
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import StoredFile


class Limits(NamedTuple):
    """The limits that the user gave. A limit that was not given is None."""

    #: The minimum age in seconds of a version to delete, since its last result or known hit.
    older_than: float | None = None
    #: The minimum number of newer versions of the same function for a version to delete.
    keep_versions: int | None = None
    #: The maximum number of bytes that may be left. If there are more, the least valuable files are
    #: deleted too.
    max_bytes: int | None = None


class Plan(NamedTuple):
    """The files to delete."""

    versions: list[StoredVersion]
    #: The versions that have no other entries than those in `entries`.
    emptied: list[StoredVersion]
    entries: list[StoredEntry]
    damaged: list[StoredFile]
    objects: list[StoredObject]
    #: The bytes of the entries and large arguments that stay.
    rest: int
    #: The part of these bytes that cannot be deleted now.
    fixed: int
    #: The entries that cannot be read now. They may refer to any large argument, so all large
    #: arguments stay.
    unread: list[str]

    def with_emptied_versions(self) -> Plan:
        """Returns the plan that deletes emptied versions as a whole, instead of their entries."""
        folders = {version.folder for version in self.emptied}
        return self._replace(
            versions=self.versions + self.emptied,
            emptied=[],
            entries=[entry for entry in self.entries if entry.version.folder not in folders],
            damaged=[file for file in self.damaged if file.path.parent.parent not in folders],
        )


def plan(
    cache: Cache,
    limits: Limits,
    *,
    watch: Callable[[Iterable[StoredEntry], int], Iterable[StoredEntry]] = lambda entries, _: (
        entries
    ),
) -> Plan:
    """Decides which files to delete. Deletes only unfinished files that were left days ago.

    Args:
        cache: The cache.
        limits: The limits. If none is given, only large arguments that no entry refers to are deleted.
        watch: A function that takes the entries to read, and their number, and yields the entries.
    """
    now = time.time()
    doomed, kept = _versions(cache, limits, now)
    entries = [entry for version in kept for entry in version.entries(errors=True)]
    objects = list(cache.objects())
    definitions = {version.definition for version in doomed}
    quarantined = [f for f in cache.damaged() if f.path.parent.parent.name not in definitions]
    old = [file for file in quarantined if _is_old(file, limits.older_than, now)]
    damaged = [file for file in quarantined if file not in old]
    counts = _ReferenceCounts(objects, now)
    if objects:
        for entry in watch(entries, len(entries)):
            counts.add(entry)
    deleted_objects = counts.orphans()
    staying = [each for each in objects if each not in deleted_objects]
    rest = sum(each.bytes for each in (*entries, *damaged, *staying))
    fixed = sum(each.bytes for each in staying if not counts.can_free(each))
    cut: list[StoredEntry] = []
    # If the limit cannot be reached, no entry is deleted for it.
    if limits.max_bytes is not None and fixed <= limits.max_bytes < rest:
        for file in sorted(damaged, key=_age):
            if rest > limits.max_bytes:
                old.append(file)
                rest -= file.bytes
        if rest > limits.max_bytes:
            values = _values(entries, watch(entries, len(entries)), counts)
            ranked = sorted(
                zip(values, entries, strict=True), key=lambda pair: (pair[0], *_age(pair[1]))
            )
            cut, freed = _cut([entry for _, entry in ranked], counts, rest - limits.max_bytes)
            deleted_objects += freed
            rest -= sum(each.bytes for each in (*cut, *freed))
    return Plan(
        doomed,
        _emptied(kept, entries, cut),
        cut,
        old,
        deleted_objects,
        rest,
        fixed,
        counts.unread,
    )


def last_used(version: StoredVersion) -> float:
    """Returns the time when a version was used last, in seconds since 1970.

    This is the time of the last result, or the end of the last process with hits. For a version
    without results, it is the last change of its folder, since a process may be computing the first
    result.
    """
    summary = version.summary
    if summary.last is None:
        return _changed(version.folder)
    return max(summary.last.timestamp(), _changed(version.folder / usage.FILE_NAME))


def rewritten(entries: Iterable[StoredEntry]) -> list[StoredVersion]:
    """Lists the versions to pack after entries were deleted, which frees the space of packed ones."""
    found = {entry.version._folder: entry.version for entry in entries}
    return [each for each in found.values() if os.path.isdir(each.folder / PACKED)]


def is_dispensable(file: StoredFile) -> bool:
    """Returns whether an unused large argument or run record is old enough to delete, by the time of its file now."""
    return time.time() - _changed(file.path) > GC_GRACE_SECONDS


def _versions(
    cache: Cache, limits: Limits, now: float
) -> tuple[list[StoredVersion], list[StoredVersion]]:
    """Returns the versions to delete and the versions to keep, each version once.

    A version that several functions share, because their code is the same, is deleted only if it is
    superseded for each of them.
    """
    is_doomed: dict[str, bool] = {}
    found: dict[str, StoredVersion] = {}
    for function in cache.functions():
        versions = function.versions()
        superseded = {version.definition for version in _superseded(versions, limits, now)}
        for version in versions:
            folder = str(version.folder)
            found.setdefault(folder, version)
            is_doomed[folder] = is_doomed.get(folder, True) and version.definition in superseded
    doomed = [version for folder, version in found.items() if is_doomed[folder]]
    return doomed, [version for folder, version in found.items() if not is_doomed[folder]]


def _superseded(versions: list[StoredVersion], limits: Limits, now: float) -> list[StoredVersion]:
    """Lists the versions of a function that meet all limits for deletion."""
    if limits.older_than is None and limits.keep_versions is None:
        return []
    keep, min_age = limits.keep_versions or 0, limits.older_than or 0.0
    filled: list[StoredVersion] = []
    empty: list[StoredVersion] = []
    for version in sorted(versions, key=last_used, reverse=True):
        has_any = version.summary.entries or any(version.entries(errors=True))
        (filled if has_any else empty).append(version)
    # Only versions with results count for --keep-versions.
    candidates = [(each, 0.0) for each in filled[keep:]] + [
        (each, GC_GRACE_SECONDS) for each in empty
    ]
    return [each for each, grace in candidates if now - last_used(each) > max(min_age, grace)]


def _values(
    entries: list[StoredEntry], watched: Iterable[StoredEntry], counts: _ReferenceCounts
) -> list[float]:
    """Rates entries by the seconds per byte that they save.

    The seconds are the run time, times the uses of the entry. The uses are the computation and the
    average number of hits of the entries of the version. The bytes are those of the entry, and its
    share of the large arguments that would be deleted with it.
    """
    counted = Counter(entry.version._folder for entry in entries)
    uses: dict[str, float] = {}
    values: list[float] = []
    for entry in watched:
        folder = entry.version._folder
        if folder not in uses:
            hits = usage.stats_of(folder).hits
            uses[folder] = 1 + hits / counted[folder]
        try:
            seconds = entry.time
        except Exception:  # a process with another signing key may be able to read it
            seconds = float("inf")
        values.append(seconds * uses[folder] / max(1.0, entry.bytes + counts.share(entry)))
    return values


def _cut(
    ranked: list[StoredEntry], counts: _ReferenceCounts, excess: int
) -> tuple[list[StoredEntry], list[StoredObject]]:
    """Chooses the entries to delete, in the order of `ranked`, and their large arguments, to free `excess` bytes.

    An entry stays if the entries after it free enough without it.
    """
    cut: list[StoredEntry] = []
    for entry in ranked:
        if excess <= 0:
            break
        cut.append(entry)
        excess -= entry.bytes + sum(each.bytes for each in counts.remove(entry))
    deleted: list[StoredEntry] = []
    for entry in reversed(cut):
        size = entry.bytes + sum(each.bytes for each in counts.unreferenced(entry))
        if excess + size <= 0:
            counts.restore(entry)
            excess += size
        else:
            deleted.append(entry)
    deleted.reverse()
    return deleted, counts.freed_by(deleted)


def _emptied(
    versions: list[StoredVersion], entries: list[StoredEntry], cut: list[StoredEntry]
) -> list[StoredVersion]:
    """Lists the versions that would have no entry left."""
    left = Counter(entry.version._folder for entry in entries)
    left.subtract(entry.version._folder for entry in cut)
    folders = {entry.version._folder for entry in cut}
    return [each for each in versions if each._folder in folders and not left[each._folder]]


class _ReferenceCounts:
    """Counts the entries that refer to each large argument."""

    def __init__(self, objects: list[StoredObject], now: float) -> None:
        self._old = {
            each.hash: each for each in objects if now - each.stored.timestamp() > GC_GRACE_SECONDS
        }
        #: Maps the path of each entry to the hashes of its large arguments.
        self._references: dict[str, frozenset[str]] = {}
        #: The number of entries that stay and refer to each large argument.
        self._count: Counter[str] = Counter()
        self.unread: list[str] = []

    def add(self, entry: StoredEntry) -> None:
        """Reads the references of an entry."""
        if not self._old:
            return
        path = entry._path
        try:
            found = entry.objects
        except FileNotFoundError:  # deleted since it was listed
            return
        except OSError:
            self.unread.append(path)
            return
        if found:
            self._references[path] = found
            self._count.update(found)

    def can_free(self, stored: StoredObject) -> bool:
        """Returns whether a large argument may be deleted once no entry refers to it."""
        return stored.hash in self._old and not self.unread

    def orphans(self) -> list[StoredObject]:
        """Lists the large arguments that no entry refers to, and that may be deleted."""
        return [
            each
            for name, each in self._old.items()
            if not self._count[name] and self.can_free(each)
        ]

    def share(self, entry: StoredEntry) -> float:
        """Returns the bytes of the large arguments of an entry, divided by their references."""
        shared = self._freeable(entry)
        return sum(each.bytes / max(1, self._count[each.hash]) for each in shared)

    def remove(self, entry: StoredEntry) -> list[StoredObject]:
        """Removes the references of an entry; returns its large arguments without references."""
        self._count.subtract(self._references.get(entry._path, ()))
        return self.unreferenced(entry)

    def unreferenced(self, entry: StoredEntry) -> list[StoredObject]:
        """Lists the large arguments of a removed entry to which no other entry refers."""
        return [each for each in self._freeable(entry) if not self._count[each.hash]]

    def restore(self, entry: StoredEntry) -> None:
        """Adds the references of a removed entry again."""
        self._count.update(self._references.get(entry._path, ()))

    def freed_by(self, cut: list[StoredEntry]) -> list[StoredObject]:
        """Lists the large arguments that can be deleted with removed entries."""
        freed = {each.hash: each for entry in cut for each in self.unreferenced(entry)}
        return list(freed.values())

    def _freeable(self, entry: StoredEntry) -> list[StoredObject]:
        names = self._references.get(entry._path, ())
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
