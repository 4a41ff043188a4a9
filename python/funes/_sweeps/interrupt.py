"""Ends a sweep in an orderly way at Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections import Counter
from types import FrameType
from typing import Any

from funes._results.units import number_of
from funes._sweeps.plan import Plan, add_note
from funes._warnings import beside_bars

#: Seconds that running points have after SIGTERM. Batch systems kill the process soon afterwards.
_TERM_SECONDS = 5.0

#: Seconds after which Ctrl-C says what it waits for.
_PATIENCE_SECONDS = 0.5


class Handlers:
    """Handles signals while a sweep is iterated. Installed once, also if several sweeps are.

    SIGTERM becomes SystemExit, unless the program handles it. Ctrl-C waits while the main thread is in a `HELD` block.

    Args:
        holds: Handle Ctrl-C, too. Without an executor no lock is held, and the program's own handler stays.
    """

    def __init__(self, *, holds: bool) -> None:
        self._numbers = (signal.SIGTERM, signal.SIGINT) if holds else (signal.SIGTERM,)
        self._is_used = False

    def begin(self) -> None:
        """Installs the handlers. Only the main thread can, and only it gets signals."""
        restore_unused()
        if not self._is_used and _is_main_thread():
            self._is_used = True
            for number in self._numbers:
                _install(number)

    def end(self) -> None:
        """Restores the program's handlers if no other sweep needs these.

        An iteration may be deleted in any thread. Then the next sweep of the main thread, or the next signal, restores
        the handlers.
        """
        if self._is_used:
            self._is_used = False
            for number in self._numbers:
                _users[number] = max(0, _users[number] - 1)
            restore_unused()


#: The program's handlers, and how many sweeps replaced them, by signal.
_former: dict[int, Any] = {}
_users: Counter[int] = Counter()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _install(number: int) -> None:
    before = signal.getsignal(number)
    if before is not _handle:
        if not (before is signal.SIG_DFL if number == signal.SIGTERM else callable(before)):
            return
        _former[number] = before
        signal.signal(number, _handle)
    _users[number] += 1


def restore_unused() -> None:
    """Restores the program's handlers of the signals that no sweep needs. Only the main thread can."""
    if not _is_main_thread():
        return
    for number in list(_former):
        if not _users[number]:
            former = _former.pop(number)
            if signal.getsignal(number) is _handle:
                signal.signal(number, former)


def _handle(number: int, frame: FrameType | None) -> None:
    if not (_users[number] or HELD.depth) and number in _former:
        restore_unused()
        signal.raise_signal(number)
    elif HELD.depth:
        HELD.pending = number
    else:
        _deliver(number, frame)


def _deliver(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGTERM:
        raise SystemExit(128 + number)
    former = _former.get(number, signal.default_int_handler)
    former(number, frame)


class _Held:
    """A block in which Ctrl-C and SIGTERM wait, since an exception at any instruction could leave a lock locked."""

    def __init__(self) -> None:
        self.depth = 0
        self.pending: int | None = None

    def __enter__(self) -> None:
        if _is_main_thread():
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        if _is_main_thread():
            self.depth -= 1
            if not self.depth and self.pending is not None:
                number, self.pending = self.pending, None
                _deliver(number, None)


#: Entered before a lock that threads of this package need, too.
HELD = _Held()


def end(error: BaseException, plan: Plan, runner: Any) -> None:
    """Cancels what has not begun, waits for what runs, and says how to go on. A second Ctrl-C ends what runs."""
    try:
        runner.stop()
        if isinstance(error, SystemExit):
            if not runner.join(_TERM_SECONDS):
                runner.stop(at_once=True)
        elif not runner.join(_PATIENCE_SECONDS):
            _print(
                f"{plan.memo.__qualname__}: waiting for {number_of(runner.running, 'point')}"
                " in progress; Ctrl-C again stops at once"
            )
            runner.join(None)
    except KeyboardInterrupt:
        runner.stop(at_once=True)
    stored, total = plan.count_stored(), plan.keys.distinct
    text = f"{stored:,} of {total:,} points are stored: run the same line again to go on"
    add_note(error, text)
    if isinstance(error, SystemExit) or not hasattr(error, "add_note"):
        _print(f"{plan.memo.__qualname__}: {text}")


def _print(text: str) -> None:
    with beside_bars(), contextlib.suppress(OSError, ValueError, AttributeError):  # no error output
        print(text, file=sys.stderr, flush=True)
