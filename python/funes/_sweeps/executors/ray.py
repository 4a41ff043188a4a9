"""The module `ray`."""

from __future__ import annotations

import contextlib
from typing import Any

from funes._sweeps.executors.engine import Reporter
from funes._sweeps.executors.futures import Futures
from funes._sweeps.worker import run_task


class Ray(Futures):
    """Runs tasks as remote functions of Ray."""

    def __init__(self, ray: Any, report: Reporter) -> None:
        super().__init__(ray, report)
        if not ray.is_initialized():
            ray.init()
        self._ray = ray
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.capacity = 2 * self.workers
        self._remote = ray.remote(max_retries=0)(run_task)
        self._references: list[Any] = []

    def _start(self, data: bytes) -> Any:
        reference = self._remote.remote(data)
        self._references.append(reference)
        return reference.future()

    def cancel(self) -> None:
        for reference in self._references:
            with contextlib.suppress(Exception):  # it has ended
                self._ray.cancel(reference, force=False)
