"""One computes, the others wait: threads, tasks, processes, and hosts that share a cache folder.

Who is about to compute a key lays *claim* to it. Within the process claims stand in a table; among
processes there is a lock for each key, which the system frees when its holder dies (see `KeyLock`).
When a claim ends, all who wait for it look for the entry; if there is none, one of them has the
next claim.

Waiting must never become waiting for ever. A function may call itself with the same arguments, or
wait for a thread that does; two functions may call each other; a process may be stopped. So whoever
waits for somebody who waits for them, as far as that can be known, computes at once, and whoever
waits for somebody who stands still computes after a while (see `_standstill`). Two then compute the
same, and one result is kept.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from funes import _standstill
from funes._funes import KeyLock
from funes._turns import waiting

if TYPE_CHECKING:
    from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Hold"]

#: The folder of the definition's entries, and the argument hash.
Place = tuple[str, str]
Waker = Callable[[], None]
S = TypeVar("S", "_ThreadSignal", "_TaskSignal")

#: Seconds after which a deadlock that the system reports is believed; see `_Abroad`.
_DEADLOCK = 1.0
#: Seconds between looks at whom we wait for: at first, and at most.
_PAUSES = 0.25, 2.0
#: The same between attempts to lock where the system cannot be asked to wait.
_ATTEMPTS = 0.005, 0.1


class _Claim:
    """A key that somebody in this process computes, or waits for another process to have computed."""

    lock: KeyLock | None = None
    #: While another process has the lock.
    abroad: _Abroad | None = None
    is_over = False
    has_succeeded = False

    def __init__(self, place: Place, in_task: bool) -> None:
        self.place = place
        self.in_task = in_task
        self.thread = threading.get_ident()
        outer = _current.get()
        while outer is not None and outer.is_over:
            outer = outer.outer
        #: The claim during which this one was asked for: it cannot end before.
        self.outer: _Claim | None = outer
        #: Claims of others that have to end before this one can go on.
        self.awaited: list[_Claim] = []
        #: To be called when the claim is over.
        self.wakers: list[Waker] = []

    def outers(self) -> list[_Claim]:
        """The claims during which this one was asked for."""
        found = []
        claim = self.outer
        while claim is not None:
            found.append(claim)
            claim = claim.outer
        return found

    def needs(self, others: list[_Claim]) -> bool:
        """Whether this claim cannot end before one of the others has."""
        seen: list[_Claim] = []
        left = [self]
        while left:
            claim = left.pop()
            if claim in others:
                return True
            if claim not in seen:
                seen.append(claim)
                left.extend(claim.awaited)
        return False

    def watch(self) -> _standstill.OfTask | _standstill.OfThread | None:
        """How to see whether it gets on; None while it waits for others, who are watched in its stead."""
        if self.abroad is not None or self.awaited:
            return None
        kind = _standstill.OfTask if self.in_task else _standstill.OfThread
        return kind(self.thread)

    def end(self) -> None:
        """Let others go on. May be called twice."""
        if self.lock is not None:
            self.lock.release()
        if _claims.get(self.place) is self:
            del _claims[self.place]
        self.is_over = True
        while self.wakers:
            with suppress(IndexError):  # who waits may leave just now
                self.wakers.pop()()


#: The claims of this process. Whoever puts one in, with `setdefault`, has it: there is no mutex that
#: a fork could find taken.
_claims: dict[Place, _Claim] = {}

#: The claim during which the running code runs.
_current: ContextVar[_Claim | None] = ContextVar("funes_claim", default=None)


class Hold:
    """A call's way to a key: ``with hold as ours``, or ``async with``, waits as long as others compute it.

    Then the entry is to be looked for. If there is none and `ours` is true, it is to be computed
    within the block; if `ours` is false, the block is to be entered again.

    Example:
        >>> import tempfile
        >>> with Hold(tempfile.mkdtemp(), "0" * 40) as ours:
        ...     ours
        True
    """

    __slots__ = ("_claim", "_is_futile", "_ours", "_place")

    def __init__(self, folder: str, arguments: str) -> None:
        self._place = folder, arguments
        self._claim: _Claim | None = None
        self._ours = True
        #: Somebody has computed it, and there is no entry: it cannot be stored, and nobody is to wait in vain again.
        self._is_futile = False

    def __enter__(self) -> bool:
        claim = self._claim = _Claim(self._place, in_task=False)
        try:
            if not self._take(claim):
                with waiting(), closing(self._wait(claim, _ThreadSignal)) as waits:
                    for signal, seconds in waits:
                        signal.wait(seconds)
            if self._ours:
                _current.set(claim)
            return self._ours
        except BaseException:
            self._end()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(has_succeeded=kind is None)

    async def __aenter__(self) -> bool:
        claim = self._claim = _Claim(self._place, in_task=True)
        try:
            if not self._take(claim):
                with closing(self._wait(claim, _TaskSignal)) as waits:
                    for signal, seconds in waits:
                        await signal.wait(seconds)
            if self._ours:
                _current.set(claim)
            return self._ours
        except BaseException:
            self._end()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(has_succeeded=kind is None)

    def __del__(self) -> None:
        # A second Ctrl-C may have come before the block's end could do it.
        self._end()

    def _take(self, claim: _Claim) -> bool:
        """Whether there is nothing to wait for, as nearly always."""
        self._ours = True
        if self._is_futile:
            return True
        if claim.outer is not None and claim.place in [outer.place for outer in claim.outers()]:
            return True  # what is being computed asks for itself
        if _claims.setdefault(claim.place, claim) is not claim or claim.place in _abroad:
            return False
        claim.lock = KeyLock(*claim.place)
        return claim.lock.acquire() is not False

    def _end(self, has_succeeded: bool = False) -> None:
        claim, self._claim = self._claim, None
        if claim is None:
            return
        claim.has_succeeded = has_succeeded
        claim.end()
        if _current.get() is claim:
            _current.set(claim.outer)

    def _wait(self, claim: _Claim, kind: Callable[[], S]) -> Generator[tuple[S, float]]:
        """What to wait for and for how many seconds at most, until there is no reason to wait any more."""
        present = _claims.setdefault(claim.place, claim)
        try:
            signal = kind()
        except RuntimeError:  # the event loop is none of asyncio's
            return
        if present is claim:
            for seconds in _wait_abroad(claim, signal.set):
                yield signal, seconds
            return
        for seconds in _wait_here(claim, present, signal.set):
            yield signal, seconds
        self._ours = not present.is_over
        self._is_futile = present.has_succeeded


def _wait_here(claim: _Claim, present: _Claim, waker: Waker) -> Iterator[float]:
    """Until the present claim is over, or is seen not to come to an end while we wait."""
    outers = claim.outers()
    for outer in outers:
        outer.awaited.append(present)
    present.wakers.append(waker)
    try:
        if present.thread == claim.thread and not (present.in_task and claim.in_task):
            return  # the code that computes is further down on our own stack, or in the loop that we would block
        if present.needs(outers):
            return
        watch = present.watch()
        for seconds in _pauses():
            if present.is_over:
                return
            yield seconds
            abroad = present.abroad
            if abroad is not None and outers and abroad.is_deadlocked():
                return
            if watch is None or present.abroad is not None or present.awaited:
                watch = present.watch()
            elif watch.is_over():
                return
    finally:
        for outer in outers:
            outer.awaited.remove(present)
        with suppress(ValueError):
            present.wakers.remove(waker)


def _wait_abroad(claim: _Claim, waker: Waker) -> Iterator[float]:
    """Until the process has the lock of the claim, or its holder is seen not to give it up."""
    try:
        claim.abroad = abroad = _Abroad.join(claim, waker)
    except RuntimeError:  # no more threads
        return
    try:
        watch = _standstill.OfProcess(abroad.lock.holder())
        for seconds in _pauses():
            if abroad.is_over:
                return
            yield seconds
            if claim.outer is not None and abroad.is_deadlocked():
                return
            holder = abroad.lock.holder()
            if watch.pid != holder:
                watch = _standstill.OfProcess(holder)
            elif watch.is_over():
                return
    finally:
        abroad.leave()
        claim.abroad = None


def _pauses() -> Iterator[float]:
    first, last = _PAUSES
    return (
        min(first * 2**count, last) for count in itertools.chain(range(10), itertools.repeat(9))
    )


class _Abroad:
    """A thread that lets the system wait for a lock, so that others can wait with a bound, or in an event loop.

    Nothing can call it off. A lock that nobody wants any more is given back as soon as it is had.
    """

    def __init__(self, place: Place, lock: KeyLock) -> None:
        self.place = place
        self.lock = lock
        #: None if nobody wants the lock any more.
        self.waker: Waker | None = None
        self.is_over = False
        self._deadlocked_since: float | None = None

    @staticmethod
    def join(claim: _Claim, waker: Waker) -> _Abroad:
        """The thread that waits for the lock of this claim."""
        with _mutex:
            abroad = _abroad.get(claim.place)
            if abroad is None:
                abroad = _Abroad(claim.place, claim.lock or KeyLock(*claim.place))
                thread = threading.Thread(target=abroad._run, daemon=True, name="funes-lock")
                thread.start()
                _abroad[claim.place] = abroad
            claim.lock = abroad.lock
            abroad.waker = waker
            return abroad

    def leave(self) -> None:
        """Say that nobody wants the lock any more, if it has not come yet."""
        with _mutex:
            self.waker = None

    def is_deadlocked(self) -> bool:
        """Whether the system says so, and it has lasted.

        The system takes all threads of a process for one. So it may be wrong; and whoever has no
        claim of their own is in nobody's way, and need not ask.
        """
        since = self._deadlocked_since
        return since is not None and time.monotonic() - since >= _DEADLOCK

    def _run(self) -> None:
        try:
            if self.lock.acquire() is False and not self._wait():
                self._try()
        finally:
            with _mutex:
                self.is_over = True
                waker = self.waker
                if waker is None:
                    self.lock.release()
                _abroad.pop(self.place, None)
            if waker is not None:
                waker()

    def _wait(self) -> bool:
        """Let the system wait. False if it will not."""
        if fcntl is None:
            return False
        try:
            fcntl.lockf(self.lock.fileno(), fcntl.LOCK_EX, 1, self.lock.offset)
        except OSError as error:
            if error.errno == errno.EDEADLK:
                self._deadlocked_since = time.monotonic()
                return False
            return True  # there is no lock to be had
        # Our own, by now: this only notes it, or finds that somebody has deleted the file.
        return self.lock.acquire() is not False

    def _try(self) -> None:
        """Try again and again."""
        first, last = _ATTEMPTS
        pause = first
        while self.waker is not None and self.lock.acquire() is False:
            time.sleep(pause)
            pause = min(pause * 1.5, last)


#: The threads that wait for other processes, at most one for a key.
_abroad: dict[Place, _Abroad] = {}
#: Guards `_abroad` and what its threads share with others; re-entrant, as a signal handler may come between.
_mutex = threading.RLock()


class _ThreadSignal:
    """Lets a thread wait. Ctrl-C comes through, and signal handlers run."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()

    def set(self) -> None:
        with suppress(RuntimeError):
            self._gate.release()

    def wait(self, seconds: float) -> None:
        self._gate.acquire(timeout=seconds)


class _TaskSignal:
    """Lets a task wait, and its event loop go on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        await asyncio.wait((self._future,), timeout=seconds)


def _after_fork_in_child() -> None:
    """Forget the claims and threads of the parent: its locks are not ours, and those who wait there are not here.

    The claim during which the fork came stays on record as the current one: what it computes must not be waited for.
    """
    global _mutex
    _mutex = threading.RLock()
    for claim in _claims.values():
        claim.wakers.clear()
        claim.awaited.clear()
    _claims.clear()
    _abroad.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
