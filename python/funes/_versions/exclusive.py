"""One writer at a time for what is changed in place beside the entries."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from funes._funes import KeyLock, hash_value

__all__ = ["exclusive"]

#: Seconds after which a writer that does not get on is reported.
_PATIENCE = 10.0
_PAUSE = 0.01

#: Threads of one process do not exclude each other by the lock of the system.
_threads = threading.Lock()


@contextmanager
def exclusive(folder: str, name: str) -> Iterator[None]:
    """Keep other threads and processes out of a file of a definition's folder until the block ends.

    On a file system without locks other processes are not kept out.

    Args:
        folder: That of the definition's entries; it is created if it is missing.
        name: The name of the file.

    Raises:
        TimeoutError: Somebody else has been in it for ten seconds.
    """
    deadline = time.monotonic() + _PATIENCE
    if not _threads.acquire(timeout=_PATIENCE):
        raise TimeoutError(f"another thread has been changing {name} for {_PATIENCE:.0f} s")
    try:
        # A byte of `.lock` that stands for the name, as others stand for argument hashes.
        lock = KeyLock(folder, hash_value(name))
        while lock.acquire() is False:
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"another process has been changing {name} in {folder} for {_PATIENCE:.0f} s"
                )
            time.sleep(_PAUSE)
        try:
            yield
        finally:
            lock.release()
    finally:
        _threads.release()
