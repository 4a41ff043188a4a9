"""What travels between a sweep and its workers: tasks and answers, as bytes."""

from __future__ import annotations

import enum
import pickle
from typing import Any, NamedTuple

from funes._sweeps import arguments
from funes._warnings import one_line
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
    #: The numbers of the points' keys in the sweep.
    numbers: list[int]
    #: The argument digests that the sweep computed, one after the other.
    digests: bytes
    #: The positional arguments of each point, as `arguments.keep` returned them.
    args: list[tuple[Any, ...]]
    #: The keyword arguments of each point; empty if no point has any.
    kwargs: list[dict[str, Any]]
    #: True if the arguments are immutable values, not a `Copy` or an `Original`.
    is_plain: bool
    #: The mode of the sweep.
    mode: str | None = None

    def dumps(self) -> bytes:
        """Returns the task as bytes."""
        return pickle.dumps(tuple(self), _PROTOCOL)

    def digest(self, index: int) -> str:
        """Returns the argument digest of a point, as hexadecimal digits."""
        return self.digests[20 * index : 20 * index + 20].hex()

    def arguments(self, index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns the arguments of a point."""
        args, kwargs = self.args[index], self.kwargs[index] if self.kwargs else {}
        return (args, kwargs) if self.is_plain else arguments.load_all(args, kwargs)


def loads_task(data: bytes) -> Task:
    """Returns the task of which `Task.dumps` returned the bytes."""
    return Task._make(pickle.loads(data))


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
    #: The bytes of the remembered error, if the worker cannot store it.
    entry: bytes | None = None


class PlainAnswers(NamedTuple):
    """The outcomes of points whose results are in the store, immutable and small."""

    numbers: list[int]
    outputs: list[Any]
    #: The run times.
    seconds: list[float]
    #: The numbers of the points whose result the worker found.
    hits: list[int]


class Answers(NamedTuple):
    """Answers of one worker."""

    host: str
    pid: int
    #: The time since the answers before, or since the start of the task.
    seconds: float
    plain: PlainAnswers
    #: The answers about other points.
    answers: list[Answer]

    def dumps(self) -> bytes:
        """Returns the answers as bytes."""
        rows = [(a.number, int(a.kind), *a[2:]) for a in self.answers]
        return pickle.dumps((*self[:3], tuple(self.plain), rows), _PROTOCOL)


def loads_answers(data: bytes) -> Answers:
    """Returns the answers of which `Answers.dumps` returned the bytes."""
    host, pid, seconds, plain, rows = pickle.loads(data)
    answers = [Answer(row[0], Kind(row[1]), *row[2:]) for row in rows]
    return Answers(host, pid, seconds, PlainAnswers._make(plain), answers)


def dump_error(error: BaseException) -> tuple[bytes, str]:
    """Returns an exception as bytes for `load_error`, and its traceback as text."""
    import traceback  # here, since a worker does not need it to start

    try:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:  # a property of the user may fail
        text = one_line(error)
    for dumps in (pickle.dumps, arguments.dumps_by_value):
        try:
            data = dumps(error)
            if type(pickle.loads(data)) is type(error):
                return pickle.dumps((data, _summary(error)), _PROTOCOL), text
        except BaseException:  # noqa: PERF203, S112  # a constructor of the user may raise anything
            continue
    return pickle.dumps((None, _summary(error)), _PROTOCOL), text


def _summary(error: BaseException) -> str:
    """Returns the type and text of an exception; of a group, also those of its members."""
    members = getattr(error, "exceptions", ())
    if not isinstance(members, tuple) or not members:
        return one_line(error)
    shown = (_summary(member) if isinstance(member, BaseException) else "" for member in members)
    return f"{one_line(error)}: {'; '.join(shown)}"


def load_error(data: bytes) -> BaseException:
    """Returns the exception of a worker; a `SweepError` with its text if it cannot be opened here."""
    pickled, summary = pickle.loads(data)
    if pickled is not None:
        try:
            error = pickle.loads(pickled)
            if isinstance(error, BaseException):
                return error
        except BaseException:  # noqa: S110  # its class may be missing here, its constructor may raise anything
            pass
    return SweepError(f"{summary} (this exception cannot be pickled, so it arrived as text)")
