"""A cluster of Dask on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def dask_client(workers: int) -> Iterator[Any]:
    """Starts a cluster with so many workers of one thread; skips the test if Dask is missing."""
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        # Otherwise the cluster gives a worker up for good that is starting again 15 s after one of
        # its deaths, and has no worker any more.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
