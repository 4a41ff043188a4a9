"""Sweeps in notebooks, in other sweeps, in functions, after a fork, and abandoned ones."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sweep_functions import square, waits

Lines = Callable[[], list[str]]

NOTEBOOK = (
    """
from funes import grid, memorious

class Layer:
    def __init__(self, width):
        self.width = width

SCALE = 3

@memorious
def train(layer, depth):
    assert isinstance(layer, Layer)
    return layer.width * depth * SCALE
""",
    """
sweep = train.map(grid(layer=[Layer(1), Layer(2)], depth=[1, 2]), executor=2)
print(list(sweep), sweep.status())
""",
    """
SCALE = 5
print(list(train.map(grid(layer=[Layer(1), Layer(2)], depth=[1, 2]), executor=2)))
""",
    """
print([result async for result in train.map([Layer(3)], [1], executor=2)], await train.map([Layer(4)], [1]))
train.map(grid(layer=[Layer(1), Layer(2)], depth=[1, 2]))
""",
)


def test_notebook(tmp_path: Path, cache: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in NOTEBOOK])
    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    texts = [
        output.get("text") or output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.outputs
        if output.get("name") != "stderr"
    ]
    assert texts == [
        "[3, 6, 6, 12] 4 of 4 points are stored, 0 are missing\n",
        "[5, 10, 10, 20]\n",
        "[15] [20]\n",
        "train: 4 points, 4 cached",
    ]
    assert "<b>train</b>" in notebook.cells[-1].outputs[-1]["data"]["text/html"]


def test_sweep_within_a_function_of_a_sweep(run_python: Callable[..., str]) -> None:
    output = run_python(
        """
from funes import memorious

@memorious
def inner(x):
    return x + 1

@memorious
def outer(x):
    return sum(inner.map(range(x), executor=2))

print(list(outer.map([1, 2, 3], executor=2)), inner.map(range(3)).status())
"""
    )
    assert output == "[1, 3, 6] 3 of 3 points are stored, 0 are missing\n"


def test_two_sweeps_at_the_same_time_share_the_workers() -> None:
    first, second = (square.map(range(a, a + 20), executor=2) for a in (0, 10))
    pairs = list(zip(first, second, strict=True))
    assert pairs == [(x**2, (x + 10) ** 2) for x in range(20)]


def test_threads_may_sweep_at_the_same_time() -> None:
    found: dict[int, list[int]] = {}

    def run(start: int) -> None:
        found[start] = list(square.map(range(start, start + 30), executor=2))

    threads = [threading.Thread(target=run, args=(start,)) for start in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {start: [x**2 for x in range(start, start + 30)] for start in (0, 10, 20)}


def test_abandoned_iteration_cancels_what_has_not_begun(log: str, lines: Lines) -> None:
    others = set(threading.enumerate())
    for result in waits.map(range(200), [0.02] * 200, [log] * 200, executor=1):
        if result == 2:
            break
    time.sleep(1)
    count = len(lines())
    time.sleep(0.5)
    assert len(lines()) == count < 400
    rest = set(threading.enumerate()) - others
    assert not any(thread.name == "funes-sweep" for thread in rest)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_has_workers_of_its_own(run_python: Callable[..., str]) -> None:
    output = run_python(
        """
import os, warnings
from funes import memorious

warnings.simplefilter("ignore", DeprecationWarning)

@memorious
def double(x):
    return 2 * x

print(list(double.map([1], executor=1)), flush=True)
child = os.fork()
if child == 0:
    print(list(double.map([2, 3], executor=1)), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(list(double.map([4], executor=1)))
"""
    )
    assert output == "[2]\n[4, 6]\n[8]\n"


def test_program_ends_at_once_while_workers_compute(tmp_path: Path, log: str) -> None:
    code = (
        "import sys, time; from sweep_functions import waits\n"
        "sweep = waits.map([1, 2], [60.0] * 2, [sys.argv[1]] * 2, executor=2).start()\n"
        "while sweep._run.runner.running < 2 or not __import__('os').path.exists(sys.argv[1]):\n"
        "    time.sleep(0.05)\n"
    )
    start = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, log],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start < 40


def test_iterations_that_stop_and_go_on_in_any_way() -> None:
    """Random points, pauses and places to stop; a seed makes the test repeatable."""
    chance = random.Random(1)

    def pausing(numbers: range) -> Iterator[int]:
        for number in numbers:
            if chance.random() < 0.3:
                time.sleep(0.002)
            yield number

    with ThreadPoolExecutor(3) as pool:
        for start in range(0, 20_000, 1000):
            executor = chance.choice([1, 2, pool])
            numbers = range(start, start + chance.randrange(1, 100))
            squares = [x**2 for x in numbers]
            assert list(square.map(pausing(numbers), executor=executor)) == squares

            numbers = range(start + 200, start + 300)
            squares = [x**2 for x in numbers]
            sweep = square.map(numbers, executor=executor)
            results = iter(sweep)
            count = chance.randrange(100)
            assert [next(results) for _ in range(count)] == squares[:count]
            del results
            assert list(sweep) == squares

            sweep = square.map([x + 200 for x in numbers], executor=executor).start()
            sweep.cancel()
            found = sorted(outcome.point for outcome in sweep.start().as_completed())
            assert found == [x + 200 for x in numbers]


GONE = """
import os, shutil, tempfile, warnings
from concurrent.futures import ThreadPoolExecutor
from funes import memorious

folder = tempfile.mkdtemp()
os.chdir(folder)

@memorious(cache_dir="relative")
def double(x):
    return 2 * x

if {is_used}:
    double(0)
shutil.rmtree(folder)
warnings.simplefilter("ignore")
with ThreadPoolExecutor(1) as threads:
    for executor in (None, threads, 1):
        print(list(double.map(range(3), executor=executor)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the working directory")
@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="a missing attribute of a module is an error there without an exception: no extension can be imported",
)
@pytest.mark.parametrize("is_used", [False, True])
def test_working_directory_that_was_deleted(is_used: bool, run_python: Callable[..., str]) -> None:
    assert run_python(GONE.format(is_used=is_used)) == "[0, 2, 4]\n" * 3


def test_path_without_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(square.map(range(2), executor=1)) == [0, 1]
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent)])
    assert list(square.map(range(4), executor=1)) == [0, 1, 4, 9]
