"""What a sweep needs of an engine."""

from __future__ import annotations

import contextlib
import enum
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Event(enum.Enum):
    """What can happen to a task."""

    #: Answers arrived, and the task goes on. The value: answers as bytes.
    ANSWERS = "answers"
    #: The task has ended. The value: answers as bytes.
    END = "end"
    #: The task could not be run. The value: an exception.
    ERROR = "error"
    #: The worker ended without a word. The value: a `Death`.
    DEATH = "death"
    #: The engine cannot be used any more. The value: an exception.
    BROKEN = "broken"
    #: The task was cancelled before it began.
    CANCELLED = "cancelled"


class Death(NamedTuple):
    """How a worker ended."""

    #: The number of the signal, if one ended it.
    signal: int | None = None
    #: What is known besides, such as the path of a log.
    detail: str = ""


class Report(NamedTuple):
    """What happened to a task."""

    task: int
    event: Event
    value: Any = None


#: Takes reports, in any thread, and returns at once.
Reporter = Callable[[Report], object]


class Engine:
    """Computes tasks. Reports come in any thread."""

    #: The number of workers, as far as it is known.
    workers: int
    #: The number of tasks that are submitted ahead.
    capacity: int
    #: How many seconds a task should take.
    task_seconds = 0.5
    #: How many workers may die of the same point before it is given up.
    max_deaths = 3
    #: True if the death of a worker ends the tasks that wait for it, too.
    spreads_deaths = False
    #: True if tasks are run in this process and this interpreter.
    stays_here = False

    def submit(self, tasks: list[tuple[int, bytes]]) -> None:
        """Submits tasks with their numbers.

        Raises:
            Exception: The engine cannot be used any more.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Cancels the tasks that have not begun; each is reported."""
        raise NotImplementedError

    def kill(self) -> None:
        """Ends running tasks, as far as the engine can."""

    def close(self) -> None:
        """Releases what the engine holds for this sweep. The user's executor stays open."""


#: A process, and the `id` of an executor in it.
Identity = tuple[int, int]

#: The executors for which the current thread is running tasks.
_current = threading.local()


def identity_of(executor: Any) -> Identity:
    """Returns what identifies an executor in all threads of this process."""
    return os.getpid(), id(executor)


@contextlib.contextmanager
def running_for(identity: Identity) -> Iterator[None]:
    """Marks the current thread as one of an executor within the block."""
    before = getattr(_current, "executors", ())
    _current.executors = (*before, identity)
    try:
        yield
    finally:
        _current.executors = before


def is_thread_of(executor: Any) -> bool:
    """Returns whether the current thread is running a task for an executor."""
    return identity_of(executor) in getattr(_current, "executors", ())
