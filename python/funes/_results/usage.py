"""`stats.json` beside the entries of a definition: what they have saved, over all processes that have ended.

Each process adds its part once, when it ends. The numbers are there for people, nothing is decided by them: they are
lost where they cannot be kept without waiting, in a folder that cannot be written to, and by a process that is killed.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, NamedTuple

from funes._funes import forget_usage, take_usage

FILE_NAME = "stats.json"

#: Version of the file; docs/format.md describes it.
_FORMAT = 1

#: No file of ours comes near it; what does is not read.
_LARGEST = 4096

#: Workers of a pool end together, and each holds the lock for a fraction of a millisecond.
_ATTEMPTS = 20
_PAUSE = 0.0025

#: How many seconds a process may take at its end, be its definitions many or the disk slow.
_LONGEST = 1.0

_armed = False


class Stats(NamedTuple):
    """What the entries of a definition have saved."""

    #: Calls that did not run the function.
    hits: int = 0
    #: How long it would have taken, in seconds.
    saved_seconds: float = 0.0


def arm() -> None:
    """Have `save` called when this process ends."""
    global _armed
    if not _armed:
        _armed = True
        atexit.register(save)
        _arm_worker()


def save() -> None:
    """Add to the files what this process has saved since it did so before: the most first, as far as time allows."""
    savings = sorted(take_usage(), key=lambda saving: -saving[2])
    end = monotonic() + _LONGEST
    for folder, hits, seconds in savings:
        if monotonic() > end:
            break
        with suppress(Exception):
            _add(folder, Stats(hits, seconds))


def read(folder: str | os.PathLike[str]) -> Stats | None:
    """What the file in the folder of a definition says; None if there is none that can be understood."""
    with suppress(OSError, ValueError):
        return _parsed(_content(os.path.join(folder, FILE_NAME)))
    return None


def _add(folder: str, more: Stats) -> None:
    from funes._atomic_json import is_shared, write_json
    from funes._funes import KeyLock, hash_value

    if not os.path.isdir(folder):
        return  # somebody has deleted it, and need not find it again
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
    """What the file says; nothing if it is none of ours; None if it is to be left alone."""
    try:
        return _parsed(_content(path))
    except _NewerError:
        return None
    except (FileNotFoundError, ValueError):
        return Stats()


def _acquire(lock: Any) -> bool:
    for _ in range(_ATTEMPTS):
        held = lock.acquire()
        if held is not False:
            return held is True
        sleep(_PAUSE)
    return False


class _NewerError(ValueError):
    """A later version of the file."""


def _content(path: str) -> bytes:
    """The file's content, without following a link or waiting for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:
        return file.read(_LARGEST)


def _parsed(content: bytes) -> Stats:
    import json

    found = json.loads(content)
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise ValueError("not a file of ours")
    if found["format"] > _FORMAT:
        raise _NewerError
    hits, seconds = found.get("hits"), found.get("saved_seconds")
    if not isinstance(hits, int) or not isinstance(seconds, (int, float)):
        raise ValueError("not a file of ours")
    if not (0 <= hits < 2**63 and 0 <= seconds < float("inf")):
        raise ValueError("not what calls can have saved")
    return Stats(hits, float(seconds))


def _arm_worker() -> None:
    """The same for a process of `multiprocessing`, which ends without `atexit` if it was forked."""
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, save, exitpriority=-100)


def _after_fork_in_child() -> None:
    forget_usage()
    util = sys.modules.get("multiprocessing.util")
    if _armed and util is not None:
        # Not at once: a worker first drops what its parent wanted to be done at the end.
        util.register_after_fork(save, lambda _: _arm_worker())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
