"""Every kind of executor gives the results of a plain loop, and stores them."""

from __future__ import annotations

import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sweep_functions
from local_dask import dask_client
from sweep_functions import (
    config_value,
    draw,
    fails_at,
    large,
    later,
    process_id,
    product,
    square,
)

from funes import grid, memorious

#: Set by `make test-engines`. Read here, since a fixture removes the FUNES_ variables.
ALL_ENGINES = os.environ.get("FUNES_ENGINES") == "all"

Lines = Callable[[], list[str]]


@contextmanager
def process_pool(method: str) -> Iterator[Any]:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no start method {method}")
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        yield pool


@contextmanager
def threads() -> Iterator[Any]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@contextmanager
def loky() -> Iterator[Any]:
    module = pytest.importorskip("loky")
    pool = module.get_reusable_executor(2)
    yield pool
    pool.shutdown(wait=True, kill_workers=True)


@contextmanager
def dask_executor() -> Iterator[Any]:
    with dask_client(2) as client:
        yield client.get_executor()


@contextmanager
def submitit() -> Iterator[Any]:
    module = pytest.importorskip("submitit")
    executor = module.AutoExecutor(folder="jobs", cluster="local")
    executor.update_parameters(timeout_min=5)
    yield executor


@contextmanager
def slurm() -> Iterator[Any]:
    if not ALL_ENGINES or "SLURM_CONF" not in os.environ:
        pytest.skip("needs the daemons of Slurm: run `make test-engines`")
    module = pytest.importorskip("submitit")
    executor = module.AutoExecutor(folder="jobs", cluster="slurm")
    executor.update_parameters(timeout_min=5, cpus_per_task=1, slurm_mem="500MB")
    yield executor


@contextmanager
def executorlib() -> Iterator[Any]:
    if not ALL_ENGINES:
        pytest.skip("takes seconds for each task: run `make test-engines`")
    module = pytest.importorskip("executorlib")
    with module.SingleNodeExecutor(max_workers=2, block_allocation=True) as executor:
        yield executor


@contextmanager
def ray() -> Iterator[Any]:
    if not ALL_ENGINES:
        pytest.skip("starts services: run `make test-engines`")
    module = pytest.importorskip("ray")
    module.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}},
    )
    yield module
    module.shutdown()


@contextmanager
def number() -> Iterator[Any]:
    yield 2


EXECUTORS: dict[str, Callable[[], Any]] = {
    "number": number,
    "spawn": functools.partial(process_pool, "spawn"),
    "fork": functools.partial(process_pool, "fork"),
    "forkserver": functools.partial(process_pool, "forkserver"),
    "threads": threads,
    "loky": loky,
    "dask-client": functools.partial(dask_client, 2),
    "dask-executor": dask_executor,
    "submitit": submitit,
    "slurm": slurm,
    "ray": ray,
    "executorlib": executorlib,
}


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "fork" and sys.version_info >= (3, 12):
        pytest.skip("a fork beside threads warns")
    # Workers of `spawn`, `loky` and Dask import the module of the functions.
    folder = str(Path(__file__).parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, before] if before else [folder])
    try:
        with EXECUTORS[request.param]() as found:
            yield found
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def test_sweep_gives_what_a_loop_gives(executor: Any, log: str, lines: Lines, cache: Path) -> None:
    """One test for each executor, since some take seconds to start."""
    square(2)
    sweep = square.map(grid(x=range(12), log=[log]), executor=executor)
    assert list(sweep) == [x * x for x in range(12)]
    assert sorted(map(int, lines())) == [x for x in range(12) if x != 2]
    assert all(square.is_cached(x) for x in range(12))
    assert list(square.map(range(12), executor=executor)) == [x * x for x in range(12)]
    assert len(lines()) == 11

    # Duplicates, mutable arguments, seeds, large results.
    points = [{"config": {"a": a}} for a in (1, 2, 1)]
    assert list(config_value.starmap(points, executor=executor)) == [1, 4, 1]
    seeded = grid(scale=[1.0, 2.0], global_seed=[0, 1])
    if not isinstance(executor, ThreadPoolExecutor):
        drawn = list(draw.map(seeded, executor=executor))
        draw._move(str(cache) + "-other")
        assert [draw(**point) for point in seeded] == drawn
    assert list(large.map([1, 2], executor=executor)) == [bytes([x]) * 200_000 for x in (1, 2)]

    # Functions without an importable name, coroutine functions.
    factor = 3

    @memorious
    def scaled(x: int) -> int:
        return x * factor

    assert list(scaled.map([1, 2], executor=executor)) == [3, 6]
    assert scaled.is_cached(1)
    assert list(later.map(range(4), executor=executor)) == [0, 10, 20, 30]

    # Failures.
    failing = fails_at.map([1, 2, 3], [(2,)] * 3, executor=executor, on_error="collect")
    with pytest.warns(UserWarning, match=r"1 of 3 points failed"):
        assert list(failing) == [1, 3]
    (failed,) = failing.errors
    assert failed.point == (2, (2,))
    assert type(failed.error) is ValueError
    assert str(failed.error) == "no value for 2"
    assert not fails_at.is_cached(2, (2,))

    # As completed.
    outcomes = {
        each.point: each for each in square.map(range(20, 26), executor=executor).as_completed()
    }
    assert {point: each.result() for point, each in outcomes.items()} == {
        x: x * x for x in range(20, 26)
    }
    assert not any(each.is_hit for each in outcomes.values())


def test_no_file_is_left_beside_the_results(executor: Any, cache: Path) -> None:
    list(square.map(range(5), executor=executor))
    for thread in threading.enumerate():
        if thread.name == "funes-sweep":
            thread.join(30)
    names = {path.suffix or path.name for path in square.cache_path.iterdir()}
    assert names == {".dill", ".json", ".lock"}


#: A sweep of the program's own function, as a user writes it, run by `mpiexec`.
MPI_PROGRAM = """
from mpi4py.futures import MPIPoolExecutor
from sweep_functions import process_id, product
from funes import grid, memorious

@memorious
def scaled(x):
    return 3 * x

if __name__ == "__main__":
    import os
    with MPIPoolExecutor() as executor:
        print(list(scaled.map(range(10), executor=executor)))
        sweep = product.map(grid(rate=[1.0, 2.0], depth=range(3)), executor=executor)
        print(list(sweep), sweep.status())
        print(os.getpid() in set(process_id.map(range(10), executor=executor)))
        print(list(executor.map(scaled, [1, 20])), scaled.is_cached(20))
"""


def test_sweep_on_mpi(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    mpiexec = shutil.which("mpiexec")
    if not ALL_ENGINES or mpiexec is None:
        pytest.skip("needs mpiexec: run `make test-engines`")
    program = tmp_path / "program.py"
    program.write_text(MPI_PROGRAM)
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "FUNES_CACHE_DIR": str(tmp_path / "mpi-cache"),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_btl": "self,vader",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }
    command = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", str(program)]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines() == [
        "[0, 3, 6, 9, 12, 15, 18, 21, 24, 27]",
        "[0.0, 1.0, 2.0, 0.0, 2.0, 4.0] 6 of 6 points are stored, 0 are missing",
        "False",
        "[3, 60] True",
    ], done.stderr


def test_own_workers_are_other_processes_and_are_kept() -> None:
    first = set(process_id.map(range(20), executor=2))
    second = set(process_id.map(range(20, 40), executor=2))
    assert os.getpid() not in first | second
    assert len(first | second) <= 2


def test_product_of_workers_and_results_without_a_main_guard(
    run_python: Callable[..., str], tmp_path: Path
) -> None:
    output = run_python(
        """
import os
from funes import grid, memorious

class Point:
    def __init__(self, x):
        self.x = x

WEIGHT = 10

@memorious
def weighted(point, depth):
    assert isinstance(point, Point)
    return {"value": point.x * depth * WEIGHT, "process": os.getpid()}

sweep = weighted.map(grid(point=[Point(1), Point(2)], depth=[1, 2]), executor=2)
results = list(sweep)
print([result["value"] for result in results], os.getpid() in {result["process"] for result in results})
print(weighted.is_cached(Point(1), 1), sweep.status())
"""
    )
    assert output == "[10, 20, 20, 40] False\nTrue 4 of 4 points are stored, 0 are missing\n"


def test_python_c_and_standard_output_of_workers(python: Any) -> None:
    code = (
        "from funes import memorious\n"
        "@memorious\n"
        "def shout(x):\n"
        "    print('computing', x)\n"
        "    return x\n"
        "print(list(shout.map([1, 2], executor=1)))"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["computing 1", "computing 2", "[1, 2]", ""]
    assert done.stderr == ""


def test_workers_use_the_code_of_the_sweep_after_an_edit() -> None:
    factor = 2

    @memorious
    def scaled(x: int) -> int:
        return x * factor

    assert list(scaled.map([1, 2], executor=2)) == [2, 4]
    factor = 5
    assert list(scaled.map([1, 2], executor=2)) == [5, 10]


def test_workers_start_in_the_present_folder_and_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @memorious
    def where(number: int) -> tuple[str, str | None]:
        return os.getcwd(), os.environ.get("SWEEP_TEST" + "_VARIABLE")

    assert list(where.map([1], executor=1)) == [(str(tmp_path), None)]
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setenv("SWEEP_TEST_VARIABLE", "set")
    assert list(where.map([2], executor=1)) == [(str(tmp_path / "other"), "set")]


def test_start_computes_without_waiting() -> None:
    for executor in (None, 2):
        offset = 0 if executor is None else 100
        sweep = square.map(range(offset, offset + 5), executor=executor).start()
        assert sweep.results() == [x * x for x in range(offset, offset + 5)]
    sweep = product.map(grid(rate=[1.0], depth=range(5)), executor=2).start()
    deadline = threading.Event()
    while sweep.status().missing:
        assert not deadline.wait(0.05)
    assert product.is_cached(1.0, 4)


def test_cancel_and_with_block(log: str, lines: Lines) -> None:
    with sweep_functions.waits.map(range(50), [0.05] * 50, [log] * 50, executor=1) as sweep:
        assert next(iter(sweep)) == 0
    begun = [line for line in lines() if line.startswith("begin")]
    assert len(begun) < 50
    # A later iteration goes on where it was cancelled.
    assert list(sweep) == list(range(50))
    assert sorted(lines()) == sorted(f"{word} {x}" for word in ("begin", "end") for x in range(50))
