"""Sends entries to remote caches in the background."""

from __future__ import annotations

import _thread
import os
import threading
from typing import NamedTuple

from funes import _warnings
from funes._entries.at_exit import at_exit
from funes._funes import Store, close_segments
from funes._remote.bucket import SEND_SECONDS, BucketError, is_ending
from funes._remote.remote import EntryKey, PausedError, Remote, opened_remotes

#: The number of entries that may wait. Those beyond it are left to `funes push`.
MAX_WAITING = 10_000

#: The number of threads that send.
THREADS = 8

#: A process that ends sends what waits for so many seconds.
EXIT_SECONDS = 10.0


class Item(NamedTuple):
    """An entry to send, or the segments and packs of a definition."""

    remote: Remote
    store: Store
    #: Without arguments, it stands for the segments and packs.
    key: EntryKey
    #: True if it replaces the object that is there.
    replace: bool = False

    @property
    def identity(self) -> tuple[str, EntryKey]:
        """The object that it becomes."""
        return self.remote.url, self.key


class Outbox:
    """A bounded queue, and the threads that empty it, which do not keep the process alive."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, EntryKey], Item] = {}
        #: What is being sent. Two versions of an entry must not overtake each other.
        self._busy: set[tuple[str, EntryKey]] = set()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        #: The number of entries that were not sent.
        self._unsent = 0
        self._is_closed = False
        #: The definitions of which this process has stored packed results since the last flush.
        self._packed: dict[tuple[str, EntryKey], Item] = {}

    def note_packed(self, item: Item) -> None:
        """Lets the next flush send the segments and packs of a definition."""
        self._packed[item.identity] = item

    def put(self, item: Item) -> bool:
        """Adds an entry, unless the process ends. Returns False if too many wait."""
        with self._changed:
            if self._is_closed:
                return True
            if len(self._waiting) >= MAX_WAITING:
                self._unsent += 1
                return False
            known = self._waiting.get(item.identity)
            if known is not None:
                item = item._replace(replace=item.replace or known.replace)
            self._waiting[item.identity] = item
            if len(self._waiting) > self._idle and self._threads < THREADS:
                self._threads += 1
                # The files that a `threading.Thread` opens would count for the call that starts it.
                _thread.start_new_thread(_run, (self,))
            self._changed.notify()
        return True

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all entries were tried. Returns whether all since the last flush were sent."""
        if self._packed:
            packed, self._packed = self._packed, {}
            # They are sent once they do not grow any more.
            close_segments()
            for item in packed.values():
                self.put(item)
        with self._changed:
            is_over = self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)
            unsent, self._unsent = self._unsent, 0
            return is_over and not unsent

    def close(self) -> None:
        """Sends what waits for some seconds, and waits for the requests that are under way then."""
        is_sent = self.flush(EXIT_SECONDS)
        with self._changed:
            self._is_closed = True
            if is_sent:
                return
            self._unsent += len(self._waiting)
            self._waiting.clear()
        is_ending.set()
        # A thread within obstore must not be ended with the process.
        self.flush(3 * SEND_SECONDS)

    def _next(self) -> list[tuple[str, EntryKey]]:
        """Returns the first entry that waits and is not being sent, in a list."""
        return next(([each] for each in self._waiting if each not in self._busy), [])

    def run(self) -> None:
        """Sends entries for ever."""
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(self._next)
                self._idle -= 1
                item = self._waiting.pop(self._next()[0])
                self._busy.add(item.identity)
            is_sent = False
            try:
                is_sent = _send(item)
            finally:
                with self._changed:
                    self._busy.discard(item.identity)
                    self._unsent += not is_sent
                    self._changed.notify_all()


def _run(queue: Outbox) -> None:
    queue.run()


def _send(item: Item) -> bool:
    """Sends an entry. Returns false if it was not sent; the next call reports the failure."""
    remote = item.remote
    if remote.is_paused("write"):
        return False
    try:
        if item.key.arguments:
            remote.send(item.store, item.key, replace=item.replace)
        else:
            remote.send_packed(item.store, *item.key[:2])
    except FileNotFoundError:  # deleted meanwhile
        return True
    except PausedError:
        return False
    except BucketError as error:
        remote.failure = remote.failure or str(error)
        return False
    except Exception as error:
        remote.failure = remote.failure or _warnings.one_line(error)
        return False
    return True


_outbox: Outbox | None = None


def outbox() -> Outbox:
    """Returns the queue of this process."""
    global _outbox
    if _outbox is None:
        _outbox = Outbox()
        at_exit(_at_exit)
    return _outbox


def flush(timeout: float | None = None) -> bool:
    """Waits until the results that wait were sent to the remote cache.

    A process does this when it ends, for at most ten seconds.

    Args:
        timeout: The maximum number of seconds to wait; None for no limit. A server that does not answer ends the wait
            in any case.

    Returns:
        True if all results since the last flush were sent, False if ``funes push`` has to send some of them.

    Example:
        >>> import funes
        >>> funes.flush()
        True
    """
    if _outbox is None:
        return True
    is_sent = _outbox.flush(timeout)
    _report_failures()
    return is_sent


def _at_exit() -> None:
    if _outbox is not None:
        _outbox.close()
        _report_failures()


def _report_failures() -> None:
    """Warns of failures since the last call of a function with a remote cache."""
    for remote in opened_remotes():
        if remote.failure is not None and not remote.is_reported:
            remote.is_reported = True
            _warnings.warn(unsent(remote.failure))


def unsent(failure: str) -> str:
    """Returns the message for results that were not sent."""
    return f"{failure}. The results are in the cache folder, and funes push sends them"


def _after_fork_in_child() -> None:
    global _outbox
    _outbox = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
