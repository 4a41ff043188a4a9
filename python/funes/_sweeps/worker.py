"""Runs a task in a worker of any engine."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from funes._funes import ERROR_EXTENSION, InFlightCall, PointRuns
from funes._sweeps.arguments import ATOMS, dumps_by_value
from funes._sweeps.task import (
    Answer,
    Answers,
    Kind,
    PlainAnswers,
    Task,
    dump_error,
    loads_task,
)
from funes.errors import DefinitionMismatch

#: Results of at most this many bytes travel with the answer. Larger ones are read from the store.
SMALL_BYTES = 64 << 10

#: Answers are sent before the end of a task after this many seconds, or from this many bytes on.
_FLUSH_SECONDS = 0.1
_FLUSH_BYTES = 256 << 10

#: What ends a point: result, run time in seconds, whether it was a hit, whether it is stored.
Ended = tuple[Any, float, bool, bool]


def run_task(data: bytes, send: Callable[[bytes], object] | None = None) -> bytes:
    """Computes the points of a task and returns the answers.

    Args:
        data: The task.
        send: Takes answers before the task has ended.
    """
    task = loads_task(data)
    if task.mode is None:
        return _run_task(task, send)
    from funes._memo.mode import in_mode  # here, since a worker does not need it to start

    with in_mode(task.mode):
        return _run_task(task, send)


def _run_task(task: Task, send: Callable[[bytes], object] | None) -> bytes:
    try:
        memo = pickle.loads(task.memo)
        if task.numbers and memo.definition != task.definition:
            raise _mismatch(memo, task)
    except DefinitionMismatch as error:
        failed = [_failed(number, error) for number in task.numbers]
        return Answers(_host(), os.getpid(), 0.0, PlainAnswers([], [], [], []), failed).dumps()
    if can_store(task.token):
        return _run(memo, task, send, None)
    with _private_folder(memo) as folder:
        return _run(memo, task, send, folder)


def _run(
    memo: Any, task: Task, send: Callable[[bytes], object] | None, private: str | None
) -> bytes:
    # The sweep found no entries of these points, so results in memory whose entries are gone must not answer.
    memo._core.recheck_folder()
    waits = task.waits or private is not None
    runs = PointRuns(memo, task.definition, task.numbers, task.digests, waits, private is None)
    outbox = _Outbox(runs, send)
    if memo._core.is_async:
        outbox.answers += run_coroutine(_run_together(memo, task, private))
        return outbox.take()
    for index in range(len(task.numbers)):
        for attempt in range(task.retries + 1):
            try:
                ended = _run_point(memo, task, runs, index)
                if type(ended) is tuple:
                    outbox.add(_answer(memo, task, index, ended, private))
                elif ended:
                    outbox.flush()
                break
            except BaseException as error:
                # Any exception belongs to the point, also SystemExit: the worker stays.
                if attempt == task.retries or not _may_retry(error):
                    outbox.add(_failed_at(memo, task, index, error, private))
                    break
    outbox.answers += [Answer(number, Kind.BUSY) for number in runs.busy]
    return outbox.take()


def _run_point(memo: Any, task: Task, runs: PointRuns, index: int) -> Ended | bool | None:
    """Computes a point. Returns how it ended, or whether answers are due to be sent if `runs` has collected it."""
    process = os.getpid()
    args, kwargs = task.arguments(index)
    asked: Any = runs.begin(index, args, kwargs)
    while type(asked) is tuple and len(asked) == 3:
        # The function is called here, since no frame of the extension may be below it on the stack.
        function, args, kwargs = asked
        try:
            returned = function(*args, **kwargs)
        except BaseException as error:
            _end_forked_child(process, error)
            asked = runs.fail(error)
        else:
            _end_forked_child(process)
            asked = runs.go_on(returned)
    if asked is False:
        raise _mismatch(memo, task)
    ended: Ended | bool | None = asked
    return ended


def _end_forked_child(process: int, error: BaseException | None = None) -> None:
    """Ends this process if the function forked it: a child that returns from the function is not a second worker.

    Args:
        process: The id of the process that called the function.
        error: What the function raised.
    """
    if os.getpid() == process:
        return
    code = 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = (error.code or 0) & 0xFF
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):  # no error output
            import traceback

            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


class _Outbox:
    """Collects answers, and sends them from time to time."""

    def __init__(self, runs: PointRuns, send: Callable[[bytes], object] | None) -> None:
        self._runs = runs
        self._send = send
        self._bytes = 0
        self._last = time.monotonic()
        self.answers: list[Answer] = []

    def add(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._bytes += len(answer.data or b"")
        if time.monotonic() - self._last > _FLUSH_SECONDS or self._bytes > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Sends what was collected, unless it can only be sent at the end of the task."""
        if self._send is not None:
            self._send(self.take())

    def take(self) -> bytes:
        """Returns what was collected."""
        answers, self.answers = self.answers, []
        before, self._last = self._last, time.monotonic()
        self._bytes = 0
        plain = PlainAnswers._make(self._runs.collected())
        return Answers(_host(), os.getpid(), self._last - before, plain, answers).dumps()


@functools.cache
def _host() -> str:
    if sys.platform != "win32":
        return os.uname().nodename
    import platform  # takes as long to import as the rest of this module

    return platform.node()


async def _run_together(memo: Any, task: Task, private: str | None) -> list[Answer]:
    """Computes the points of a coroutine function as tasks of one event loop."""
    process = os.getpid()

    async def run(index: int) -> Answer:
        for attempt in range(task.retries + 1):
            try:
                args, kwargs = task.arguments(index)
                call = memo._core.key(memo, args, kwargs)
                if (call.definition, call.arguments) != (task.definition, task.digest(index)):
                    raise _mismatch(memo, task)
                start = time.perf_counter()
                output = await memo(*args, **kwargs)
                seconds = time.perf_counter() - start
                _end_forked_child(process)
                is_stored = memo._core.is_in_memory(memo, call) or _has_entry(memo, task, index)
                is_stored = is_stored and task.mode != "off"
                return _answer(memo, task, index, (output, seconds, False, is_stored), private)
            except BaseException as error:  # noqa: PERF203
                _end_forked_child(process, error)
                if attempt == task.retries or not _may_retry(error):
                    return _failed_at(memo, task, index, error, private)
        raise AssertionError("the last attempt returns")

    import asyncio

    return list(await asyncio.gather(*map(run, range(len(task.numbers)))))


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


def _mismatch(memo: Any, task: Task) -> DefinitionMismatch:
    """Returns the error for a call that has another key here than in the process of the sweep."""
    if memo.definition != task.definition:
        return DefinitionMismatch(
            f"{memo.__qualname__}: its code here (pid {os.getpid()}) is not the code of the sweep, so nothing was run"
            " and nothing was stored. Restart the workers and make the sweep again."
        )
    return DefinitionMismatch(
        f"{memo.__qualname__}: the arguments have another key here (pid {os.getpid()}) than in the sweep, so"
        " nothing was run and nothing was stored. A class or function among them has other code here, or they"
        " do not survive pickling. Restart the workers and make the sweep again."
    )


def _answer(memo: Any, task: Task, index: int, ended: Ended, private: str | None) -> Answer:
    output, seconds, is_hit, is_stored = ended
    number = task.numbers[index]
    if not is_stored and memo.definition != task.definition:  # it changed while the function ran
        raise _mismatch(memo, task)
    if not is_stored or (private is not None and not _has_entry(memo, task, index)):
        return Answer(number, Kind.UNSTORED, _unstored(output), "", seconds, is_hit)
    if private is None:
        return Answer(number, Kind.STORED, _small(output), "", seconds, is_hit)
    key = memo._function_name, task.definition, task.digest(index)
    with open(memo._store.path(*key), "rb") as file:
        data = file.read()
    memo._store.remove(*key)
    return Answer(number, Kind.ENTRY, data, "", seconds, is_hit)


def _has_entry(memo: Any, task: Task, index: int) -> bool:
    key = memo._function_name, task.definition, task.digest(index)
    return memo._store.time_stored(*key) is not None


def _small(output: Any) -> bytes | None:
    """Returns a pickled result; None if it is large or not plain, so that it must be read from the store."""
    if type(output) in ATOMS and (type(output) not in (str, bytes) or len(output) < SMALL_BYTES):
        return pickle.dumps(output, 4)
    from funes._entries import pickler  # here, since a worker does not need it to start

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
    from funes._entries import pickler

    pickled = pickler.dump(output, output)
    if not pickled.is_plain:
        with contextlib.suppress(Exception):
            return dumps_by_value(output)  # keeps classes of the main program
    return bytes(pickled.body)


def _may_retry(error: BaseException) -> bool:
    """Returns whether an error may be different next time: an interrupt must not be ignored."""
    return isinstance(error, Exception) and not isinstance(error, DefinitionMismatch)


def _failed(number: int, error: BaseException) -> Answer:
    kind = Kind.MISMATCH if isinstance(error, DefinitionMismatch) else Kind.FAILED
    return Answer(number, kind, *dump_error(error))


def _failed_at(
    memo: Any, task: Task, index: int, error: BaseException, private: str | None
) -> Answer:
    """Returns the answer for a failed point, with the remembered error if it cannot be stored here."""
    answer = _failed(task.numbers[index], error)
    if private is not None and memo._options.remember_errors:
        key = memo._function_name, task.definition, task.digest(index) + ERROR_EXTENSION
        with contextlib.suppress(OSError):  # it is not remembered
            with open(memo._store.path(*key), "rb") as file:
                answer = answer._replace(entry=file.read())
            memo._store.remove(*key)
    return answer


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
        folder = tempfile.mkdtemp(prefix="funes-sweep-")
        before, options = memo._root, memo._options
        try:
            # The bytes of single files are sent back.
            memo._options = options._replace(packed=False)
            memo._move(folder)
            yield folder
        finally:
            memo._root, memo._options = before, options
            memo._close()
            shutil.rmtree(folder, ignore_errors=True)
