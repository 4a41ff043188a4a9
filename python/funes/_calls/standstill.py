"""Whether whoever computes what others wait for still gets on, as far as can be seen from outside.

A deadlock looks like this, and a process that was stopped; when one dies, the system says so itself.
Whoever has waited for too long computes. So the bounds below weigh waiting in vain against computing
twice, and neither gives a wrong result.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

from funes._seeds.turns import _waits_for_a_thread

__all__ = ["OfProcess", "OfTask", "OfThread"]

# Seconds of standing still after which nobody waits any longer.
_STOPPED = 2.0  # the process was stopped (SIGSTOP, Ctrl-Z)
_FOR_A_THREAD = 2.0  # its thread waits for another thread, and the whole process rests
_FOR_A_CHILD = 5.0  # it rests, and is our parent: perhaps it waits for us
_RESTING = (
    60.0  # its thread is blocked on a lock or on the outside world, and the whole process rests
)
_FAR = 300.0  # the same of another process, or of a task, where nothing hints at a deadlock
_UNSEEN = 3600.0  # it runs on another host, or the system does not show what it does

#: A process that uses less of the processor's time than this part of it, looks at others perhaps, but does nothing.
_IDLE = 0.02


class _Watch(ABC):
    """Looks at somebody from time to time."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.since = time.monotonic()
        self.used = self._processor_time()

    def is_over(self) -> bool:
        """Whether it has stood still for so long that it cannot be expected to go on."""
        bound = self._bound()
        if bound is None:
            self._begin()
            return False
        return time.monotonic() - self.since >= bound

    @abstractmethod
    def _processor_time(self) -> float | None: ...

    @abstractmethod
    def _bound(self) -> float | None:
        """How long it may stand still in the way it does; None if it has moved since the watch began."""

    def _rests(self) -> bool:
        now = self._processor_time()
        if now is None or self.used is None:
            return True
        return now - self.used <= _IDLE * (1 + time.monotonic() - self.since)


class OfThread(_Watch):
    """Of a thread of this process."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        # Holding the frame makes the comparison sure: no later call can have the same one.
        self.frame = sys._current_frames().get(self.thread)
        self.instruction = self.frame.f_lasti if self.frame is not None else 0

    def _processor_time(self) -> float | None:
        return _processor_time()

    def _bound(self) -> float | None:
        frame = sys._current_frames().get(self.thread)
        if frame is None:
            return 0  # it has ended, and left a coroutine behind that nobody goes on with
        if frame is not self.frame or frame.f_lasti != self.instruction or not self._rests():
            return None
        return _FOR_A_THREAD if _waits_for_a_thread(frame) else _RESTING


class OfTask(_Watch):
    """Of a task of an event loop in a thread of this process: where the loop rests says nothing of the task."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        super().__init__()

    def _processor_time(self) -> float | None:
        return _processor_time()

    def _bound(self) -> float | None:
        if self.thread not in sys._current_frames():
            return 0
        return _FAR if self._rests() else None


class OfProcess(_Watch):
    """Of another process."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.was_stopped = False
        super().__init__()

    def _processor_time(self) -> float | None:
        return None if self.pid is None else _processor_time_of(self.pid)

    def _bound(self) -> float | None:
        shown = None if self.pid is None else _stat(self.pid)
        if shown is None or self.pid is None:
            return _UNSEEN
        is_stopped = shown.state in "Tt"
        if is_stopped is not self.was_stopped:
            self.was_stopped = is_stopped
            return None
        if is_stopped:
            return _STOPPED
        if not self._rests():
            return None
        return _FOR_A_CHILD if self.pid in _ancestors() else _FAR


class _Stat(NamedTuple):
    """What Linux shows of a process."""

    state: str
    parent: int
    #: Seconds of the processor, with those of children that have ended.
    used: float


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The second field is the program's name, in brackets, and may hold anything.
        fields = text.rpartition(")")[2].split()
        return _Stat(fields[0], int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    except (OSError, ValueError, IndexError):
        return None


_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def _processor_time() -> float:
    """That this process and its descendants have used."""
    used = _processor_time_of(os.getpid())
    return time.process_time() if used is None else used


def _processor_time_of(pid: int) -> float | None:
    shown = _stat(pid)
    if shown is None:
        return None
    return shown.used + sum(_processor_time_of(child) or 0.0 for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # a thread, or all of it, has ended meanwhile
        return []
    return [int(child) for text in lists for child in text.split()]


def _ancestors() -> set[int]:
    found: set[int] = set()
    pid = os.getppid()
    while pid > 1 and pid not in found:
        found.add(pid)
        shown = _stat(pid)
        if shown is None:
            break
        pid = shown.parent
    return found
