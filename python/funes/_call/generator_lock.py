"""Seeded runs take turns: the generators are global, and only one run at a time owns them.

The turn is a stack of runs: the one on top owns the generators, and one that begins on top of another (a seeded
function that calls a seeded function) saves what it finds and puts it back when it ends.

Taking turns must never become waiting for ever: a seeded function may wait for a thread whose own
seeded call waits for its turn. Whoever waits therefore watches the run on top, and goes ahead when
that one is plainly not getting on (see `_Watch`). A run that stands still draws no numbers, so
going ahead disturbs nobody; if it wakes too early, that is noticed and both runs are told
(`unsound` below), since their numbers may have come from each other's streams.
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

# Seconds for which the run on top must stand still before another thread goes ahead.
_KNOWN = 0.05  # its thread waits for another thread, and we know that ours descends from it
_SEEN = 2.0  # its thread waits for another thread
_STILL = 60.0  # its thread uses no processor time: blocked on a lock, or on the outside world
_UNCLOCKED = 3600.0  # the same where the system has no clock for another thread

_stack: list[SeededRun] = []
_changed = threading.Condition()  # guards _stack; re-entrant, as a signal handler may come between
_descent: ContextVar[SeededRun | None] = ContextVar("funes_seeded_run", default=None)


class SeededRun:
    """One seeded run: its stream of numbers and, while it has the turn, the states it found."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.stream: Saved | None = None  # None: not begun
        self.outer: Saved = {}
        self.thread = 0
        self.clock: int | None = None
        self.lent = 0  # above 0: the thread waits and lets others go ahead meanwhile
        self.guest = 0  # the thread that last went ahead of this run, rightly
        self.watch: _Watch | None = None  # the run of another thread that we went ahead of
        self.before: Saved | None = None  # our states at that moment
        self.token: Token[SeededRun | None] | None = None
        self.trouble = ""
        self.has_waited = False  # whether time passed before its turn

    def enter(self) -> None:
        """Waits for the turn, and puts this run's stream into the generators."""
        with _changed:
            me = threading.get_ident()
            self.has_waited = bool(_stack) and _stack[-1].thread != me
            self.watch = _wait_for_turn()
            self.thread = me
            self.clock = _clock(self.thread)
            self.outer = save()
            try:
                if self.stream is None:
                    self._seed()
                else:
                    restore(self.stream)
                self.before = None if self.watch is None else save()
                self.token = _descent.set(self)
                _stack.append(self)
                set_seeded(True)
            except BaseException:
                restore(self.outer)
                raise

    def leave(self, *, keep: bool) -> None:
        """Puts the states back as they were; `keep` keeps this run's stream for a next step.

        Does nothing if `enter` was interrupted.
        """
        with _changed:
            if self not in _stack:
                return
            try:
                _wait_for_turn()
                self._check()
                if keep:
                    self.stream = save()
            finally:
                _take_out(self)
                self.watch = self.before = None
                _changed.notify_all()
                if self.token is not None:
                    _descent.reset(self.token)
                    self.token = None

    def _seed(self) -> None:
        for source, (module, _) in self.outer.items():
            seed = self.seed
            if seed is None:
                seed = int.from_bytes(os.urandom(8), "big")
            try:
                source.seed(module, seed)
            except Exception as error:
                self.trouble = f"{source.module} could not be seeded ({_warnings.one_line(error)})"

    def _check(self) -> None:
        """Notes if this run and one of another thread may have drawn from each other's streams."""
        place = _stack.index(self)
        above = _stack[place + 1] if place + 1 < len(_stack) else None
        if above is not None and not same_states(above.before, save()):
            self.trouble = above.trouble = _MIXED  # it went ahead of us, and we did get on
        if self.watch is None:
            return
        beneath = self.watch.run
        calm = beneath in _stack and (bool(beneath.lent) or self.watch.unmoved())
        beneath.guest = self.thread if calm else 0
        if not calm and not same_states(self.before, save()):
            self.trouble = beneath.trouble = _MIXED


_MIXED = (
    "two seeded calls in different threads drew random numbers at the same time,"
    " because one of them seemed to wait for the other"
)


def _wait_for_turn() -> _Watch | None:
    """Waits until no other thread's run is on top. Needs `_changed`.

    Returns:
        None, or the watch over the run on top if it doesn't get on and is to be gone ahead of.
    """
    me = threading.get_ident()
    watch: _Watch | None = None
    pause = 0.01
    while _stack and _stack[-1].thread != me:
        top = _stack[-1]
        if watch is None or watch.run is not top:
            watch = _Watch(top)
            pause = 0.01
        if top.lent or watch.stands_still():
            return watch
        _changed.wait(pause)
        pause = min(pause * 1.5, 0.25)
    return None


def _take_out(run: SeededRun) -> None:
    """Ends a run's turn. Needs `_changed`."""
    place = _stack.index(run)
    del _stack[place]
    set_seeded(bool(_stack))
    if place == len(_stack):
        restore(run.outer)
    else:
        # Somebody went ahead of us and is still running. What we found is theirs to put back.
        _stack[place].outer.update(run.outer)
    run.outer = {}


def is_inside() -> bool:
    """Whether the running code belongs to a seeded run: its own thread's, or one that its context was copied in."""
    if not _stack:  # as nearly always
        return False
    me = threading.get_ident()
    return any(run.thread == me for run in _stack.copy()) or _descent.get() in _stack


@contextmanager
def waiting() -> Iterator[None]:
    """Says that this thread is about to wait for other threads (for a lock, for their results).

    A seeded run of this thread lends its turn for so long, so that seeded calls of those threads go
    ahead at once and undisturbed. Does nothing in a thread without a seeded run.

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
        run.lent += 1
        _changed.notify_all()
    try:
        yield
    finally:
        with _changed:
            try:
                _wait_for_turn()
            finally:
                run.lent -= 1


class _Watch:
    """Looks at the thread of another run, from time to time, to see whether it gets on."""

    def __init__(self, run: SeededRun) -> None:
        self.run = run
        self._look()

    def _look(self) -> None:
        self.since = time.monotonic()
        # Holding the frame makes the comparison sure: no later call can have the same one.
        self.frame = sys._current_frames().get(self.run.thread)
        self.instruction = self.frame.f_lasti if self.frame is not None else 0
        self.waits = _waits_for_a_thread(self.frame)
        self.used = _processor_time(self.run.clock)

    def _same_place(self) -> bool:
        frame = sys._current_frames().get(self.run.thread)
        return frame is self.frame and (frame is None or frame.f_lasti == self.instruction)

    def unmoved(self) -> bool:
        """True if the thread has certainly not run since the watch began."""
        if not self._same_place():
            return False
        if self.waits:
            return True
        return self.run.clock is not None and self._idle()

    def _idle(self) -> bool:
        # Without a clock of the thread this is the time of the whole process, our looks included.
        allowed = 1e-4 if self.run.clock is not None else 0.01 * (time.monotonic() - self.since)
        return _processor_time(self.run.clock) - self.used <= allowed

    def stands_still(self) -> bool:
        """True once the thread has stood still for so long that it cannot be expected to go on."""
        if self.frame is None:
            return True  # no such thread any more
        if not self._same_place() or _is_called(self.frame):
            self._look()
            return False
        elapsed = time.monotonic() - self.since
        if self.waits:
            # What a guest was for, the run may be about to learn: not before it has come to rest.
            known = self.run.guest or _descent.get() in _stack
            soon = known and _waits_for_a_thread(sys._current_frames().get(self.run.guest))
            return elapsed >= (_KNOWN if soon else _SEEN)
        if self._idle():
            return elapsed >= _STILL
        if self.run.clock is None:
            return elapsed >= _UNCLOCKED
        self._look()
        return False


def _waits_for_a_thread(frame: types.FrameType | None) -> bool:
    """Whether the standard library's code is waiting there: a join, a future, a queue, a loop."""
    if frame is None:
        return True  # that thread has ended, or there was none
    name = str(frame.f_globals.get("__name__", ""))
    if name in ("threading", "queue") or name.startswith("concurrent.futures."):
        return True
    if name == "importlib._bootstrap":
        return frame.f_code.co_name == "acquire"  # of a module that another thread imports
    if name == "selectors":  # of an event loop; that of a subprocess waits for no thread
        back = frame.f_back
        name = "" if back is None else str(back.f_globals.get("__name__", ""))
    return name.startswith(("asyncio.", "trio."))


def _is_called(frame: types.FrameType | None) -> bool:
    """Whether what the thread waits for has happened already, and it only has to wake up."""
    if frame is None or frame.f_globals.get("__name__") != "threading":
        return False
    names = frame.f_locals
    for name in ("waiter", "lock"):  # of Condition.wait, and of Thread.join up to Python 3.12
        lock: Any = names.get(name)
        if hasattr(lock, "locked"):
            return not lock.locked()
    thread = names.get("self")
    return isinstance(thread, threading.Thread) and not thread.is_alive()


def _clock(thread: int) -> int | None:
    """The system's clock of the processor time of a thread; None on macOS and Windows."""
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
    """Whether two states are equal for certain: what cannot be looked into counts as different."""
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
    # A seed that waits for its device, or numpy's bit generator, whose content is compared too.
    return left is right and type(left).__module__.startswith(("builtins", "numpy.random"))


def _after_fork_in_child() -> None:
    """Drops the runs of threads that don't exist in the child."""
    _changed.__init__()  # type: ignore[misc]  # the old lock may be held by a thread that is gone
    me = threading.get_ident()
    for run in [run for run in reversed(_stack) if run.thread != me]:
        run.outer = _safe_in_child(run.outer)
        _take_out(run)
    for run in _stack:
        run.outer = _safe_in_child(run.outer)
        run.clock = _clock(me)
        run.watch = None


def _safe_in_child(saved: Saved) -> Saved:
    """The states that a child may put back: those of numpy, if no lock of it is in the way.

    Python has given `random` a fresh seed, as in every child. A generator's lock may be held by a
    thread that is gone, and would be for ever.
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
