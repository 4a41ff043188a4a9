"""Excludes seeded runs from each other: the random generators are global, and one run at a time owns them.

The runs form a stack. The run on top owns the generators. If a run begins on top of another run (a
seeded function calls a seeded function), it saves the states that it finds, and restores these states
when it ends.

A wait must always end: a seeded function may wait for a thread whose own seeded call waits for the
generators. Therefore a waiting run monitors the owner, and overtakes the owner if it is plainly
stalled (see `_ThreadMonitor`). A stalled run draws no numbers, so overtaking disturbs no run. If the
overtaken run resumes too early, this is noticed, and both results are rejected (see
`SeededRun.problem`), since each run may have drawn numbers from the other run's stream.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import Any

from funes import _warnings
from funes._call.generators import Saved, restore, save
from funes._funes import set_seeded

#: The seconds after which an owner counts as stalled if its thread waits for another thread, and
#: the thread of the waiting run is known to descend from the owner's thread.
_DESCENDANT_SECONDS = 0.05
#: The seconds after which an owner counts as stalled if its thread waits for another thread, in all
#: other cases.
_THREAD_WAIT_SECONDS = 2.0
#: The seconds after which an owner counts as stalled if its thread uses no processor time: it is
#: blocked by a lock or by the outside world.
_IDLE_SECONDS = 60.0
#: The seconds after which an owner counts as stalled if the system has no clock for another thread.
_UNCLOCKED_SECONDS = 3600.0

_stack: list[SeededRun] = []
_changed = threading.Condition()  # guards _stack; re-entrant, as a signal handler may come between
_current: ContextVar[SeededRun | None] = ContextVar("funes_seeded_run", default=None)


class SeededRun:
    """A seeded run: its stream of numbers and, while it is on the stack, the states that it found."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.stream: Saved | None = None  # None: the run has not begun
        self.saved_states: Saved = {}
        self.thread = 0
        self.clock: int | None = None
        self.yielded = (
            0  # above 0: the thread waits, and other runs may overtake this run meanwhile
        )
        self.overtaken_by = 0  # the thread that last overtook this run while it was stalled
        self.overtaken: _ThreadMonitor | None = None  # monitors the run that this one overtook
        self.states_at_overtaking: Saved | None = None  # the states of this run at that moment
        self.token: Token[SeededRun | None] | None = None
        self.problem = ""
        self.has_waited = False  # time passed before it owned the generators

    def enter(self) -> None:
        """Waits for the generators, and puts this run's stream into them."""
        with _changed:
            me = threading.get_ident()
            self.has_waited = bool(_stack) and _stack[-1].thread != me
            self.overtaken = _wait_until_free()
            self.thread = me
            self.clock = _clock(self.thread)
            self.saved_states = save()
            try:
                if self.stream is None:
                    self._seed()
                else:
                    restore(self.stream)
                self.states_at_overtaking = None if self.overtaken is None else save()
                self.token = _current.set(self)
                _stack.append(self)
                set_seeded(True)
            except BaseException:
                restore(self.saved_states)
                raise

    def leave(self, *, keep: bool) -> None:
        """Restores the states that the run found. If `keep` is true, saves the run's stream for its next step.

        Does nothing if `enter` was interrupted.
        """
        with _changed:
            if self not in _stack:
                return
            try:
                _wait_until_free()
                self._check()
                if keep:
                    self.stream = save()
            finally:
                _end_ownership(self)
                self.overtaken = self.states_at_overtaking = None
                _changed.notify_all()
                if self.token is not None:
                    _current.reset(self.token)
                    self.token = None

    def _seed(self) -> None:
        for source, (module, _) in self.saved_states.items():
            seed = self.seed
            if seed is None:
                seed = int.from_bytes(os.urandom(8), "big")
            try:
                source.seed(module, seed)
            except Exception as error:
                self.problem = f"{source.module} could not be seeded ({_warnings.one_line(error)})"

    def _check(self) -> None:
        """Notes if this run and a run of another thread may have drawn from each other's streams."""
        place = _stack.index(self)
        above = _stack[place + 1] if place + 1 < len(_stack) else None
        if above is not None and not same_states(above.states_at_overtaking, save()):
            self.problem = above.problem = _MIXED  # `above` overtook this run, which resumed
        if self.overtaken is None:
            return
        beneath = self.overtaken.run
        calm = beneath in _stack and (bool(beneath.yielded) or self.overtaken.has_not_run())
        beneath.overtaken_by = self.thread if calm else 0
        if not calm and not same_states(self.states_at_overtaking, save()):
            self.problem = beneath.problem = _MIXED


_MIXED = (
    "two seeded calls in different threads drew random numbers at the same time,"
    " because one of them seemed to wait for the other"
)


def _wait_until_free() -> _ThreadMonitor | None:
    """Waits until no other thread's run is on top. The caller must hold `_changed`.

    Returns:
        None, or the monitor of the owner if it is stalled and may be overtaken.
    """
    me = threading.get_ident()
    monitor: _ThreadMonitor | None = None
    pause = 0.01
    while _stack and _stack[-1].thread != me:
        top = _stack[-1]
        if monitor is None or monitor.run is not top:
            monitor = _ThreadMonitor(top)
            pause = 0.01
        if top.yielded or monitor.is_stalled():
            return monitor
        _changed.wait(pause)
        pause = min(pause * 1.5, 0.25)
    return None


def _end_ownership(run: SeededRun) -> None:
    """Removes a run from the stack. The caller must hold `_changed`."""
    place = _stack.index(run)
    del _stack[place]
    set_seeded(bool(_stack))
    if place == len(_stack):
        restore(run.saved_states)
    else:
        # Another run overtook this one and is still running. It restores the states that this run
        # found.
        _stack[place].saved_states.update(run.saved_states)
    run.saved_states = {}


def is_inside() -> bool:
    """Returns whether the calling code belongs to a seeded run, by its thread or by a copied context."""
    if not _stack:  # the usual case
        return False
    me = threading.get_ident()
    return any(run.thread == me for run in _stack.copy()) or _current.get() in _stack


@contextmanager
def waiting() -> Iterator[None]:
    """Marks a block in which this thread waits for other threads (for a lock, for their results).

    During the block, a seeded run of this thread yields the generators, so that seeded calls of the
    other threads overtake it at once and undisturbed. In a thread without a seeded run, the block
    has no effect.

    Example:
        >>> with waiting():
        ...     pass  # lock.acquire()
    """
    me = threading.get_ident()
    run = next((run for run in reversed(_stack.copy()) if run.thread == me), None)
    if run is None:
        yield
        return
    with _changed:
        run.yielded += 1
        _changed.notify_all()
    try:
        yield
    finally:
        with _changed:
            try:
                _wait_until_free()
            finally:
                run.yielded -= 1


class _ThreadMonitor:
    """Checks from time to time whether the thread of a run makes progress."""

    def __init__(self, run: SeededRun) -> None:
        self.run = run
        self._look()

    def _look(self) -> None:
        self.since = time.monotonic()
        # Keeping the frame makes the comparison reliable, since no later call can have the same
        # frame.
        self.frame = sys._current_frames().get(self.run.thread)
        self.instruction = self.frame.f_lasti if self.frame is not None else 0
        self.waits_for_thread = _waits_for_a_thread(self.frame)
        self.used = _processor_time(self.run.clock)

    def _same_place(self) -> bool:
        frame = sys._current_frames().get(self.run.thread)
        return frame is self.frame and (frame is None or frame.f_lasti == self.instruction)

    def has_not_run(self) -> bool:
        """Returns true if the thread has certainly not run since the monitor began."""
        if not self._same_place():
            return False
        if self.waits_for_thread:
            return True
        return self.run.clock is not None and self._is_idle()

    def _is_idle(self) -> bool:
        # Without a clock of the thread, this is the time of the whole process, including these
        # checks.
        allowed = 1e-4 if self.run.clock is not None else 0.01 * (time.monotonic() - self.since)
        return _processor_time(self.run.clock) - self.used <= allowed

    def is_stalled(self) -> bool:
        """Returns true if the thread has been stalled for so long that it is not expected to resume."""
        if self.frame is None:
            return True  # the thread has ended
        if not self._same_place() or _is_about_to_wake(self.frame):
            self._look()
            return False
        elapsed = time.monotonic() - self.since
        if self.waits_for_thread:
            # Do not overtake again until the owner has had a chance to see the result of the call
            # that overtook it.
            known = self.run.overtaken_by or _current.get() in _stack
            soon = known and _waits_for_a_thread(sys._current_frames().get(self.run.overtaken_by))
            return elapsed >= (_DESCENDANT_SECONDS if soon else _THREAD_WAIT_SECONDS)
        if self._is_idle():
            return elapsed >= _IDLE_SECONDS
        if self.run.clock is None:
            return elapsed >= _UNCLOCKED_SECONDS
        self._look()
        return False


def _waits_for_a_thread(frame: types.FrameType | None) -> bool:
    """Returns whether code of the standard library waits in a frame: a join, a future, a queue, an event loop."""
    if frame is None:
        return True  # the thread has ended, or there was none
    name = str(frame.f_globals.get("__name__", ""))
    if name in ("threading", "queue") or name.startswith("concurrent.futures."):
        return True
    if name == "importlib._bootstrap":
        return frame.f_code.co_name == "acquire"  # of a module that another thread imports
    if (
        name == "selectors"
    ):  # an event loop waits here; so does a subprocess, which waits for no thread
        back = frame.f_back
        name = "" if back is None else str(back.f_globals.get("__name__", ""))
    return name.startswith(("asyncio.", "trio."))


def _is_about_to_wake(frame: types.FrameType | None) -> bool:
    """Returns whether a waiting thread is about to continue, since the event that it waited for has happened."""
    if frame is None or frame.f_globals.get("__name__") != "threading":
        return False
    names = frame.f_locals
    for name in ("waiter", "lock"):  # of Condition.wait, and of Thread.join up to Python 3.12
        lock: Any = names.get(name)
        if hasattr(lock, "locked"):
            return not lock.locked()
    # A thread that another frame is just making has no state to ask for.
    thread = names.get("self") if frame.f_code.co_name == "join" else None
    return isinstance(thread, threading.Thread) and not thread.is_alive()


def _clock(thread: int) -> int | None:
    """Returns the system's clock of a thread's processor time; None on macOS and Windows."""
    function: Callable[[int], int] | None = getattr(time, "pthread_getcpuclockid", None)
    return None if function is None else function(thread)


def _processor_time(clock: int | None) -> float:
    if clock is None or sys.platform == "win32":
        return time.process_time()
    try:
        return time.clock_gettime(clock)
    except OSError:  # the thread has ended
        return 0.0


def same_states(left: Saved | None, right: Saved) -> bool:
    return left is not None and all(
        source in right and _equal(state, right[source][1]) for source, (_, state) in left.items()
    )


def _equal(left: Any, right: Any) -> bool:
    """Returns whether two states are certainly equal. Objects of unknown types count as different."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(_equal, left, right))
    if left is None or isinstance(left, (bool, int, float, str, bytes)):
        return bool(left == right)
    if type(left).__module__ in ("numpy", "torch"):
        with suppress(Exception):
            return bool((left == right).all())
        return False
    # Such objects are seeds in the queue of a device, and numpy's bit generator, whose content is
    # compared separately.
    return left is right and str(type(left).__module__).startswith(("builtins", "numpy.random"))


def _after_fork_in_child() -> None:
    """Removes the runs of threads that do not exist in the child."""
    _changed.__init__()  # type: ignore[misc]  # the old lock may be held by a thread that is gone
    me = threading.get_ident()
    for run in [run for run in reversed(_stack) if run.thread != me]:
        run.saved_states = _safe_in_child(run.saved_states)
        _end_ownership(run)
    for run in _stack:
        run.saved_states = _safe_in_child(run.saved_states)
        run.clock = _clock(me)
        run.overtaken = None


def _safe_in_child(saved: Saved) -> Saved:
    """Returns the states that a child may restore: those of numpy, if its lock is free.

    Python has given `random` a fresh seed, as in every child. A thread that does not exist in the
    child may hold the lock of a generator, which is then never released.
    """
    safe: Saved = {}
    for source, (module, state) in saved.items():
        if source.module == "numpy" and state[0] is not None:
            lock = state[0].lock
            if lock.acquire(blocking=False):
                lock.release()
                safe[source] = module, state
    return safe


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
