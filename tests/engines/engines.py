"""A common interface to the engines: start, submit, gather, stop."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import tasks
from tasks import Outcome

SECONDS = 120


def failure(error: BaseException) -> Outcome:
    """Returns name and message of an exception; an engine may have derived its own class from it."""
    names = [kind.__name__ for kind in type(error).__mro__]
    name = "DefinitionMismatch" if "DefinitionMismatch" in names else names[0]
    return name, str(error)


class Engine:
    """An engine whose handles are futures."""

    #: Required modules and programs, and the command that installs them.
    needs: ClassVar[list[str]] = []
    install = ""
    #: True if a class of a notebook can be sent; plain pickle refers to `__main__`.
    sends_classes = True
    #: True if workers start with the modules that the driver has imported.
    forks = False
    #: True if an exception of a task ends the workers.
    ends_at_exceptions = False
    #: True if a task whose worker died can be submitted again.
    survives = True
    #: True if a task takes seconds, so that several calls should be one task.
    is_slow = False
    workers = 2
    dumps: Callable[[Any], bytes] = staticmethod(pickle.dumps)

    def __init__(self, home: Path) -> None:
        self.home = home
        self.elsewhere = home / "elsewhere"

    @classmethod
    def missing(cls) -> str | None:
        """Returns the missing requirement and how to install it."""
        for name in cls.needs:
            if importlib.util.find_spec(name) is None and shutil.which(name) is None:
                return f"{name} is not installed: {cls.install}"
        return None

    @staticmethod
    def command(program: Path) -> list[str]:
        """Returns the command that runs a driver program."""
        return [sys.executable, str(program)]

    def start(self) -> None:
        raise NotImplementedError

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.executor.submit(function, *args)

    def gather(self, handles: list[Any]) -> list[Outcome]:
        return [self._result(handle) for handle in handles]

    def stop(self) -> None:
        self.executor.shutdown(wait=True)

    def ask(self, calls: list[tuple[Any, ...]]) -> list[Outcome]:
        """Submits calls ``(function, *args)``; returns an outcome for each."""
        if self.is_slow:
            (got,) = self.gather([self.submit(tasks.several, calls)])
            return got[1] if got[0] == "value" else [got] * len(calls)
        return self.gather([self._try_submit(call) for call in calls])

    def ask_where_some_fail(self, calls: list[tuple[Any, ...]]) -> list[Outcome]:
        """Like `ask`; an engine that ends its workers at an exception catches exceptions in the task."""
        return self.ask(calls)

    def _try_submit(self, call: tuple[Any, ...]) -> Any:
        try:
            return self.submit(*call)
        except Exception as error:
            return error

    def _result(self, handle: Any) -> Outcome:
        if isinstance(handle, Exception):
            return failure(handle)
        try:
            return "value", self._wait(handle)
        except Exception as error:
            return failure(error)

    def _wait(self, handle: Any) -> Any:
        return handle.result(timeout=SECONDS)

    def settle(self) -> None:
        """Starts every worker, lets it import modules before an edit, and changes its folder."""
        with rendezvous(self.workers) as address:
            settle = tasks.settle, address, str(self.elsewhere)
            for kind, value in self.gather([self.submit(*settle) for _ in range(self.workers)]):
                if kind != "value":
                    raise RuntimeError(f"a worker did not start: {kind}: {value}")


@contextmanager
def rendezvous(count: int) -> Iterator[tuple[str, int]]:
    """Yields an address at which `count` workers wait for each other."""

    def release() -> None:
        connections = [server.accept()[0] for _ in range(count)]
        for connection in connections:
            connection.sendall(b".")
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        thread = threading.Thread(target=release)
        thread.start()
        yield server.getsockname()
        thread.join()


class ProcessPool(Engine):
    """`concurrent.futures.ProcessPoolExecutor` with a start method."""

    method: str

    @classmethod
    def missing(cls) -> str | None:
        import multiprocessing

        methods = multiprocessing.get_all_start_methods()
        return None if cls.method in methods else f"this system has no start method {cls.method}"

    def start(self) -> None:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context(self.method)
        self.executor: Any = ProcessPoolExecutor(self.workers, context)


class Spawn(ProcessPool):
    method = "spawn"
    sends_classes = False


class Fork(ProcessPool):
    method = "fork"
    forks = True


class ForkServer(ProcessPool):
    method = "forkserver"
    sends_classes = False


class Multiprocessing(Engine):
    """`multiprocessing.Pool`; the task of a worker that died never ends there."""

    sends_classes = False
    survives = False

    def start(self) -> None:
        import multiprocessing

        self.pool = multiprocessing.get_context("spawn").Pool(self.workers)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.pool.apply_async(function, args)

    def _wait(self, handle: Any) -> Any:
        return handle.get(timeout=SECONDS)

    def stop(self) -> None:
        self.pool.terminate()
        self.pool.join()


def _by_cloudpickle(value: Any) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(value)


class Loky(Engine):
    needs: ClassVar = ["loky"]
    install = "pip install loky"
    dumps = staticmethod(_by_cloudpickle)

    def start(self) -> None:
        import loky

        self.executor: Any = loky.get_reusable_executor(self.workers, timeout=None)

    def stop(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)


class Joblib(Engine):
    """`joblib.Parallel`, whose one call submits and gathers."""

    ends_at_exceptions = True

    needs: ClassVar = ["joblib"]
    install = "pip install joblib"
    dumps = staticmethod(_by_cloudpickle)

    def start(self) -> None:
        import joblib

        self.delayed = joblib.delayed

    def parallel(self, handles: list[Any]) -> list[Any]:
        import joblib

        # A new one each time: late results of failed calls would be taken for those of later calls.
        found: list[Any] = joblib.Parallel(self.workers, batch_size=1, timeout=SECONDS)(handles)
        return found

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.delayed(function)(*args)

    def ask_where_some_fail(self, calls: list[tuple[Any, ...]]) -> list[Outcome]:
        return self.parallel([self.submit(tasks.outcome, *call) for call in calls])

    def settle(self) -> None:
        # Parallel returns when its tasks have ended, so another thread releases the workers.
        with rendezvous(self.workers) as address:
            self.parallel([self.submit(tasks.settle, address, str(self.elsewhere))] * self.workers)

    def gather(self, handles: list[Any]) -> list[Outcome]:
        try:
            return [("value", value) for value in self.parallel(handles)]
        except Exception:
            return [self._result(handle) for handle in handles]

    def _wait(self, handle: Any) -> Any:
        return self.parallel([handle])[0]

    def stop(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=True)


class DaskLocal(Engine):
    needs: ClassVar = ["distributed"]
    install = "pip install distributed"
    dumps = staticmethod(_by_cloudpickle)

    def start(self) -> None:
        import logging

        import distributed

        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.cluster = distributed.LocalCluster(
            n_workers=self.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address=None,
            local_directory=str(self.home),
            silence_logs=logging.CRITICAL,
        )
        self.client = distributed.Client(self.cluster)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.client.submit(function, *args, pure=False)

    def settle(self) -> None:
        self.client.wait_for_workers(self.workers, timeout=SECONDS)
        self.client.run(tasks.prepare, str(self.elsewhere))

    def stop(self) -> None:
        self.client.close()
        self.cluster.close()


class DaskApart(DaskLocal):
    """A scheduler and a worker, started from the command line in another folder."""

    def start(self) -> None:
        import distributed

        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}"
        self.processes = [
            self._run("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
            self._run(
                *("worker", address, "--nworkers", str(self.workers), "--nthreads", "1"),
                *("--host", "127.0.0.1", "--no-dashboard", "--death-timeout", str(SECONDS)),
                *("--local-directory", str(self.home)),
            ),
        ]
        self.client = distributed.Client(address, timeout=SECONDS)

    def _run(self, *arguments: str) -> Any:
        with (self.home / f"dask-{arguments[0]}.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self.elsewhere,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        self.client.close()
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)


class Ray(Engine):
    needs: ClassVar = ["ray"]
    install = "pip install ray"
    dumps = staticmethod(_by_cloudpickle)

    def start(self) -> None:
        import logging

        import ray

        self.ray = ray
        ray.init(
            num_cpus=self.workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            _node_ip_address="127.0.0.1",
        )

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        # Ray decorates only plain functions.
        def plain(*values: Any) -> Any:
            return function(*values)

        return self.ray.remote(plain).remote(*args)

    def _wait(self, handle: Any) -> Any:
        return self.ray.get(handle, timeout=SECONDS)

    def settle(self) -> None:
        """Does nothing: Ray starts the workers in the folder of the driver."""

    def stop(self) -> None:
        self.ray.shutdown()


class Submitit(Engine):
    """Jobs of submitit on this machine."""

    needs: ClassVar = ["submitit"]
    install = "pip install submitit"
    is_slow = True
    cluster = "local"
    options: ClassVar[dict[str, Any]] = {"timeout_min": 5}
    dumps = staticmethod(_by_cloudpickle)

    def start(self) -> None:
        import submitit

        executor = submitit.AutoExecutor(folder=str(self.home / "jobs"), cluster=self.cluster)
        executor.update_parameters(**self.options)
        self.executor: Any = executor

    def settle(self) -> None:
        """Does nothing: jobs start in the folder of the driver."""

    def _wait(self, handle: Any) -> Any:
        return handle.result()

    def stop(self) -> None:
        """Does nothing: jobs have ended when their result is available."""


class Slurm(Submitit):
    """Jobs of submitit in Slurm; `services.py` starts the daemons and sets SLURM_CONF."""

    needs: ClassVar = ["submitit", "sbatch"]
    install = "pip install submitit; apt-get install slurm-wlm; run by `make test-engines`"
    cluster = "slurm"
    survives = False  # without accounting, submitit waits forever for a job that died
    options: ClassVar = {"timeout_min": 5, "cpus_per_task": 1, "slurm_mem": "500MB"}

    @classmethod
    def missing(cls) -> str | None:
        if "SLURM_CONF" not in os.environ:
            return super().missing() or "no Slurm daemons: run `make test-engines`"
        return super().missing()


class Mpi(Engine):
    """`mpi4py.futures`, one driver and two workers; a rank that dies ends the job."""

    needs: ClassVar = ["mpi4py", "mpiexec"]
    install = "apt-get install openmpi-bin libopenmpi-dev; pip install mpi4py"
    sends_classes = False
    survives = False

    @staticmethod
    def command(program: Path) -> list[str]:
        return ["mpiexec", "-n", "3", sys.executable, "-m", "mpi4py.futures", str(program)]

    def start(self) -> None:
        from mpi4py.futures import MPIPoolExecutor

        self.executor: Any = MPIPoolExecutor()


#: Engines of `make test`.
QUICK: dict[str, type[Engine]] = {
    "pool-spawn": Spawn,
    "pool-fork": Fork,
    "pool-forkserver": ForkServer,
    "multiprocessing": Multiprocessing,
    "loky": Loky,
    "joblib": Joblib,
    "dask-local": DaskLocal,
}

#: Additional engines of `make test-engines`.
SLOW: dict[str, type[Engine]] = {
    "dask-apart": DaskApart,
    "ray": Ray,
    "submitit": Submitit,
    "slurm": Slurm,
    "mpi": Mpi,
}

ENGINES = QUICK | SLOW
