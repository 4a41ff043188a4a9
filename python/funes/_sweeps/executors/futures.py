"""Any `concurrent.futures.Executor`, and Dask's client, which has one."""

from __future__ import annotations

import functools
import os
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from typing import Any

from funes._sweeps.executors.engine import (
    Death,
    Engine,
    Event,
    Identity,
    Report,
    Reporter,
    identity_of,
    running_for,
)
from funes._sweeps.worker import run_task

#: Names of exceptions that mean that the worker of this one task has died: of Dask and of Ray.
_DEATHS = frozenset({"KilledWorker", "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError"})


class Futures(Engine):
    """An engine whose tasks are futures."""

    def __init__(self, executor: Any, report: Reporter) -> None:
        self._report = report
        self._identity = identity_of(executor)
        self.workers = count_workers(executor)
        self.capacity = 2 * self.workers
        self._futures: dict[int, Any] = {}
        if hasattr(executor, "get_executor"):
            # Dask has already started the tasks of a dead worker again, several times. It gives up
            # all tasks that this worker held, so one death does not prove which task was the cause.
            self.max_deaths, self.spreads_deaths = 2, True
            executor = executor.get_executor(pure=False)
        self._executor = executor
        # Python 3.14 derives from it an executor that runs tasks in other interpreters.
        kinds = {kind.__name__ for kind in type(executor).__mro__}
        self.stays_here = (
            isinstance(executor, ThreadPoolExecutor) and "InterpreterPoolExecutor" not in kinds
        )

    def submit(self, tasks: list[tuple[int, bytes]]) -> None:
        for number, data in tasks:
            future = self._start(data)
            self._futures[number] = future
            future.add_done_callback(functools.partial(self._done, number))

    def _start(self, data: bytes) -> Any:
        return self._executor.submit(run_in_executor, self._identity, data)

    def _done(self, number: int, future: Future[bytes]) -> None:
        """Reports the outcome. Pools call this while they hold locks, so it must not wait."""
        self._futures.pop(number, None)
        try:
            report = Report(number, Event.END, future.result())
        except CancelledError:
            report = Report(number, Event.CANCELLED)
        except BrokenExecutor as error:
            report = Report(number, Event.BROKEN, error)
        except BaseException as error:
            names = {kind.__name__ for kind in type(error).__mro__}
            if names & _DEATHS:
                report = Report(number, Event.DEATH, Death(detail=str(error)))
            else:
                report = Report(number, Event.ERROR, error)
        self._report(report)

    def cancel(self) -> None:
        # The last ones first: else the pool would start those that follow.
        for future in reversed(list(self._futures.values())):
            future.cancel()


def run_in_executor(identity: Identity, data: bytes) -> bytes:
    """Runs a task in a thread of an executor."""
    with running_for(identity):
        return run_task(data)


def count_workers(executor: Any) -> int:
    """Returns the number of workers of an executor, or the number of processors."""
    count = getattr(executor, "_max_workers", None)
    if count is None and hasattr(executor, "nthreads"):
        count = sum(executor.nthreads().values())
    return count if isinstance(count, int) and count > 0 else os.cpu_count() or 1
