"""Counts in `stats.json` the hits of a definition's entries, and the time that the hits saved.

Each process adds its own numbers once, when it ends. The numbers inform users, and `funes gc` ranks
entries by them; no result depends on them. The numbers of a process are lost if another process
keeps the lock of the file, if the folder is not writable, or if the process is killed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, NamedTuple

from funes._entries.at_exit import at_exit
from funes._funes import forget_usage, take_usage

FILE_NAME = "stats.json"

#: The format version of the file, see docs/format.md.
_FORMAT = 1

#: The maximum number of bytes that are read. A file that funes wrote is far smaller.
_MAX_FILE_BYTES = 4096

#: The attempts to get the lock, and the pause between them. The workers of a pool end at the same
#: time, and each holds the lock for a fraction of a millisecond.
_LOCK_ATTEMPTS = 20
_LOCK_PAUSE_SECONDS = 0.0025

#: The time that a process may take at exit, for many definitions or on a slow disk.
_MAX_SAVE_SECONDS = 1.0


class Stats(NamedTuple):
    """The hits of the entries of a definition, and the run time that they saved."""

    #: The number of calls that did not run the function.
    hits: int = 0
    #: The run time that these calls would have taken, in seconds.
    saved_seconds: float = 0.0


def register() -> None:
    """Registers `save` to run when this process ends."""
    at_exit(save)


def save() -> None:
    """Adds the numbers of this process since the last `save` to the files, within a time limit.

    The definitions that saved the most time come first.
    """
    usage = sorted(take_usage(), key=lambda each: -each[2])
    end = monotonic() + _MAX_SAVE_SECONDS
    for folder, hits, seconds in usage:
        if monotonic() > end:
            break
        with suppress(Exception):
            _add(folder, Stats(hits, seconds))


def read(folder: str | os.PathLike[str]) -> Stats | None:
    """Reads the file in the folder of a definition; returns None if it is missing or not understood."""
    with suppress(OSError, ValueError):
        return _parsed(_content(os.path.join(folder, FILE_NAME)))
    return None


def stats_of(folder: str | os.PathLike[str]) -> Stats:
    """Reads the file in the folder of a definition; returns zeros if it is missing or not understood."""
    return read(folder) or Stats()


def _add(folder: str, more: Stats) -> None:
    from funes._atomic_json import is_shared, write_json
    from funes._funes import KeyLock, hash_value

    if not os.path.isdir(folder):
        return  # deleted meanwhile: writing would create it again
    lock = KeyLock(folder, hash_value(FILE_NAME))
    if not _acquire(lock):
        return
    try:
        before = _before(os.path.join(folder, FILE_NAME))
        if before is not None:
            summed = Stats(before.hits + more.hits, before.saved_seconds + more.saved_seconds)
            content = {"format": _FORMAT, **summed._asdict()}
            write_json(folder, FILE_NAME, content, shared=is_shared(folder))
    finally:
        lock.release()


def _before(path: str) -> Stats | None:
    """Reads the file; returns zeros if it is missing or invalid, and None if a newer funes wrote it."""
    try:
        return _parsed(_content(path))
    except _NewerError:
        return None
    except (FileNotFoundError, ValueError):
        return Stats()


def _acquire(lock: Any) -> bool:
    for _ in range(_LOCK_ATTEMPTS):
        held = lock.acquire()
        if held is not False:
            return held is True
        sleep(_LOCK_PAUSE_SECONDS)
    return False


class _NewerError(ValueError):
    """Raised for a file with a later format version."""


def _content(path: str) -> bytes:
    """Reads the file without following a link or waiting for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:
        return file.read(_MAX_FILE_BYTES)


def _parsed(content: bytes) -> Stats:
    import json

    found = json.loads(content)
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise ValueError("not a file that funes wrote")
    if found["format"] > _FORMAT:
        raise _NewerError
    hits, seconds = found.get("hits"), found.get("saved_seconds")
    if not isinstance(hits, int) or not isinstance(seconds, (int, float)):
        raise ValueError("not a file that funes wrote")
    if not (0 <= hits < 2**63 and 0 <= seconds < float("inf")):
        raise ValueError("impossible numbers")
    return Stats(hits, float(seconds))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_usage)
