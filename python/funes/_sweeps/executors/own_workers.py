"""Own workers: processes that this process starts, connected by pipes.

They need no `__main__` guard, since they do not import the main program: the code of its functions is sent. They work
in scripts, notebooks and ``python -c``. Workers that have nothing to do are kept for the next sweep for a minute.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import os
import pickle
import subprocess
import sys
import threading
from typing import Any, NamedTuple

from funes._sweeps import worker_process
from funes._sweeps.executors.engine import Death, Engine, Event, Report, Reporter
from funes._sweeps.task import Kind, load_error, loads_answers
from funes._sweeps.worker_process import disconnect, read_frame, write_frame

#: Seconds after which a worker without a task ends.
_IDLE_SECONDS = 60.0

#: Seconds that workers have to end when this process ends.
_GRACE_SECONDS = 2.0


class OwnWorkers(Engine):
    """A number of workers for one sweep."""

    def __init__(self, count: int, report: Reporter, points: int) -> None:
        self.workers = count
        self.capacity = 2 * count
        self._report = report
        self._pool = _pool_of(count)
        # They start while the first task is made.
        self._pool.prepare(min(count, points))

    def submit(self, tasks: list[tuple[int, bytes]]) -> None:
        self._pool.add([_Job(self, number, data) for number, data in tasks])

    def report(self, task: int, event: Event, value: Any = None) -> None:
        self._report(Report(task, event, value))

    def cancel(self) -> None:
        for job in self._pool.remove(self):
            self.report(job.number, Event.CANCELLED)

    def kill(self) -> None:
        self.cancel()
        self._pool.kill(self)


class _Job(NamedTuple):
    owner: OwnWorkers
    number: int
    data: bytes


class _Pool:
    """Threads that each lead one worker process."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._jobs: collections.deque[_Job] = collections.deque()
        self._changed = threading.Condition()
        self._leaders: list[_Leader] = []
        #: The leaders that have no job.
        self._idle = 0
        #: True at the end of the program.
        self.is_closed = False

    def prepare(self, wanted: int) -> None:
        """Starts workers until a number of them is free, as far as there may be so many."""
        with self._changed:
            missing = min(wanted - self._idle, self._count - len(self._leaders))
            for _ in range(missing):
                leader = _Leader(self)
                self._leaders.append(leader)
                self._idle += 1
                leader.thread.start()

    def add(self, jobs: list[_Job]) -> None:
        with self._changed:
            self._jobs += jobs
            self._changed.notify(len(jobs))
        self.prepare(len(self._jobs))

    def take(self) -> _Job | None:
        """Returns the next job; None if there is none for a while."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._jobs, _IDLE_SECONDS):
                return None
            self._idle -= 1
            return self._jobs.popleft()

    def finish(self) -> None:
        """Notes that a leader is free again."""
        with self._changed:
            self._idle += 1

    def leave(self, leader: _Leader) -> bool:
        """Removes a leader, unless a job came meanwhile."""
        with self._changed:
            if self._jobs:
                return False
            self._leaders.remove(leader)
            self._idle -= 1
            return True

    def remove(self, owner: OwnWorkers) -> list[_Job]:
        with self._changed:
            removed = [job for job in self._jobs if job.owner is owner]
            for job in removed:
                self._jobs.remove(job)
            return removed

    def kill(self, owner: OwnWorkers) -> None:
        with self._changed:
            leaders = [each for each in self._leaders if each.owner is owner]
        for leader in leaders:
            leader.kill()

    def close(self) -> None:
        self.is_closed = True
        for leader in list(self._leaders):
            leader.end_input()
        for leader in list(self._leaders):
            leader.end(_GRACE_SECONDS)


class _Leader:
    """A thread that starts a worker process, passes jobs to it and reports its answers."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._process: subprocess.Popen[bytes] | None = None
        #: What the process was started with.
        self._surroundings: object = None
        #: True once the process has finished a job.
        self._is_used = False
        self.owner: OwnWorkers | None = None
        self.thread = threading.Thread(target=self._lead, daemon=True, name="funes-worker")

    def _lead(self) -> None:
        with contextlib.suppress(Exception):  # reported for the first job
            self._started()
        while True:
            job = self._pool.take()
            if job is None:
                if self._pool.leave(self):
                    break
                continue
            self.owner = job.owner
            try:
                self._run(job)
            except BaseException as error:  # no process can be started, for instance
                job.owner.report(job.number, Event.BROKEN, error)
            self.owner = None
            self._pool.finish()
        self.end_input()
        self.end(_GRACE_SECONDS)

    def _run(self, job: _Job) -> None:
        process = self._started()
        try:
            if self._pass(process, job):
                self._is_used = True
                return
            # A worker that is older than an edit has other code; a new one imports the new code.
            self.end_input()
            self.end(0.0)
            if self._pass(self._started(), job):
                self._is_used = True
                return
        except (BrokenPipeError, EOFError):
            self.end_input()
        code = self.end(_GRACE_SECONDS)
        signal = -code if code < 0 else None
        detail = "" if code < 0 else f"its exit code is {code}"
        job.owner.report(job.number, Event.DEATH, Death(signal, detail))

    def _pass(self, process: subprocess.Popen[bytes], job: _Job) -> bool:
        """Passes a job to the process and reports the answers. Returns False if a new process may do better.

        Raises:
            BrokenPipeError, EOFError: The process has ended.
        """
        assert process.stdin is not None
        assert process.stdout is not None
        write_frame(process.stdin, job.data)
        while (frame := read_frame(process.stdout)) is not None:
            mark, data = frame[:1], frame[1:]
            if mark == b"!":
                job.owner.report(job.number, Event.ERROR, load_error(pickle.loads(data)[0]))
                return True
            if self._is_used and mark == b"." and _has_mismatch(data):
                return False
            job.owner.report(job.number, Event.END if mark == b"." else Event.ANSWERS, data)
            if mark == b".":
                return True
        raise EOFError

    def _started(self) -> subprocess.Popen[bytes]:
        surroundings = _working_directory(), list(sys.path), dict(os.environ)
        process = self._process
        if process is not None and (
            process.poll() is not None or surroundings != self._surroundings
        ):
            self.end_input()
            self.end(_GRACE_SECONDS)
            process = None
        if process is None:
            if self._pool.is_closed:
                raise RuntimeError("the program is ending")
            process = self._process = _start()
            self._surroundings, self._is_used = surroundings, False
        return process

    def end_input(self) -> None:
        """Closes the pipe, at whose end the worker ends."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def end(self, seconds: float) -> int:
        """Waits until the process has ended, and kills it if it does not. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stdout is not None and threading.current_thread() is self.thread:
            process.stdout.close()
        return code

    def kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def descriptors(self) -> list[int]:
        """Returns the descriptors of the open pipes."""
        process = self._process
        files = () if process is None else (process.stdin, process.stdout)
        return [file.fileno() for file in files if file is not None and not file.closed]


def _start() -> subprocess.Popen[bytes]:
    """Starts a worker. What it prints goes to the output of this process, on Windows to the error output."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # The path of this process comes first. What it misses by now, such as the standard library, follows.
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = (
        f"import sys; own = [*filter(None, sys.path), {os.path.dirname(package)!r}]; sys.path[:] = {sys.path!r};"
        " sys.path += [each for each in own if each not in sys.path];"
        f" from {worker_process.__name__} import main; main()"
    )
    command = [sys.executable, *flags, "-c", code]
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(command, **options)  # noqa: S603
    # Ctrl-C in the terminal must not reach a worker before it ignores it.
    options["start_new_session"] = True
    try:
        output = os.dup(1)
    except OSError:  # this process has no output
        return subprocess.Popen(command, **options)  # noqa: S603
    try:
        return subprocess.Popen([*command, str(output)], pass_fds=(output,), **options)  # noqa: S603
    finally:
        os.close(output)


def _working_directory() -> str | None:
    """Returns the working directory; None if it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _has_mismatch(data: bytes) -> bool:
    return any(answer.kind is Kind.MISMATCH for answer in loads_answers(data).answers)


#: The pools of this process, by their number of workers.
_pools: dict[tuple[int, int], _Pool] = {}
_lock = threading.Lock()


def _pool_of(count: int) -> _Pool:
    # A forked child must not use the workers of its parent.
    key = os.getpid(), count
    with _lock:
        return _pools.setdefault(key, _Pool(count))


def _disconnect() -> None:
    """Disconnects a forked child from the workers of its parent, which end when all pipes to them are closed."""
    for pool in _pools.values():
        for leader in pool._leaders:
            with contextlib.suppress(OSError, ValueError):
                disconnect(leader.descriptors())
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disconnect)


def _close_all() -> None:
    for (pid, _), pool in list(_pools.items()):
        if pid == os.getpid():
            pool.close()


atexit.register(_close_all)
