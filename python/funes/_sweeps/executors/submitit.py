"""A submitit executor: jobs of Slurm, or processes of this machine."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from funes._sweeps.executors.engine import Death, Engine, Event, Report, Reporter
from funes._sweeps.worker import run_task

#: The longest job array. Sites allow about a thousand.
_MAX_JOBS = 1000

#: Seconds between two looks at the jobs.
_POLL_SECONDS = 0.5


class Submitit(Engine):
    """Runs tasks as jobs, several of them as one job array."""

    task_seconds = 60.0

    def __init__(self, executor: Any, report: Reporter) -> None:
        self._executor = executor
        self._report = report
        self.workers = self.capacity = _MAX_JOBS
        self._jobs: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, tasks: list[tuple[int, bytes]]) -> None:
        data = [data for _, data in tasks]
        if len(data) == 1:
            jobs = [self._executor.submit(run_task, data[0])]
        else:
            jobs = self._executor.map_array(run_task, data)
        with self._lock:
            self._jobs.update(zip((number for number, _ in tasks), jobs, strict=True))
        if self._thread is None:
            self._thread = threading.Thread(target=self._poll, daemon=True, name="funes-jobs")
            self._thread.start()

    def _poll(self) -> None:
        while not self._is_closed.wait(_POLL_SECONDS):
            with self._lock:
                jobs = list(self._jobs.items())
            for number, job in jobs:
                with contextlib.suppress(OSError):  # squeue did not answer
                    if job.done():
                        with self._lock:
                            is_known = self._jobs.pop(number, None) is not None
                        if is_known:
                            self._report(_report_of(number, job))

    def cancel(self) -> None:
        with self._lock:
            pending = {
                number: job
                for number, job in self._jobs.items()
                if job.state in ("PENDING", "REQUEUED")
            }
            for number in pending:
                del self._jobs[number]
        for number, job in pending.items():
            job.cancel()
            self._report(Report(number, Event.CANCELLED))

    def kill(self) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, {}
        for number, job in jobs.items():
            job.cancel()
            self._report(Report(number, Event.CANCELLED))

    def close(self) -> None:
        self._is_closed.set()


def _report_of(number: int, job: Any) -> Report:
    try:
        # Waits for the file of the result, which a network file system may show late.
        return Report(number, Event.END, job.result())
    except Exception as error:
        if "UncompletedJobError" not in {kind.__name__ for kind in type(error).__mro__}:
            return Report(number, Event.ERROR, error)
    log = f"the state of the job is {job.state}, its log is {job.paths.stderr}"
    return Report(number, Event.DEATH, Death(detail=log))
