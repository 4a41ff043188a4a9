"""Runs a task in a worker of any engine."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import platform
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from funes._entries import pickler
from funes._funes import Call, InFlightCall
from funes._sweeps.arguments import ATOMS, dumps_by_value, load_all
from funes._sweeps.task import Answer, Answers, Kind, Task, TaskPoint, dump_error, loads_task
from funes.errors import DefinitionMismatch

#: Results of at most this many bytes travel with the answer. Larger ones are read from the store.
SMALL_BYTES = 64 << 10

#: Answers are sent before the end of a task after this many seconds, or from this many bytes on.
_FLUSH_SECONDS = 0.1
_FLUSH_BYTES = 256 << 10


def run_task(data: bytes, send: Callable[[bytes], object] | None = None) -> bytes:
    """Computes the points of a task and returns the answers.

    Args:
        data: The task.
        send: Takes answers before the task has ended.
    """
    task = loads_task(data)
    outbox = _Outbox(send)
    try:
        memo = pickle.loads(task.memo)
        is_async = memo._core.is_async
        _check_definition(memo, memo.definition, task)
    except DefinitionMismatch as error:
        return outbox.rest([_failed(point, error) for point in task.points])
    if can_store(task.token):
        _run(memo, task, outbox, is_async, None)
    else:
        with _private_folder(memo) as folder:
            _run(memo, task, outbox, is_async, folder)
    return outbox.rest([])


def _run(memo: Any, task: Task, outbox: _Outbox, is_async: bool, private: str | None) -> None:
    if is_async:
        outbox.answers += run_coroutine(_run_together(memo, task, private))
        return
    busy = []
    watched = None
    if not task.waits and private is None:
        watched = watched_folder(memo, task.definition)
    for point in task.points:
        if is_computed_elsewhere(watched, point.digest):
            busy.append(Answer(point.number, Kind.BUSY))
            continue
        outbox.add(_run_point(memo, task, point, private))
    outbox.answers += busy


class _Outbox:
    """Collects answers, and sends them from time to time."""

    def __init__(self, send: Callable[[bytes], object] | None) -> None:
        self._send = send
        self._bytes = 0
        self._last = time.monotonic()
        self.answers: list[Answer] = []

    def add(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._bytes += len(answer.data or b"")
        is_due = time.monotonic() - self._last > _FLUSH_SECONDS or self._bytes > _FLUSH_BYTES
        if self._send is not None and is_due:
            self._send(self.rest([]))
            self.answers, self._bytes, self._last = [], 0, time.monotonic()

    def rest(self, more: list[Answer]) -> bytes:
        return Answers(platform.node(), os.getpid(), [*self.answers, *more]).dumps()


def _run_point(memo: Any, task: Task, point: TaskPoint, private: str | None) -> Answer:
    for attempt in range(task.retries + 1):
        try:
            args, kwargs = load_all(point.args, point.kwargs)
            call = _checked(memo, task, point, args, kwargs)
            misses, start = memo._core.statistics()[2], time.perf_counter()
            output = memo(*args, **kwargs)
            seconds = time.perf_counter() - start
            is_hit = memo._core.statistics()[2] == misses
            return _answer(memo, call, point.number, (output, seconds, is_hit), private)
        except BaseException as error:  # noqa: PERF203
            # Any exception belongs to the point, also SystemExit: the worker stays.
            if attempt == task.retries or isinstance(error, DefinitionMismatch):
                return _failed(point, error)
    raise AssertionError("the last attempt returns")


async def _run_together(memo: Any, task: Task, private: str | None) -> list[Answer]:
    """Computes the points of a coroutine function as tasks of one event loop."""

    async def run(point: TaskPoint) -> Answer:
        for attempt in range(task.retries + 1):
            try:
                args, kwargs = load_all(point.args, point.kwargs)
                call = _checked(memo, task, point, args, kwargs)
                start = time.perf_counter()
                output = await memo(*args, **kwargs)
                about = output, time.perf_counter() - start, False
                return _answer(memo, call, point.number, about, private)
            except BaseException as error:  # noqa: PERF203
                if attempt == task.retries or isinstance(error, DefinitionMismatch):
                    return _failed(point, error)
        raise AssertionError("the last attempt returns")

    import asyncio

    return list(await asyncio.gather(*map(run, task.points)))


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end, also in a thread whose event loop is running, as in a notebook."""
    import asyncio  # at its first use: it takes as long to import as the rest of a worker

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    found: list[Any] = []

    def run() -> None:
        try:
            found.append((asyncio.run(coroutine), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run, name="funes-coroutine")
    thread.start()
    thread.join()
    output, error = found[0]
    if error is not None:
        raise error
    return output


def _check_definition(memo: Any, definition: str, task: Task) -> None:
    """Raises `DefinitionMismatch` if the code here is not the code of the sweep."""
    if definition != task.definition:
        raise DefinitionMismatch(
            f"{memo.__qualname__}: its code here (pid {os.getpid()}) is not the code of the sweep, so nothing was run"
            " and nothing was stored. Restart the workers and make the sweep again."
        )


def _checked(memo: Any, task: Task, point: TaskPoint, args: Any, kwargs: Any) -> Call:
    """Returns the keyed call.

    Raises:
        DefinitionMismatch: The call has another key here than in the process of the sweep.
    """
    call: Call = memo._core.key(memo, args, kwargs)
    _check_definition(memo, call.definition, task)
    if call.arguments != point.digest:
        raise DefinitionMismatch(
            f"{memo.__qualname__}: the arguments have another key here (pid {os.getpid()}) than in the sweep, so"
            " nothing was run and nothing was stored. A class or function among them has other code here, or they"
            " do not survive pickling. Restart the workers and make the sweep again."
        )
    return call


def _answer(
    memo: Any, call: Call, number: int, about: tuple[Any, float, bool], private: str | None
) -> Answer:
    output, seconds, is_hit = about
    if private is not None or not memo._core.is_in_memory(memo, call):
        key = memo._function_name, call.definition, call.arguments
        path = memo._store.path(*key)
        if not os.path.lexists(path):
            return Answer(number, Kind.UNSTORED, _unstored(output), "", seconds, is_hit)
        if private is not None:
            data = Path(path).read_bytes()
            memo._store.remove(*key)
            return Answer(number, Kind.ENTRY, data, "", seconds, is_hit)
    # A result in memory is in the store, too.
    return Answer(number, Kind.STORED, _small(output), "", seconds, is_hit)


def _small(output: Any) -> bytes | None:
    """Returns a pickled result; None if it is large or not plain, so that it must be read from the store."""
    if type(output) in ATOMS and (type(output) not in (str, bytes) or len(output) < SMALL_BYTES):
        return pickle.dumps(output, 4)
    with contextlib.suppress(Exception):
        pickled = pickler.dump(output, output)
        if pickled.is_plain and isinstance(pickled.body, bytes):
            return pickled.body if len(pickled.body) <= SMALL_BYTES else None
    return None


def _unstored(output: Any) -> bytes:
    """Returns a pickled result that is not in the store.

    Raises:
        UnpicklableResultError: It cannot be pickled.
    """
    pickled = pickler.dump(output, output)
    if not pickled.is_plain:
        with contextlib.suppress(Exception):
            return dumps_by_value(output)  # keeps classes of the main program
    return bytes(pickled.body)


def _failed(point: TaskPoint, error: BaseException) -> Answer:
    kind = Kind.MISMATCH if isinstance(error, DefinitionMismatch) else Kind.FAILED
    return Answer(point.number, kind, *dump_error(error))


def watched_folder(memo: Any, definition: str) -> str | None:
    """Returns the folder that `is_computed_elsewhere` takes; None if calls do not wait for each other."""
    if not memo._options.single_flight:
        return None
    with contextlib.suppress(OSError):  # no cache folder
        folder: str = memo._store.folder(memo._function_name, definition)
        return folder
    return None


def is_computed_elsewhere(folder: str | None, digest: str) -> bool:
    """Returns whether another thread or process is computing a point."""
    if folder is None:
        return False
    flight = InFlightCall((folder, digest), is_async=False)
    try:
        return not flight.take()
    finally:
        flight.end(False)


@functools.lru_cache(maxsize=64)
def can_store(token: str) -> bool:
    """Returns whether this process has the folder of the sweep, and can create files in it."""
    if not token:
        return True
    folder = os.path.dirname(token)
    probe = os.path.join(folder, f".tmp-probe-{os.urandom(16).hex()}")
    try:
        # Listing first: a network file system may remember that the file was missing.
        if os.path.basename(token) not in os.listdir(folder) and not os.path.lexists(token):
            return False
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(probe)
    except OSError:
        return False
    return True


#: A function stores in one folder at a time, so tasks that need a private folder run one by one.
_private = threading.RLock()


@contextlib.contextmanager
def _private_folder(memo: Any) -> Iterator[str]:
    """Lets a function store its results in a temporary folder."""
    import shutil
    import tempfile

    with _private:
        folder, before = tempfile.mkdtemp(prefix="funes-sweep-"), memo._root
        try:
            memo._move(folder)
            yield folder
        finally:
            memo._root = before
            memo._close()
            shutil.rmtree(folder, ignore_errors=True)
