"""Keeps a cache folder below a size, for ``memorious(max_bytes=...)``.

The file `size.json` in the cache folder has the approximate size of the cache. Each process adds what
it has stored: at its first result, then after each 256th part of the bound, and when it ends. If the
sum exceeds the bound, the process measures the cache and deletes entries by the rule of
``funes gc --max-bytes``, in a thread of its own. No call waits for this thread, or fails because of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from funes._atomic_json import is_shared, write_json
from funes._entries.at_exit import at_exit
from funes._funes import PACKED, RUNS, Growth, KeyLock, Store, close_segments, hash_value, size_of
from funes._results.cache import Cache
from funes._results.gc_plan import Limits, is_dispensable, plan, rewritten
from funes._results.stored import StoredEntry, StoredVersion
from funes._results.stored_files import StoredFile
from funes._results.units import bytes_shown, number_of

FILE_NAME = "size.json"

#: The format version of the file, see docs/format.md.
_FORMAT = 1

#: The part of the bound after which a process adds what it has stored.
_REPORTS = 256

#: The part of the bound by which the cache must have grown since it was measured, before it is
#: measured again: it may be impossible to reach the bound.
_GROWTHS = 32

#: The part of the bound that is free after entries were deleted.
_FREE = 10

#: The age at which the size is measured again, since users copy and delete files.
_MAX_AGE_SECONDS = 86400.0

#: The time that a process waits at its end for a thread that deletes entries.
_EXIT_SECONDS = 10.0

#: The attempts to get the lock at the end of a process, and the pause between them.
_LOCK_ATTEMPTS = 20
_LOCK_PAUSE_SECONDS = 0.0025

#: The bounds of this process, by cache folder and size.
_bounds: dict[tuple[str, int], SizeBound] = {}

#: Held by the thread of this process that measures or deletes. The lock of the file excludes only
#: other processes.
_working = threading.Lock()


class _EndedError(Exception):
    """Raised in a thread that deletes entries when the process ends."""


class Account(NamedTuple):
    """What is known of the size of a cache."""

    #: The approximate size in bytes.
    bytes: int
    #: The size in bytes when it was measured last.
    measured_bytes: int
    #: The time when it was measured last, in seconds since 1970.
    measured: float


def growth_below(root: str, bound: int, **options: Any) -> Growth:
    """Returns what counts the bytes that are stored in a cache folder, so that the cache stays below a size.

    Args:
        root: The cache folder.
        bound: The size in bytes.
        options: The access options of the store: ``key`` and ``shared``.
    """
    at_exit(_end)
    key = root, bound
    if key not in _bounds:
        _bounds.setdefault(key, SizeBound(root, bound, options))
    return _bounds[key].growth


class SizeBound:
    """Keeps a cache folder below a size, as far as this process stores results in it."""

    def __init__(self, root: str, bound: int, options: dict[str, Any]) -> None:
        self._root = root
        self._bound = bound
        self._options = options
        self.growth = Growth(max(1, bound // _REPORTS), self._report)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._works = False
        #: True if more was reported while the thread was at work.
        self._has_more = False
        self._ends = False

    def _report(self) -> None:
        """Adds what was stored, in a thread. The extension calls this after it has stored an entry."""
        with self._lock:
            if self._ends or self._works:
                self._has_more = True
                return
            self._works = True
        try:
            thread = threading.Thread(target=self._work, name="funes-size", daemon=True)
            thread.start()
        except BaseException:
            self._works = False
            raise
        self._thread = thread

    def _work(self) -> None:
        while True:
            self._has_more = False
            if _working.acquire(blocking=False):
                try:
                    with suppress(Exception):
                        self._add(deletes=True)
                finally:
                    _working.release()
            with self._lock:
                if self._ends or not self._has_more:
                    self._works = False
                    return

    def forget_thread(self) -> None:
        """Starts anew in a forked child, which has no thread."""
        self._lock = threading.Lock()
        self._thread, self._works, self._has_more = None, False, False
        self.growth.take()  # the parent adds it

    def end(self) -> None:
        """Waits for the thread, within a time limit, and adds what was stored since."""
        if self._thread is not None:
            self._thread.join(_EXIT_SECONDS)
        self._ends = True
        if self._thread is not None:
            self._thread.join(1.0)
        for _ in range(_LOCK_ATTEMPTS):
            with suppress(Exception):
                if self._add(deletes=False):
                    return
            time.sleep(_LOCK_PAUSE_SECONDS)

    def _add(self, *, deletes: bool) -> bool:
        """Adds what was stored. Returns false if another process is at it."""
        lock = KeyLock(self._root, hash_value(FILE_NAME))
        if lock.acquire() is False:
            return False
        try:
            account = _read(os.path.join(self._root, FILE_NAME))
            stored = self.growth.take()
            if account is not None:
                account = account._replace(bytes=account.bytes + stored)
            if deletes and (account is None or self._is_due(account)):
                size = self._measured()
                account = Account(size, size, time.time())
            if account is not None and (stored or deletes):
                content = {"format": _FORMAT, **account._asdict()}
                write_json(self._root, FILE_NAME, content, shared=is_shared(self._root))
        except _NewerError:
            pass
        finally:
            lock.release()
        return True

    def _is_due(self, account: Account) -> bool:
        grown = account.bytes - account.measured_bytes
        is_above = account.bytes > self._bound and grown > self._bound // _GROWTHS
        return is_above or abs(time.time() - account.measured) > _MAX_AGE_SECONDS

    def _measured(self) -> int:
        """Returns the size of the cache, after deleting what is above the bound."""
        size = size_of(self._root)
        if size <= self._bound:
            return size
        cache = Cache(Store(self._root, verify="never", **self._options))
        packed = [each for each in cache._versions() if os.path.isdir(each.folder / PACKED)]
        if packed:
            # Compression may be enough.
            self._pack(packed)
            size = size_of(self._root)
        if size <= self._bound:
            return size
        self._delete(cache)
        return size_of(self._root)

    def _delete(self, cache: Cache) -> None:
        records = size_of(os.path.join(self._root, RUNS))
        limits = Limits(max_bytes=max(0, self._bound - self._bound // _FREE - records))
        found = plan(cache, limits, watch=self._watched)
        files = (*found.damaged, *self._watched(found.entries))
        count = 0
        for file in files:
            self._check_end()
            with suppress(OSError):
                count += file.remove()
        _remove_dispensable(found.objects)
        with suppress(OSError):
            _remove_dispensable(cache.unused_runs())
        self._pack(rewritten(found.entries))
        _log(
            f"{self._root}: {number_of(count, 'result')} deleted to keep it below {bytes_shown(self._bound)}"
        )

    def _pack(self, versions: Iterable[StoredVersion]) -> None:
        """Compresses results, and frees the space of deleted ones."""
        close_segments()
        for version in versions:
            self._check_end()
            with suppress(OSError):
                version.pack(files=False)

    def _watched(self, entries: Iterable[StoredEntry], _: int = 0) -> Iterator[StoredEntry]:
        for entry in entries:
            self._check_end()
            yield entry

    def _check_end(self) -> None:
        if self._ends:
            raise _EndedError


def _remove_dispensable(files: Iterable[StoredFile]) -> None:
    for each in filter(is_dispensable, files):
        with suppress(OSError):
            each.remove()


class _NewerError(ValueError):
    """Raised for a file with a later format version."""


def _read(path: str) -> Account | None:
    """Reads the file; returns None if it is missing or not understood."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if content["format"] > _FORMAT:
            raise _NewerError
        size, measured_size, measured = (content[name] for name in Account._fields)
        return Account(int(size), int(measured_size), float(measured))
    except _NewerError:
        raise
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None


def _log(text: str) -> None:
    # A program that has not imported the module shows no lines.
    logging = sys.modules.get("logging")
    if logging is not None:
        logging.getLogger("funes").info("%s", text)


def _end() -> None:
    for bound in list(_bounds.values()):
        bound.end()


def _after_fork_in_child() -> None:
    global _working
    _working = threading.Lock()
    for bound in _bounds.values():
        bound.forget_thread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
