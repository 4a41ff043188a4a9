"""Detects that the process which computes a key uses no processor time any more: the one reason to stop waiting for it.

A deadlock looks like this, and a process that was stopped; when a process dies, the system frees its lock.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

#: How many times as long a process is waited for whose processor time cannot be read, or not all of it.
_UNSEEN = 12

#: Processor time that does not count, in seconds, and for each second of a watch: the grain of the figures, and
#: the looks of other processes that wait for the same one and may be children of it.
_NOTHING = 0.015
_LOOKS = 0.0002

#: Into how many parts the time without processor time is divided by looks.
_PARTS = 8


class Watch:
    """Looks at a process from time to time: this one or another one of this host; None for one that cannot be seen.

    Example:
        >>> Watch(os.getpid(), wait=60).is_over()
        False
    """

    def __init__(self, pid: int | None, wait: float) -> None:
        self.pid = pid
        self._wait = wait
        self._begin(_time_of(pid))
        self._next = self._since + wait / _PARTS

    def _begin(self, used: float | None) -> None:
        self._since = time.monotonic()
        self._used = used
        #: Processor time of its children; None until the process itself rests.
        self._children: float | None = None

    def is_over(self) -> bool:
        """Whether the process and its children have used no processor time for as long as they are waited for."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._wait / _PARTS
        used = _time_of(self.pid)
        if used is None or self._used is None:
            if used is not self._used:
                self._begin(used)
            return now - self._since >= self._wait * _UNSEEN
        if self._has_moved(used - self._used, now):
            self._begin(used)
            return False
        children = 0.0 if self.pid is None else _time_of_children(self.pid)
        if self._children is None:
            self._children = children
        elif self._has_moved(children - self._children, now):
            self._begin(used)
            return False
        return now - self._since >= self._wait * (1 if _SHOWS_CHILDREN else _UNSEEN)

    def _has_moved(self, difference: float, now: float) -> bool:
        # The time of a child that no process asked for is lost when it ends: less is a change, too.
        return abs(difference) > _NOTHING + _LOOKS * (now - self._since)


def pause(wait: float) -> float:
    """The longest time between two looks, in seconds, with which the end of a wait is noticed in time."""
    return max(wait / _PARTS, 0.001)


#: What the looks of this process have cost so far: a thread that waits does not take them for progress.
_spent = 0.0


def _time_of(pid: int | None) -> float | None:
    """Processor time of a process, in seconds; None if it cannot be read."""
    if pid is None:
        return None
    if pid == os.getpid():
        return time.process_time() - _spent
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~pid << 3 | 2)  # as clock_getcpuclockid has it
    except OSError:
        return None


def _time_of_children(pid: int) -> float:
    """Processor time of what descends from a process, without this process, which may be among it, and only waits."""
    global _spent
    start = time.thread_time()
    own = os.getpid()
    seconds, left = 0.0, [pid]
    while left:
        parent = left.pop()
        seconds += _time_of_ended_children(parent)
        for child in _children(parent):
            if child != own:
                seconds += _time_of(child) or 0.0
                left.append(child)
    _spent += time.thread_time() - start
    return seconds


def _time_of_ended_children(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The second field is the program's name, in brackets, and may hold anything.
        user, system = text.rpartition(")")[2].split()[13:15]
        return (int(user) + int(system)) / _TICKS
    except (OSError, ValueError):
        return 0.0


_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

#: Whether the system lists the children of a process.
_SHOWS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # a thread, or all of it, has ended meanwhile
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found
