"""Ends a sweep in an orderly way at Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

from funes._sweeps.plan import Plan, add_note

#: Seconds that running points have after SIGTERM. Batch systems kill the process soon afterwards.
_TERM_SECONDS = 5.0

#: Seconds after which Ctrl-C says what it waits for.
_PATIENCE_SECONDS = 0.5


@contextlib.contextmanager
def termination() -> Iterator[None]:
    """Turns SIGTERM into SystemExit within the block, unless the program handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def end(error: BaseException, plan: Plan, runner: Any) -> None:
    """Cancels what has not begun, waits for what runs, and says how to go on. A second Ctrl-C ends what runs."""
    try:
        runner.stop()
        if isinstance(error, SystemExit):
            if not runner.join(_TERM_SECONDS):
                runner.stop(at_once=True)
        elif not runner.join(_PATIENCE_SECONDS):
            _print(
                f"{plan.memo.__qualname__}: waiting for {runner.running:,} points that are being computed;"
                " Ctrl-C again ends them"
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
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no error output
        print(text, file=sys.stderr, flush=True)
