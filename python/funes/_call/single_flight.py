"""Waits for another call that computes the same key.

The calls may be in any threads, tasks, processes, and hosts that share a cache folder. Within the
process a table contains the call that computes each key. Among processes there is a lock per key,
which the system frees when its holder dies (see `KeyLock`). When a call ends, all waiting calls
look for the entry; if there is none, one of them computes next.

A wait must always end. A function may call itself with the same arguments, or wait for a thread
that does; two functions may call each other; a process may be stopped. So a call that is part of a
known wait cycle computes at once. Any other wait ends when the holder's process and its children
have used no processor time for ``wait=`` seconds (see `liveness`). Two processes then compute the
same, and one result is kept.
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

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from funes._memo.memo import Memo

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: The folder of the definition's entries, and the argument digest.
Key = tuple[str, str]
#: How a wait has ended: whether the call may compute although the other call still holds the key;
#: whether further waits are useless; the turns of other processes without a result so far.
Ended = tuple[bool, bool, int]
Waker = Callable[[], None]
S = TypeVar("S", "_ThreadSignal", "_TaskSignal")

#: Seconds after which a deadlock that the system reports is believed; see `_LockWaiter`.
_DEADLOCK_SECONDS = 1.0
#: Turns of other processes without a stored result after which a call computes itself. Another
#: process does not report whether it could not store its result, died, or raised. In the first case
#: all waiting processes would compute one after the other.
_MAX_TURNS_WITHOUT_RESULT = 2
#: Seconds between checks of the holder: at first, at most, and at most where a deadlock has to be
#: noticed.
_PAUSES_SECONDS = 0.25, 10.0
_MAX_PAUSE_IN_CHAIN_SECONDS = 2.0
#: Shortest and longest seconds between attempts to lock where the system cannot wait for the lock.
_ATTEMPT_PAUSES_SECONDS = 0.005, 0.1


#: The in-flight calls of this process. A call that inserts itself holds the key, see
#: `InFlightCall.take`.
_in_flight: dict[Key, InFlightCall] = InFlightCall.by_key


def _parents(flight: InFlightCall) -> list[InFlightCall]:
    """Returns the chain of calls within which a call was made."""
    found = []
    parent = flight.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _waits_for_any(flight: InFlightCall, calls: list[InFlightCall]) -> bool:
    """Returns whether a call cannot end before one of some other calls."""
    seen: list[InFlightCall] = []
    left = [flight]
    while left:
        flight = left.pop()
        if flight in calls:
            return True
        if flight not in seen:
            seen.append(flight)
            left.extend(flight.waits_for)
    return False


def _is_stalled(flight: InFlightCall) -> bool:
    """Returns whether the thread of a call has ended and left behind a coroutine that nothing resumes."""
    return flight.thread not in sys._current_frames()


def wait(memo: Memo[Any, Any], flight: InFlightCall, turns: int) -> Ended:
    """Waits while another call computes the key of a call, for as long as that makes progress.

    Args:
        memo: The function.
        flight: The call, which could not take its key.
        turns: The turns of other processes without a result that earlier waits of the call have
            seen.
    """
    ending = _Wait(flight, memo._options.wait, turns)
    with waiting(), closing(ending.waits(_ThreadSignal)) as waits:
        for signal, pause in waits:
            signal.wait(pause)
    return ending.may_compute, ending.is_useless, ending.turns


async def wait_in_task(memo: Memo[Any, Any], flight: InFlightCall, turns: int) -> Ended:
    """Waits like `wait` while the event loop continues."""
    ending = _Wait(flight, memo._options.wait, turns)
    with closing(ending.waits(_TaskSignal)) as waits:
        for signal, pause in waits:
            await signal.wait(pause)
    return ending.may_compute, ending.is_useless, ending.turns


class _Wait:
    """One wait of a call."""

    __slots__ = ("_flight", "_seconds", "is_useless", "may_compute", "turns")

    def __init__(self, flight: InFlightCall, seconds: float, turns: int) -> None:
        self._flight = flight
        self._seconds = seconds
        #: False if the other call or process is done with the key.
        self.may_compute = True
        #: True once waiting is useless: another call has computed the key, but its result could not
        #: be stored.
        self.is_useless = False
        #: Number of turns of other processes without a result, as far as they were seen.
        self.turns = turns

    def waits(self, kind: Callable[[], S]) -> Generator[tuple[S, float]]:
        """Yields what to wait for, and for how many seconds at most, until the wait is over."""
        flight = self._flight
        try:
            signal = kind()
        except RuntimeError:  # the event loop is not asyncio's
            return
        present = _in_flight.get(flight.key)
        if present is None:
            self.may_compute = False
        elif present is flight:
            yield from self._wait_for_lock(flight, signal)
        else:
            yield from self._wait_for_call(flight, present, signal)

    def _pauses(self, is_in_chain: bool) -> Iterator[float]:
        """Yields the seconds between checks. `is_in_chain`: another call may wait for the one that made this call."""
        first, last = _PAUSES_SECONDS
        last = min(
            last,
            liveness.pause(self._seconds),
            _MAX_PAUSE_IN_CHAIN_SECONDS if is_in_chain else last,
        )
        return (
            min(first * 2**count, last) for count in itertools.chain(range(10), itertools.repeat(9))
        )

    def _wait_for_call(
        self, flight: InFlightCall, present: InFlightCall, signal: S
    ) -> Generator[tuple[S, float]]:
        """Waits until the present call is over, or cannot be expected to end while this one waits."""
        parents = _parents(flight)
        for parent in parents:
            parent.waits_for.append(present)
        present.wakers.append(signal.set)
        try:
            if present.thread == flight.thread and not (present.is_async and flight.is_async):
                return  # it is further down on this stack, or in the event loop that would be blocked
            if _waits_for_any(present, parents):
                return
            watch: liveness.Watch | None = None
            for seconds in self._pauses(bool(parents)):
                if present.is_over or _is_stalled(present):
                    return
                yield signal, seconds
                if (
                    parents
                    and present.lock_waiter is not None
                    and present.lock_waiter.is_deadlocked()
                ):
                    return
                if present.lock_waiter is not None or present.waits_for:
                    watch = None  # the call or process that it waits for is watched instead
                elif watch is None:
                    watch = liveness.Watch(os.getpid(), self._seconds)
                elif watch.is_over():
                    return
        finally:
            for parent in parents:
                parent.waits_for.remove(present)
            with suppress(ValueError):
                present.wakers.remove(signal.set)
            if present.is_over:
                self.may_compute, self.is_useless = False, present.has_succeeded

    def _wait_for_lock(self, flight: InFlightCall, signal: S) -> Generator[tuple[S, float]]:
        """Waits until no other process holds the lock, or its holder is not expected to release it."""
        # A process that holds the lock before this wait begins has had its turn when the wait ends.
        # Of later holders this is not known: this process may have got the lock before them without
        # having noticed yet.
        first = None if flight.lock is None else flight.lock.holder()
        try:
            lock_waiter = _LockWaiter.of(flight)
        except RuntimeError:  # no more threads
            return
        if lock_waiter is None:
            self.may_compute = False
            return
        flight.lock_waiter = lock_waiter
        lock_waiter.waker = signal.set
        last = first  # the last holder seen
        try:
            watch = liveness.Watch(last, self._seconds)
            for seconds in self._pauses(flight.parent is not None):
                if lock_waiter.is_over:
                    return
                yield signal, seconds
                if flight.parent is not None and lock_waiter.is_deadlocked():
                    return
                holder = lock_waiter.lock.holder()
                if holder is not None:
                    # The system may have given the lock to the next process before this one could
                    # check.
                    self.turns += last not in (None, holder)
                    last = holder
                if self.turns >= _MAX_TURNS_WITHOUT_RESULT:
                    return
                if watch.pid != holder:
                    watch = liveness.Watch(holder, self._seconds)
                elif watch.is_over():
                    return
        finally:
            lock_waiter.waker = None
            flight.lock_waiter = None
            self.may_compute = not lock_waiter.is_over
            self.turns += lock_waiter.is_over and last is not None and last == first
            self.is_useless = self.turns >= _MAX_TURNS_WITHOUT_RESULT


class _LockWaiter:
    """A thread that waits for a lock in the system, so that calls can wait with a limit, or in an event loop.

    It waits for a shared lock and releases it at once. So all waiting processes continue together,
    look for the entry, and if there is none, one of them is the first to lock the key again. The
    thread cannot be cancelled; if no call waits any more, it ends without effect.
    """

    def __init__(self, key: Key, lock: KeyLock) -> None:
        self.key = key
        self.lock = lock
        self.waker: Waker | None = None
        self.is_over = False
        self._deadlocked_since: float | None = None

    @staticmethod
    def of(flight: InFlightCall) -> _LockWaiter | None:
        """Returns the thread of a key, started if needed. None if the thread of an earlier call has just ended."""
        lock_waiter = _lock_waiters.get(flight.key)
        if lock_waiter is not None or flight.lock is None:
            return lock_waiter
        lock_waiter = _lock_waiters[flight.key] = _LockWaiter(flight.key, flight.lock)
        try:
            threading.Thread(target=lock_waiter._run, daemon=True, name="funes-lock").start()
        except BaseException:
            _lock_waiters.pop(flight.key, None)
            raise
        return lock_waiter

    def is_deadlocked(self) -> bool:
        """Returns whether the system has reported a deadlock for some time.

        The system does not distinguish the threads of a process, so its report may be wrong. A call
        without a parent keeps no other call waiting, and need not ask.
        """
        since = self._deadlocked_since
        return since is not None and time.monotonic() - since >= _DEADLOCK_SECONDS

    def _run(self) -> None:
        try:
            if not self._wait():
                self._try()
        finally:
            # In this order: a call sets its waker first and checks `is_over` afterwards.
            self.is_over = True
            _lock_waiters.pop(self.key, None)
            waker = self.waker
            if waker is not None:
                with suppress(RuntimeError):  # called before
                    waker()

    def _wait(self) -> bool:
        """Lets the system wait for the lock. Returns False if it does not, or if it knows nothing of the holder."""
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
        return not self.lock.is_listed()

    def _try(self) -> None:
        """Tries again and again, as long as a call waits."""
        pause, last = _ATTEMPT_PAUSES_SECONDS
        time.sleep(pause)
        while self.waker is not None and self.lock.acquire() is False:
            pause = min(pause * 1.5, last)
            time.sleep(pause)
        self.lock.release()


#: The threads that wait for other processes, at most one per key. A call that finds one does not
#: lock the key, since the thread would release that lock.
_lock_waiters: dict[Key, _LockWaiter] = InFlightCall.lock_waiters


class _ThreadSignal:
    """Lets a thread wait. Ctrl-C and signal handlers get through."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        #: A built-in function, since the extension calls it. It raises RuntimeError if it was
        #: called before.
        self.set = self._gate.release

    def wait(self, seconds: float) -> None:
        self._gate.acquire(timeout=seconds)


class _TaskSignal:
    """Lets a task wait while its event loop continues."""

    def __init__(self) -> None:
        import asyncio  # at the first await, since its import takes longer than that of funes

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        with suppress(RuntimeError):  # a closed loop
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        import asyncio

        await asyncio.wait((self._future,), timeout=seconds)


def _after_fork_in_child() -> None:
    """Forgets the calls and threads of the parent, whose locks and waiting calls do not exist in the child.

    The call within which the fork happened remains the current one: its key must not be waited for.
    """
    for flight in _in_flight.values():
        flight.wakers.clear()
        flight.waits_for.clear()
    _in_flight.clear()
    _lock_waiters.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
