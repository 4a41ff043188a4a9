"""What happens when something fails: each row of the table in docs/clusters.md, on real pools."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from local_dask import dask_client
from sweep_functions import (
    UnpicklableError,
    exits,
    fails_at,
    fails_first,
    forks,
    forks_in_coroutine,
    kills,
    product,
    raises_unpicklable,
    returns_lock,
    square,
    waits,
)

from funes import (
    CacheWarning,
    DefinitionMismatch,
    SweepError,
    UnpicklableResultError,
    WorkerDied,
    memorious,
)

Lines = Callable[[], list[str]]

HERE = Path(__file__).parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessPoolExecutor]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


# Exceptions


@pytest.mark.parametrize("executor", [None, 2])
def test_exception_is_raised_in_its_turn_and_iteration_may_go_on(
    executor: int | None, log: str, lines: Lines
) -> None:
    results = iter(fails_at.map(range(5), [(2,)] * 5, [log] * 5, executor=executor))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="no value for 2") as caught:
        next(results)
    notes = "".join(caught.value.__notes__)
    assert "raised for points[2] = (2, (2,)," in notes
    assert executor is None or "in fails_at" in notes
    assert "raised for points[2]" in "".join(traceback.format_exception(caught.value))
    assert list(results) == [3, 4]
    assert sorted(lines()) == ["0", "1", "2", "3", "4"]


def test_nothing_new_is_sent_after_an_exception(log: str, lines: Lines) -> None:
    @memorious(ignore="log")
    def slow(x: int, log: str) -> int:
        with open(log, "a") as file:
            file.write(f"{x}\n")
        time.sleep(0.05)
        if x == 0:
            raise ValueError("first")
        return x

    with pytest.raises(ValueError, match="first"):
        list(slow.map(range(100), [log] * 100, executor=1))
    time.sleep(0.5)
    assert len(lines()) <= 5


@pytest.mark.parametrize("executor", [None, 2])
def test_collected_errors(executor: int | None) -> None:
    sweep = fails_at.map(range(6), [(1, 4)] * 6, executor=executor, on_error="collect")
    with pytest.warns(
        CacheWarning, match=r"2 of 6 points failed, the first is points\[1\] = \(1, "
    ):
        assert list(sweep) == [0, 2, 3, 5]
    assert [(each.index, str(each.error)) for each in sweep.errors] == [
        (1, "no value for 1"),
        (4, "no value for 4"),
    ]
    with pytest.raises(ValueError, match="no value for 1"):
        sweep.errors[0].result()
    assert "2 failed" in repr(sweep)
    assert [point[0] for point in sweep.missing] == [1, 4]


def test_failures_are_not_remembered(log: str, lines: Lines) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no value for 1"):
            list(fails_at.map([1], [(1,)], [log]))
    assert lines() == ["1", "1"]


@pytest.mark.parametrize("executor", [None, 2])
def test_retries(executor: int | None, log: str, lines: Lines) -> None:
    with pytest.raises(OSError, match="not yet"):
        list(fails_first.map([1], [log], executor=executor))
    assert list(fails_first.map([2, 3], [log] * 2, executor=executor, retries=1)) == [2, 3]
    assert sorted(lines()) == ["1", "2", "2", "3", "3"]


def test_retry_has_the_same_seed() -> None:
    @memorious(ignore="log")
    def drawn(log: str) -> float:
        import random
        from pathlib import Path

        value = random.random()
        with Path(log).open("a") as file:
            file.write(f"{value}\n")
        if len(Path(log).read_text().split()) < 3:
            raise OSError("not yet")
        return value

    (result,) = drawn.starmap([{"log": "draws", "global_seed": 5}], retries=2, executor=1)
    assert Path("draws").read_text().split() == [str(result)] * 3


def test_exception_that_cannot_be_unpickled_arrives_as_text(pool: ProcessPoolExecutor) -> None:
    for executor in (2, pool):
        results = iter(raises_unpicklable.map([0, 1, 2], executor=executor))
        assert next(results) == 0
        with pytest.raises(
            SweepError, match=r"UnpicklableError: 1 and 2 \(this exception cannot be pickled"
        ):
            next(results)
        assert next(results) == 2
    assert pool.submit(abs, -1).result() == 1
    with pytest.raises(UnpicklableError):
        raises_unpicklable(1)


def test_result_that_cannot_be_pickled_is_the_error_of_its_point(pool: ProcessPoolExecutor) -> None:
    for executor in (2, pool):
        results = iter(returns_lock.map([0, 1, 2], executor=executor))
        assert next(results) == 0
        with pytest.raises(UnpicklableResultError):
            next(results)
        assert next(results) == 2


class Handle:
    """A value with a key that cannot be pickled."""

    def __funes_key__(self) -> int:
        return 1

    def __reduce__(self) -> str:
        raise TypeError("a handle stays in its process")


def test_argument_that_cannot_be_sent_is_the_error_of_its_point() -> None:
    @memorious
    def kind(x: Any) -> str:
        return type(x).__name__

    sweep = kind.map([1, Handle(), 2], executor=1, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 3 points failed"):
        assert list(sweep) == ["int", "int"]
    assert "cannot be sent to another process" in str(sweep.errors[0].error)


# Workers that die


@posix
@pytest.mark.parametrize("deadly", [0, 7, 19])
def test_worker_that_dies_costs_only_the_point_that_kills_it(
    deadly: int, log: str, lines: Lines
) -> None:
    points = [(x, deadly, log) for x in range(20)]
    sweep = kills.starmap(points, executor=2, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 20 points failed"):
        assert list(sweep) == [x for x in range(20) if x != deadly]
    (failed,) = sweep.errors
    assert isinstance(failed.error, WorkerDied)
    assert failed.error.point == points[deadly]
    assert failed.error.signal == signal.SIGKILL
    assert "ended its worker by signal 9, 3 times" in str(failed.error)
    assert all(lines().count(str(x)) == 1 for x in range(20) if x != deadly)


@posix
def test_worker_that_dies_and_leaves_a_child() -> None:
    @memorious
    def forks(x: int) -> int:
        if x == 1:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    start = time.monotonic()
    sweep = forks.map(range(3), executor=1, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 3 points failed"):
        assert list(sweep) == [0, 2]
    assert isinstance(sweep.errors[0].error, WorkerDied)
    assert time.monotonic() - start < 40


@posix
@pytest.mark.parametrize("end", ["returns", "raises", "exits"])
@pytest.mark.parametrize("memo", [forks, forks_in_coroutine], ids=["plain", "async"])
def test_forked_child_that_returns_is_no_second_worker(
    memo: Any, end: str, pool: ProcessPoolExecutor, log: str, lines: Lines
) -> None:
    for executor in (1, pool):
        Path(log).write_text("")
        points = [(x, end, log) for x in range(3)]
        assert list(memo.starmap(points, executor=executor)) == [0, 1, 2]
        deadline = time.monotonic() + 10
        children: list[int] = []
        while len(children) < 3 or any(map(is_alive, children)):
            assert time.monotonic() < deadline, "a child is left"
            time.sleep(0.02)
            children = [int(line.split()[1]) for line in lines() if "child" in line]
        # A child that computed further points would have forked, too.
        assert len(children) == 3
        assert sorted(line for line in lines() if "parent" in line) == [
            f"parent {x}" for x in range(3)
        ]
        memo.cache_clear()
        shutil.rmtree(memo.cache_path)


@pytest.mark.parametrize("code", [0, 3, None])
def test_own_workers_compute_many_points_beside_a_deadly_one(code: int | None) -> None:
    list(exits.map([-1, -2], [-3] * 2, [code] * 2, executor=2))  # so that the tasks are large
    sweep = exits.map(range(300), [150] * 300, [code] * 300, executor=2, on_error="collect")
    with pytest.warns(CacheWarning, match=r"1 of 300 points failed, the first is points\[150\]"):
        assert list(sweep) == [x for x in range(300) if x != 150]
    assert isinstance(sweep.errors[0].error, WorkerDied)


def test_broken_pool_names_the_points_that_were_computed(pool: ProcessPoolExecutor) -> None:
    list(exits.map([-1, -2], [-3] * 2, [0] * 2, executor=pool))
    with pytest.raises(SweepError, match=r"points\[150\] = \(150, 150, 0\)") as caught:
        list(exits.map(range(300), [150] * 300, [0] * 300, executor=pool))
    assert str(caught.value).count("points[") <= 2


@posix
def test_broken_pool_says_what_is_stored_and_how_to_go_on(
    pool: ProcessPoolExecutor, log: str
) -> None:
    points = [(x, 5, log) for x in range(8)]
    with pytest.raises(SweepError, match=r"the executor is broken .*new executor") as caught:
        list(kills.starmap(points, executor=pool))
    found = re.search(r"(\d) of 8 points are stored, (\d) (?:is|are) missing", str(caught.value))
    assert found is not None
    assert int(found[1]) + int(found[2]) == 8
    # Another worker may store its result while the message is made.
    assert int(found[1]) <= kills.starmap(points).status().stored
    assert "points[5] = (5, 5, " in str(caught.value)
    assert "pass a number as executor" in str(caught.value)
    points[5] = (5, -1, log)
    assert list(kills.starmap([(x, 5, log) for x in range(8) if x != 5], executor=2)) == [
        x for x in range(8) if x != 5
    ]


def test_executor_that_was_shut_down(pool: ProcessPoolExecutor) -> None:
    pool.shutdown()
    with pytest.raises(SweepError, match=r"executor is broken .*shutdown"):
        list(square.map([1, 2], executor=pool))


@posix
def test_dead_worker_of_loky(log: str) -> None:
    loky = pytest.importorskip("loky")
    executor = loky.get_reusable_executor(2)
    with pytest.raises(SweepError, match="the executor is broken"):
        list(kills.starmap([(x, 2, log) for x in range(5)], executor=executor))


@posix
def test_dead_worker_of_dask(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    with dask_client(1) as client:
        sweep = kills.starmap([(x, 2, log) for x in range(5)], executor=client, on_error="collect")
        with pytest.warns(CacheWarning, match="1 of 5 points failed"):
            assert list(sweep) == [0, 1, 3, 4]
    assert isinstance(sweep.errors[0].error, WorkerDied)


@posix
def test_job_that_ends_without_a_message(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)
    executor = submitit.AutoExecutor(folder="jobs", cluster="local")
    sweep = kills.starmap([(x, 1, log) for x in range(3)], executor=executor, on_error="collect")
    with pytest.warns(CacheWarning, match="1 of 3 points failed"):
        assert list(sweep) == [0, 2]
    assert isinstance(sweep.errors[0].error, WorkerDied)
    assert "its log is" in str(sweep.errors[0].error)


# Code and folders


def test_code_that_differs_on_the_worker(
    pool: ProcessPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """A class in the definition cannot be sent, so a worker with the old class must not compute."""
    text = """
        from funes import memorious

        class Scale:
            FACTOR = {factor}

        @memorious
        def scaled(x):
            return x * Scale.FACTOR
        """
    module = tmp_path / "edited_module.py"
    module.write_text(textwrap.dedent(text.format(factor=2)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import importlib

    import edited_module

    for path in (str(tmp_path), str(HERE)):
        for _ in range(4):
            pool.submit(sys.path.insert, 0, path).result()
    assert list(edited_module.scaled.map([1, 2], executor=pool)) == [2, 4]
    assert list(edited_module.scaled.map([3], executor=1)) == [6]
    module.write_text(textwrap.dedent(text.format(factor=50)))
    importlib.invalidate_caches()
    importlib.reload(edited_module)
    with pytest.raises(
        DefinitionMismatch, match=r"(?s)FACTOR.*edited_module\.py.*edited_module\.py"
    ):
        list(edited_module.scaled.map([1], executor=pool))
    assert not edited_module.scaled.is_cached(1)
    # An own worker with the old code is replaced.
    assert list(edited_module.scaled.map([1, 4], executor=1)) == [50, 200]


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root, to give rights up"
)
def test_folder_that_the_worker_cannot_see(
    cache: Path, log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.chdir("/")
    with tempfile.TemporaryDirectory() as folder:
        # The modules under test must stay readable, so the workers import them before.
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, context, initializer=_become_nobody) as pool:
            square._move(f"{folder}/cache")
            sweep = square.map(range(4), executor=pool)
            with pytest.warns(
                CacheWarning, match="cannot store results in .* sent back and stored by"
            ):
                assert list(sweep) == [0, 1, 4, 9]
        assert sweep.status() == (4, 0, 4, 0)
        square.cache_clear()
        assert all(square.is_cached(x) for x in range(4))
        assert square(3) == 9
        assert square.cache_info().misses == 0


# Two drivers


DRIVER = """
import sys
from sweep_functions import waits
log = sys.argv[1]
print(list(waits.map(range(12), [0.1] * 12, [log] * 12, executor={executor})))
"""


def driver(tmp_path: Path, code: str, log: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "FUNES_CACHE_DIR": str(tmp_path / "cache"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, log],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.parametrize("executor", [None, 2])
def test_two_drivers_compute_each_point_once(
    executor: int | None, tmp_path: Path, log: str, lines: Lines
) -> None:
    code = DRIVER.format(executor=executor)
    drivers = [driver(tmp_path, code, log) for _ in range(2)]
    outputs = [each.communicate(timeout=60) for each in drivers]
    assert [output for output, _ in outputs] == [f"{list(range(12))}\n"] * 2, outputs
    assert sorted(lines()) == sorted(f"{word} {x}" for word in ("begin", "end") for x in range(12))


@pytest.mark.parametrize("executor", [None, 1])
def test_point_that_is_computed_elsewhere_is_left_for_later(
    executor: int | None, tmp_path: Path, log: str, lines: Lines
) -> None:
    if executor is not None:
        list(square.map([1], executor=executor))  # starts the worker
    code = "import sys; from sweep_functions import waits; waits(0, 3.0, sys.argv[1])"
    other = driver(tmp_path, code, log)
    while lines() != ["begin 0"]:
        assert other.poll() is None, other.communicate()
        time.sleep(0.02)
    points = [(0, 3.0, log), (1, 0.0, log), (2, 0.0, log)]
    assert list(waits.starmap(points, executor=executor)) == [0, 1, 2]
    other.communicate(timeout=30)
    assert lines() == ["begin 0", "begin 1", "end 1", "begin 2", "end 2", "end 0"]


# The driver ends


def workers_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in threads for child in children.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


LONG = """
import sys
from sweep_functions import waits
log = sys.argv[1]
print(list(waits.map(range(100), [0.1] * 100, [log] * 100, executor={executor})))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("executor", [None, 2])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_driver_that_ends_leaves_results_and_no_workers(
    name: str, executor: int | None, tmp_path: Path, log: str, lines: Lines
) -> None:
    process = driver(tmp_path, LONG.format(executor=executor), log)
    while len(lines()) < 10:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    workers = workers_of(process.pid)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)
    if executor is not None:
        assert len(workers) == 2
    ended = [line for line in lines() if line.startswith("end")]
    status = waits.starmap([(x, 0.1) for x in range(100)]).status()
    assert len(ended) - 2 <= status.stored <= len(ended) + 2
    if name == "SIGTERM":
        assert process.returncode == 143
    if name != "SIGKILL":
        text = f"{status.stored} of 100 points are stored: run the same line again to go on"
        assert text in errors
    # The next run computes the rest.
    again = driver(tmp_path, DRIVER.format(executor=executor), log)
    assert again.communicate(timeout=60)[0] == f"{list(range(12))}\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_worker_that_keeps_the_gil_ends_with_its_driver(
    tmp_path: Path, log: str, lines: Lines
) -> None:
    code = "import sys; from sweep_functions import keeps_gil\n"
    code += "list(keeps_gil.map([0, 1], [sys.argv[1]] * 2, executor=2))"
    process = driver(tmp_path, code, log)
    while len(lines()) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)


@posix
def test_keyboard_interrupt_waits_for_what_runs_and_a_second_one_ends_it(
    tmp_path: Path, log: str, lines: Lines
) -> None:
    code = LONG.replace("[0.1] * 100", "[60.0] * 100").format(executor=2)
    process = driver(tmp_path, code, log)
    while len(lines()) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "waiting for" in errors
    assert "Ctrl-C again stops at once" in errors
    assert len(lines()) == 2


def test_interrupt_in_this_process_keeps_what_is_done() -> None:
    @memorious
    def interrupted(x: int) -> int:
        if x == 3:
            raise KeyboardInterrupt
        return x

    sweep = interrupted.map(range(5))
    with pytest.raises(KeyboardInterrupt) as caught:
        list(sweep)
    assert sweep.status().stored == 3
    assert caught.value.__notes__ == ["3 of 5 points are stored: run the same line again to go on"]


def test_keys_of_another_definition_are_never_stored() -> None:
    list(product.map([1.0], [2], executor=1))
    assert [path.name for path in product.cache_path.parent.iterdir()] == [product.definition]


def test_unexpected_error_ends_the_sweep_and_not_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from funes._sweeps import dispatch

    def fail(data: bytes) -> object:
        # Otherwise the results of the workers are found in the cache, and there is no error.
        square.forget(1), square.forget(2)
        raise RuntimeError("answers cannot be read")

    before = dispatch.loads_answers
    monkeypatch.setattr(dispatch, "loads_answers", fail)
    with pytest.raises(SweepError, match="answers cannot be read"):
        list(square.map([1, 2], executor=2))
    monkeypatch.setattr(dispatch, "loads_answers", before)
    assert list(square.map([1, 2, 3], executor=2)) == [1, 4, 9]
