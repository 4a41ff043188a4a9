"""Detects that the process that computes a key has stopped using processor time.

This is the only reason to stop waiting for it: a deadlocked or stopped process uses no processor time.
When a process dies, the system frees its lock.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

#: The factor by which the limit is longer for a process whose processor time cannot be read
#: completely.
_UNREADABLE_FACTOR = 12

#: The processor time that does not count as progress, in seconds and as a share of the observed
#: time. It covers the resolution of the figures, and the checks of waiting processes, which may be
#: children of the observed process.
_NOISE_SECONDS = 0.015
_NOISE_SHARE = 0.0002

#: The number of checks within the limit of a wait.
_LOOKS_PER_WAIT = 8


class Watch:
    """Observes whether a process uses processor time. `pid` is None if the process cannot be observed.

    Example:
        >>> Watch(os.getpid(), wait=60).is_over()
        False
    """

    def __init__(self, pid: int | None, wait: float) -> None:
        self.pid = pid
        self._wait = wait
        self._begin(_time_of(pid))
        self._next = self._since + wait / _LOOKS_PER_WAIT

    def _begin(self, used: float | None) -> None:
        self._since = time.monotonic()
        self._used = used
        #: The processor time of the process's children; None until the process itself is idle.
        self._children: float | None = None

    def is_over(self) -> bool:
        """Returns whether the process and its children have used no processor time for the whole limit."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._wait / _LOOKS_PER_WAIT
        used = _time_of(self.pid)
        if used is None or self._used is None:
            if used is not self._used:
                self._begin(used)
            return now - self._since >= self._wait * _UNREADABLE_FACTOR
        if self._has_moved(used - self._used, now):
            self._begin(used)
            return False
        children = 0.0 if self.pid is None else _time_of_children(self.pid)
        if self._children is None:
            self._children = children
        elif self._has_moved(children - self._children, now):
            self._begin(used)
            return False
        return now - self._since >= self._wait * (1 if _SHOWS_CHILDREN else _UNREADABLE_FACTOR)

    def _has_moved(self, difference: float, now: float) -> bool:
        # If a child ends and its parent does not wait for it, the child's time is lost. So a
        # decrease shows progress, too.
        return abs(difference) > _NOISE_SECONDS + _NOISE_SHARE * (now - self._since)


def pause(wait: float) -> float:
    """Returns the longest pause between two checks of a waiting call, in seconds."""
    return max(wait / _LOOKS_PER_WAIT, 0.001)


#: The processor time of this process's own checks, which must not count as progress.
_spent = 0.0


def _time_of(pid: int | None) -> float | None:
    """Returns the processor time of a process in seconds, or None if it cannot be read."""
    if pid is None:
        return None
    if pid == os.getpid():
        return time.process_time() - _spent
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~pid << 3 | 2)  # the clock id that clock_getcpuclockid returns
    except OSError:
        return None


def _time_of_children(pid: int) -> float:
    """Returns the processor time of all descendants of a process, except this process, which only waits."""
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
        # The second field is the program's name in parentheses, which may contain any characters.
        user, system = text.rpartition(")")[2].split()[13:15]
        return (int(user) + int(system)) / _TICKS
    except (OSError, ValueError):
        return 0.0


_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

#: True if the system lists the children of a process.
_SHOWS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # a thread or the process has ended meanwhile
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found
