"""What a cache can do without: which versions, entries and large arguments, and how they are deleted."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from funes._entries import stats
from funes._entries.cache import Cache, StoredObject
from funes._entries.entry import StoredEntry
from funes._entries.files import StoredFile
from funes._entries.large_arguments import YOUNG
from funes._entries.version import StoredVersion
from funes._versions.adoption import KEY

__all__ = ["Limits", "Plan", "adopted_by", "is_dispensable", "last_used", "plan"]


class Limits(NamedTuple):
    """What is asked for; None where nothing is."""

    #: Only versions that nothing was added to and no hit is known of for so many seconds.
    older_than: float | None = None
    #: Only versions of which there are so many newer ones of the same function.
    keep_versions: int | None = None
    #: Then as many of the oldest files as it takes to come down to so many bytes.
    max_bytes: int | None = None


class Plan(NamedTuple):
    """What is to be deleted."""

    versions: list[StoredVersion]
    entries: list[StoredEntry]
    damaged: list[StoredFile]
    objects: list[StoredObject]
    #: How many bytes the rest takes.
    rest: int
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
    doomed, kept = [], []
    for function in cache.functions():
        versions = function.versions()
        go = _superseded(versions, limits, now)
        doomed += go
        kept += [version for version in versions if version not in go]
    entries = [entry for version in kept for entry in version.entries()]
    objects = list(cache.objects())
    gone = {version.definition for version in doomed}
    aside = [file for file in cache.damaged() if file.path.parent.parent.name not in gone]
    old = [file for file in aside if _is_old(file, limits.older_than, now)]
    damaged = [file for file in aside if file not in old]
    book = _Book(objects, now)
    if objects:
        for entry in watch(entries, len(entries)):
            book.note(entry)
    leave = book.orphans()
    staying = [each for each in objects if each not in leave]
    rest = sum(each.bytes for each in (*entries, *damaged, *staying))
    cut: list[StoredEntry] = []
    if limits.max_bytes is not None:
        for file in (*sorted(damaged, key=_age), *sorted(entries, key=_age)):
            if rest <= limits.max_bytes:
                break
            rest -= file.bytes
            if isinstance(file, StoredEntry):
                cut.append(file)
                freed = book.strike(file)
                rest -= sum(each.bytes for each in freed)
                leave += freed
            else:
                old.append(file)
    emptied = _emptied(kept, entries, cut)
    return Plan(
        doomed + emptied,
        [entry for entry in cut if entry.version not in emptied],
        [
            file
            for file in old
            if file.path.parent.parent.name not in {v.definition for v in emptied}
        ],
        leave,
        rest,
        book.unread,
    )


def last_used(version: StoredVersion) -> float:
    """When the last result was added, or a process with hits ended; seconds since 1970.

    Of a version without results it is when anything was done in its folder: the first may be being computed.
    """
    summary = version.summary
    if summary.last is None:
        return _changed(version.folder)
    return max(summary.last.timestamp(), _changed(version.folder / stats.FILE_NAME))


def adopted_by(version: StoredVersion) -> set[str]:
    """The versions whose results serve this one, as its definition.json records."""
    records = (version.description or {}).get(KEY)
    if not isinstance(records, list):
        return set()
    return {str(record.get("definition")) for record in records if isinstance(record, dict)}


def is_dispensable(file: StoredObject) -> bool:
    """Whether a large argument that nothing refers to is old enough, as it is now."""
    return time.time() - _changed(file.path) > YOUNG


def _superseded(versions: list[StoredVersion], limits: Limits, now: float) -> list[StoredVersion]:
    """The versions of a function to do without: those that every limit gives up, and that serve no other version."""
    if limits.older_than is None and limits.keep_versions is None:
        return []
    keep, patience = limits.keep_versions or 0, limits.older_than or 0.0
    filled: list[StoredVersion] = []
    bare: list[StoredVersion] = []
    for version in sorted(versions, key=last_used, reverse=True):
        (filled if version.summary.entries or adopted_by(version) else bare).append(version)
    # A version without results takes the place of none that has some.
    go, kept = {}, filled[:keep]
    for version, least in [(each, 0.0) for each in filled[keep:]] + [
        (each, YOUNG) for each in bare
    ]:
        if now - last_used(version) > max(patience, least):
            go[version.definition] = version
        else:
            kept.append(version)
    while kept:
        for definition in adopted_by(kept.pop()):
            if definition in go:
                kept.append(go.pop(definition))
    return list(go.values())


def _emptied(
    versions: list[StoredVersion], entries: list[StoredEntry], cut: list[StoredEntry]
) -> list[StoredVersion]:
    """The versions of which no entry would be left, nor anything that they serve by."""
    left = Counter(entry.version.definition for entry in entries)
    left.subtract(entry.version.definition for entry in cut)
    touched = {entry.version.definition for entry in cut}
    return [
        version
        for version in versions
        if version.definition in touched
        and not left[version.definition]
        and not adopted_by(version)
    ]


class _Book:
    """Which entries refer to which large arguments."""

    def __init__(self, objects: list[StoredObject], now: float) -> None:
        self._old = {each.hash: each for each in objects if now - each.stored.timestamp() > YOUNG}
        self._of: dict[str, frozenset[str]] = {}
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

    def orphans(self) -> list[StoredObject]:
        if self.unread:
            return []
        return [each for name, each in self._old.items() if not self._count[name]]

    def strike(self, entry: StoredEntry) -> list[StoredObject]:
        """Take an entry out; returns what nothing refers to any more."""
        freed = []
        for name in self._of.pop(str(entry.path), ()):
            self._count[name] -= 1
            if not self._count[name] and name in self._old and not self.unread:
                freed.append(self._old[name])
        return freed


def _age(file: StoredFile) -> tuple[float, str]:
    return file.stored.timestamp(), file.hash


def _is_old(file: StoredFile, older_than: float | None, now: float) -> bool:
    return older_than is not None and now - file.stored.timestamp() > older_than


def _changed(path: os.PathLike[str]) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0
