"""One computes, the others wait: threads, tasks, processes, and hosts that share a cache folder.

Who is about to compute a key lays *claim* to it. Within the process claims stand in a table; among
processes there is a lock for each key, which the system frees when its holder dies (see `KeyLock`).
When a claim ends, all who wait for it look for the entry; if there is none, one of them has the
next claim.

Waiting must never become waiting for ever. A function may call itself with the same arguments, or
wait for a thread that does; two functions may call each other; a process may be stopped. So a call that
would wait for itself, as far as that is known, computes at once. Any other wait ends when the holder's
process and its children have used no processor time for ``wait=`` seconds (see `standstill`). Two then
compute the same, and one result is kept.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from funes._call import liveness
from funes._call.generator_lock import waiting
from funes._funes import InFlightCall, KeyLock
from funes._memo.options import WAIT_SECONDS

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: The folder of the definition's entries, and the argument hash.
Place = tuple[str, str]
Waker = Callable[[], None]
S = TypeVar("S", "_ThreadSignal", "_TaskSignal")

#: Seconds after which a deadlock that the system reports is believed; see `_LockWaiter`.
_DEADLOCK = 1.0
#: How often one waits in vain for another process. It does not tell whether it could not store its result, or died, or
#: raised; in the first case all who wait would compute one after the other.
_MAX_EMPTY_TURNS = 2
#: Seconds between looks at the holder: at first, at most, and at most where a deadlock has to be noticed.
_PAUSES = 0.25, 10.0
_PAUSE_IN_CHAINS = 2.0
#: The same between attempts to lock where the system cannot be asked to wait.
_ATTEMPTS = 0.005, 0.1


#: The claims of this process. Whoever puts one in has it, see `InFlightCall.take`.
_claims: dict[Place, InFlightCall] = InFlightCall.present


def _outers(claim: InFlightCall) -> list[InFlightCall]:
    """The claims during which a claim was asked for."""
    found = []
    outer = claim.outer
    while outer is not None:
        found.append(outer)
        outer = outer.outer
    return found


def _needs(claim: InFlightCall, others: list[InFlightCall]) -> bool:
    """Whether a claim cannot end before one of the others has."""
    seen: list[InFlightCall] = []
    left = [claim]
    while left:
        claim = left.pop()
        if claim in others:
            return True
        if claim not in seen:
            seen.append(claim)
            left.extend(claim.awaited)
    return False


def _is_stalled(claim: InFlightCall) -> bool:
    """Whether the thread that made a claim has ended, and left a coroutine behind that nothing goes on with."""
    return claim.thread not in sys._current_frames()


class SingleFlight:
    """A call's way to a key: ``with hold as ours``, or ``async with``, waits as long as others compute it.

    Then the entry is to be looked for. If there is none and `ours` is true, it is to be computed
    within the block; if `ours` is false, the block is to be entered again.

    Example:
        >>> import tempfile
        >>> with Hold(tempfile.mkdtemp(), "0" * 40) as ours:
        ...     ours
        True
    """

    __slots__ = ("_claim", "_in_vain", "_is_futile", "_ours", "_place", "_seconds", "has_waited")

    def __init__(self, folder: str, arguments: str, wait: float = WAIT_SECONDS) -> None:
        self._place = folder, arguments
        self._seconds = wait
        #: Whether time has passed in which arguments and globals may have changed.
        self.has_waited = False
        self._claim: InFlightCall | None = None
        self._ours = True
        #: Somebody has computed it, and there is no entry: it cannot be stored, and nobody is to wait in vain again.
        self._is_futile = False
        #: How often another process had its turn, as far as was seen.
        self._in_vain = 0

    @classmethod
    def of(cls, claim: InFlightCall) -> SingleFlight:
        """The block of a claim that was taken and entered."""
        hold = cls(*claim.place)
        hold._claim = claim
        return hold

    def __enter__(self) -> bool:
        claim = self._claim = InFlightCall(self._place, in_task=False)
        try:
            if not self._take(claim):
                with waiting(), closing(self._wait(claim, _ThreadSignal)) as waits:
                    for signal, seconds in waits:
                        signal.wait(seconds)
            if self._ours:
                claim.enter()
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
        self.release(kind is None)

    def release(self, has_succeeded: bool) -> None:
        """End the block that was entered: for whoever cannot have it as a block."""
        self._end(has_succeeded and self._ours)

    def give_up(self) -> None:
        """Leave the key to the next one, within the block: there will be no result."""
        self._ours = False

    async def __aenter__(self) -> bool:
        claim = self._claim = InFlightCall(self._place, in_task=True)
        try:
            if not self._take(claim):
                with closing(self._wait(claim, _TaskSignal)) as waits:
                    for signal, seconds in waits:
                        await signal.wait(seconds)
            if self._ours:
                claim.enter()
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
        self.release(kind is None)

    def __del__(self) -> None:
        # A second Ctrl-C may have come before the block's end could do it, or a first before there was a block.
        if getattr(self, "_claim", None) is not None:
            self._end()

    def _take(self, claim: InFlightCall) -> bool:
        """Whether there is nothing to wait for, as nearly always."""
        self._ours = True
        is_free = self._is_futile or claim.take()
        self.has_waited = not is_free
        return is_free

    def _end(self, has_succeeded: bool = False) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.end(has_succeeded)

    def _wait(self, claim: InFlightCall, kind: Callable[[], S]) -> Generator[tuple[S, float]]:
        """What to wait for and for how many seconds at most, until there is no reason to wait any more."""
        try:
            signal = kind()
        except RuntimeError:  # the event loop is none of asyncio's
            return
        present = _claims.get(claim.place)
        if present is None:
            self._ours = False
        elif present is claim:
            yield from self._wait_for_lock(claim, signal)
        else:
            yield from self._wait_here(claim, present, signal)

    def _pauses(self, is_in_chain: bool) -> Iterator[float]:
        """Seconds from one look to the next. `is_in_chain`: the call belongs to a claim that others may wait for."""
        first, last = _PAUSES
        last = min(last, liveness.pause(self._seconds), _PAUSE_IN_CHAINS if is_in_chain else last)
        return (
            min(first * 2**count, last) for count in itertools.chain(range(10), itertools.repeat(9))
        )

    def _wait_here(
        self, claim: InFlightCall, present: InFlightCall, signal: S
    ) -> Generator[tuple[S, float]]:
        """Until the present claim is over, or is seen not to come to an end while we wait."""
        outers = _outers(claim)
        for outer in outers:
            outer.awaited.append(present)
        present.wakers.append(signal.set)
        try:
            if present.thread == claim.thread and not (present.in_task and claim.in_task):
                return  # it is further down on our own stack, or in the event loop that we would block
            if _needs(present, outers):
                return
            watch: liveness.Watch | None = None
            for seconds in self._pauses(bool(outers)):
                if present.is_over or _is_stalled(present):
                    return
                yield signal, seconds
                if (
                    outers
                    and present.lock_waiter is not None
                    and present.lock_waiter.is_deadlocked()
                ):
                    return
                if present.lock_waiter is not None or present.awaited:
                    watch = None  # what it waits for is watched in its stead
                elif watch is None:
                    watch = liveness.Watch(os.getpid(), self._seconds)
                elif watch.is_over():
                    return
        finally:
            for outer in outers:
                outer.awaited.remove(present)
            with suppress(ValueError):
                present.wakers.remove(signal.set)
            if present.is_over:
                self._ours, self._is_futile = False, present.has_succeeded

    def _wait_for_lock(self, claim: InFlightCall, signal: S) -> Generator[tuple[S, float]]:
        """Until no other process has the lock, or its holder is seen not to give it up."""
        # Who has the lock before we wait for it has had their turn when we get it. Of who is seen later that cannot be
        # told: we may have got it, and not know yet, before they did.
        first = None if claim.lock is None else claim.lock.holder()
        try:
            lock_waiter = _LockWaiter.of(claim)
        except RuntimeError:  # no more threads
            return
        if lock_waiter is None:
            self._ours = False
            return
        claim.lock_waiter = lock_waiter
        lock_waiter.waker = signal.set
        last = first  # who had the lock when it was last seen held
        try:
            watch = liveness.Watch(last, self._seconds)
            for seconds in self._pauses(claim.outer is not None):
                if lock_waiter.is_over:
                    return
                yield signal, seconds
                if claim.outer is not None and lock_waiter.is_deadlocked():
                    return
                holder = lock_waiter.lock.holder()
                if holder is not None:
                    # The system may have given the lock to another before it was our turn to look.
                    self._in_vain += last not in (None, holder)
                    last = holder
                if self._in_vain >= _MAX_EMPTY_TURNS:
                    return
                if watch.pid != holder:
                    watch = liveness.Watch(holder, self._seconds)
                elif watch.is_over():
                    return
        finally:
            lock_waiter.waker = None
            claim.lock_waiter = None
            self._ours = not lock_waiter.is_over
            self._in_vain += lock_waiter.is_over and last is not None and last == first
            self._is_futile = self._in_vain >= _MAX_EMPTY_TURNS


class _LockWaiter:
    """A thread that lets the system wait for a lock, so that others can wait with a bound, or in an event loop.

    It waits for a shared lock, and gives it back at once: so all processes that wait go on together,
    look for the entry, and where there is none, one of them is the first to lock the key again.
    Nothing can call the thread off; when nobody waits any more, it ends unheard.
    """

    def __init__(self, place: Place, lock: KeyLock) -> None:
        self.place = place
        self.lock = lock
        self.waker: Waker | None = None
        self.is_over = False
        self._deadlocked_since: float | None = None

    @staticmethod
    def of(claim: InFlightCall) -> _LockWaiter | None:
        """The one for this claim. An earlier claim may have left it, and it may just have ended: then None."""
        lock_waiter = _lock_waiters.get(claim.place)
        if lock_waiter is not None or claim.lock is None:
            return lock_waiter
        lock_waiter = _lock_waiters[claim.place] = _LockWaiter(claim.place, claim.lock)
        try:
            threading.Thread(target=lock_waiter._run, daemon=True, name="funes-lock").start()
        except BaseException:
            _lock_waiters.pop(claim.place, None)
            raise
        return lock_waiter

    def is_deadlocked(self) -> bool:
        """Whether the system says so, and it has lasted.

        The system takes all threads of a process for one. So it may be wrong; and whoever has no
        claim of their own is in nobody's way, and need not ask.
        """
        since = self._deadlocked_since
        return since is not None and time.monotonic() - since >= _DEADLOCK

    def _run(self) -> None:
        try:
            if not self._wait():
                self._try()
        finally:
            # In this order: whoever sets a waker looks afterwards whether it is over.
            self.is_over = True
            _lock_waiters.pop(self.place, None)
            waker = self.waker
            if waker is not None:
                with suppress(RuntimeError):  # it was called before
                    waker()

    def _wait(self) -> bool:
        """Let the system wait. False if it will not."""
        if fcntl is None:
            return False
        byte = 1, self.lock.offset
        try:
            fcntl.lockf(self.lock.fileno(), fcntl.LOCK_SH, *byte)
            fcntl.lockf(self.lock.fileno(), fcntl.LOCK_UN, *byte)
        except OSError as error:
            if error.errno == errno.EDEADLK:
                self._deadlocked_since = time.monotonic()
            return False
        return True

    def _try(self) -> None:
        """Try again and again, as long as somebody waits."""
        pause, last = _ATTEMPTS
        time.sleep(pause)
        while self.waker is not None and self.lock.acquire() is False:
            pause = min(pause * 1.5, last)
            time.sleep(pause)
        self.lock.release()


#: The threads that wait for other processes, at most one for a key: a claim that finds one does not
#: lock the key, as the thread would give that lock back.
_lock_waiters: dict[Place, _LockWaiter] = InFlightCall.waiting_on_lock


class _ThreadSignal:
    """Lets a thread wait. Ctrl-C comes through, and signal handlers run."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        #: No Python code: the extension calls it. Raises RuntimeError if it was called before.
        self.set = self._gate.release

    def wait(self, seconds: float) -> None:
        self._gate.acquire(timeout=seconds)


class _TaskSignal:
    """Lets a task wait, and its event loop go on."""

    def __init__(self) -> None:
        import asyncio  # not before somebody awaits: it takes longer than all of funes

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        import asyncio

        await asyncio.wait((self._future,), timeout=seconds)


def _after_fork_in_child() -> None:
    """Forget the claims and threads of the parent: its locks are not ours, and those who wait there are not here.

    The claim during which the fork came stays on record as the current one: what it computes must not be waited for.
    """
    for claim in _claims.values():
        claim.wakers.clear()
        claim.awaited.clear()
    _claims.clear()
    _lock_waiters.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
