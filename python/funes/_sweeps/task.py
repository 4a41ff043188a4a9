"""What travels between a sweep and its workers: tasks and answers, as bytes."""

from __future__ import annotations

import enum
import pickle
import traceback
from typing import Any, NamedTuple

from funes._sweeps import arguments
from funes.errors import SweepError

#: The pickle protocol of Python 3.4, which all supported Python versions read.
_PROTOCOL = 4


class Kind(enum.IntEnum):
    """The kinds of answers about a point."""

    #: The result is in the store, and comes along if it is small.
    STORED = 0
    #: The result is not in the store, and comes along.
    UNSTORED = 1
    #: The worker cannot store in the cache folder: the bytes of the entry come along.
    ENTRY = 2
    #: The function raised an exception, or its result cannot be sent.
    FAILED = 3
    #: Another process is computing the point.
    BUSY = 4
    #: The worker has other code, and computed nothing.
    MISMATCH = 5


class TaskPoint(NamedTuple):
    """A point of a task."""

    #: The number of its key in the sweep.
    number: int
    #: The argument digest that the sweep computed.
    digest: str
    #: The arguments, as `arguments.keep` returned them.
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Task(NamedTuple):
    """Points of one function that a worker computes one after the other."""

    #: The pickled function.
    memo: bytes
    #: The definition digest that the sweep computed.
    definition: str
    #: A file in the folder of the results, by which a worker sees that the folder is the same; "" if
    #: the sweep cannot write there.
    token: str
    #: How often a point is computed again after an exception.
    retries: int
    #: Whether to wait for points that another process computes, instead of answering BUSY.
    waits: bool
    points: list[TaskPoint]

    def dumps(self) -> bytes:
        """Returns the task as bytes."""
        return pickle.dumps((*self[:-1], [tuple(point) for point in self.points]), _PROTOCOL)


def loads_task(data: bytes) -> Task:
    """Returns the task of which `Task.dumps` returned the bytes."""
    *fields, points = pickle.loads(data)
    return Task._make((*fields, [TaskPoint._make(point) for point in points]))


class Answer(NamedTuple):
    """The outcome of one point."""

    number: int
    kind: Kind
    #: The pickled result, the bytes of the entry, or the pickled exception.
    data: bytes | None = None
    #: The traceback of the exception.
    text: str = ""
    seconds: float = 0.0
    #: True if the worker found the result, which another process had stored meanwhile.
    is_hit: bool = False


class Answers(NamedTuple):
    """Answers of one worker."""

    host: str
    pid: int
    answers: list[Answer]

    def dumps(self) -> bytes:
        """Returns the answers as bytes."""
        rows = [(a.number, int(a.kind), *a[2:]) for a in self.answers]
        return pickle.dumps((self.host, self.pid, rows), _PROTOCOL)


def loads_answers(data: bytes) -> Answers:
    """Returns the answers of which `Answers.dumps` returned the bytes."""
    host, pid, rows = pickle.loads(data)
    return Answers(host, pid, [Answer(row[0], Kind(row[1]), *row[2:]) for row in rows])


def dump_error(error: BaseException) -> tuple[bytes | None, str]:
    """Returns an exception as bytes, or None if it cannot be opened again; and its traceback as text."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for dumps in (pickle.dumps, arguments.dumps_by_value):
        try:
            data = dumps(error)
            if type(pickle.loads(data)) is type(error):
                return data, text
        except Exception:  # noqa: PERF203, S112  # a constructor of the user may raise anything
            continue
    return None, text


def load_error(data: bytes | None, text: str) -> BaseException:
    """Returns the exception of a worker; a `SweepError` with its text if it cannot be opened here."""
    if data is not None:
        try:
            error = pickle.loads(data)
            if isinstance(error, BaseException):
                return error
        except Exception:  # noqa: S110  # its class may be missing here
            pass
    last = text.strip().splitlines()[-1] if text.strip() else "an exception without a text"
    return SweepError(f"{last} (this exception cannot be pickled, so it arrived as text)")
