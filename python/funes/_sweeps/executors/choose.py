"""Selects the engine by what was passed as `executor=`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from funes._sweeps.executors.engine import Engine, Reporter


def check(executor: Any) -> None:
    """Raises TypeError or ValueError unless `choose` knows the executor."""
    if executor is None or _kind(executor) in ("ray", "dask", "submitit", "futures"):
        return
    if isinstance(executor, int) and not isinstance(executor, bool):
        if executor < 1:
            raise ValueError(f"executor must be at least 1 worker, not {executor}")
        return
    raise TypeError(
        "executor must be None, a number of workers, a concurrent.futures.Executor, a distributed.Client, a submitit"
        f" executor or the module ray, not {executor!r}"
    )


def choose(executor: Any, report: Reporter, points: int) -> Engine:
    """Returns the engine for an executor that `check` accepts, except None.

    Args:
        executor: The user's executor.
        report: Takes the reports of the engine.
        points: The number of missing points.
    """
    kind = _kind(executor)
    if kind == "ray":
        from funes._sweeps.executors.ray import Ray

        return Ray(executor, report)
    if kind == "submitit":
        from funes._sweeps.executors.submitit import Submitit

        return Submitit(executor, report)
    if kind in ("dask", "futures"):
        from funes._sweeps.executors.futures import Futures

        return Futures(executor, report)
    from funes._sweeps.executors.own_workers import OwnWorkers

    return OwnWorkers(executor, report, points)


def workers_of(executor: Any) -> int:
    """Returns the number of workers, as far as it is known without using them."""
    if executor is None:
        return 1
    if isinstance(executor, int):
        return executor
    from funes._sweeps.executors.futures import count_workers

    return count_workers(executor)


def _kind(executor: Any) -> str:
    if isinstance(executor, ModuleType):
        return "ray" if executor.__name__ == "ray" else ""
    packages = {str(kind.__module__).partition(".")[0] for kind in type(executor).__mro__}
    if "submitit" in packages:
        return "submitit"
    if "distributed" in packages and hasattr(executor, "get_executor"):
        return "dask"
    futures = sys.modules.get("concurrent.futures")  # imported if there is an executor
    return "futures" if futures is not None and isinstance(executor, futures.Executor) else ""
