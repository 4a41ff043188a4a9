"""The examples work as described: results of one process are cached for the next one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Python = Callable[..., subprocess.CompletedProcess[str]]


def doubling(numbers: list[int]) -> list[str]:
    return [f"  doubling {number}" for number in numbers]


def sections(output: str) -> list[list[str]]:
    """Returns the indented lines under each heading of double.py."""
    groups: list[list[str]] = []
    for line in output.splitlines():
        if line.startswith(" "):
            groups[-1].append(line)
        else:
            groups.append([])
    return groups


def test_double_is_cached_for_the_next_process(cache: Path, python: Python) -> None:
    first, second = (python(EXAMPLES / "double.py") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")

    *calls, remembered = sections(first.stdout)
    assert calls == [doubling([0, 1, 2, 3, 4]), [], doubling([0, 0, 0, 0, 0]), []]
    *calls_again, remembered_again = sections(second.stdout)
    assert calls_again == [[], [], [], []]
    assert sorted(remembered_again) == sorted(remembered)

    results = [eval(line) for line in remembered]
    assert {tuple(result["input"].items()): result["output"] for result in results} == {
        **{(("x", x),): 2 * x for x in range(5)},
        **{(("x", 0), ("global_seed", seed)): 0 for seed in range(5)},
    }
    assert all(0.2 <= result["time"] < 2 for result in results)
    assert len(list(cache.glob("double/*/*.dill"))) == 10


class Search(NamedTuple):
    """The output of one run of digits.py."""

    points: int
    remembered: int
    computed: int
    best: list[str]
    seconds: float  # the running time of the whole process


@pytest.fixture
def digits(cache: Path, python: Python) -> Callable[..., Search]:
    def run(*options: str) -> Search:
        start = time.perf_counter()
        done = python(EXAMPLES / "digits.py", "--picture", "digits.png", *options)
        seconds = time.perf_counter() - start
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        counts = re.search(r"^(\d+) points: (\d+) cached, (\d+) computed", done.stdout, re.M)
        assert counts, done.stdout
        _, table = done.stdout.split("on the test pictures:\n")
        return Search(*map(int, counts.groups()), table.split("\n\n")[0].splitlines(), seconds)

    return run


def start_and_interrupt(cache: Path, *, after: int) -> subprocess.CompletedProcess[str]:
    """Runs digits.py, and sends Ctrl-C once the given number of points is stored."""
    # A suite that was started in the background ignores Ctrl-C, and its children would inherit that.
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / "digits.py"],
        cwd=cache.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    signal.signal(signal.SIGINT, ours)
    deadline = time.monotonic() + 120
    while len(list(cache.glob("train/*/*.dill"))) < after:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the search does not get on"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.mark.slow
def test_digits_stopped_resumed_repeated_and_extended(
    cache: Path, digits: Callable[..., Search]
) -> None:
    """One test, since each step needs the points of the previous one."""
    start = time.perf_counter()
    stopped = start_and_interrupt(cache, after=12)
    seconds = time.perf_counter() - start
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    entries = sorted(cache.glob("train/*/*.dill"))
    assert f"Stopped: {len(entries)} of 100 points are cached." in stopped.stdout
    assert 12 <= len(entries) < 100
    before = {entry: entry.stat().st_mtime_ns for entry in entries}

    resumed = digits()
    assert (resumed.points, resumed.remembered) == (100, len(entries))
    assert resumed.computed == 100 - len(entries)
    assert {entry: entry.stat().st_mtime_ns for entry in entries} == before

    repeated = digits()
    assert (repeated.remembered, repeated.computed) == (100, 0)
    assert repeated.best == resumed.best
    # Nearly all of it are the imports of scikit-learn, pandas and matplotlib.
    assert repeated.seconds < (seconds + resumed.seconds) / 4

    extended = digits("--extend")
    assert (extended.points, extended.remembered, extended.computed) == (120, 100, 20)

    picture = cache.parent / "digits.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "</html>" in (cache.parent / "digits.html").read_text(encoding="utf-8")
    # The results of the first grid are unchanged: the larger grid is not part of them.
    assert digits().best == resumed.best


@pytest.mark.slow
def test_digits_gives_the_same_scores_in_another_folder(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    """A seed determines all random choices, at the first call of a process and at later ones."""
    script = f"""
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
from digits import train
for seed in {{seeds}}:
    print(seed, train(3, 4, global_seed=seed))
"""
    forwards = run_python(script.format(seeds=[0, 1]), FUNES_CACHE_DIR=str(tmp_path / "a"))
    backwards = run_python(script.format(seeds=[1, 0]), FUNES_CACHE_DIR=str(tmp_path / "b"))
    assert sorted(forwards.splitlines()) == sorted(backwards.splitlines())
    first, second = forwards.splitlines()
    assert first.split(maxsplit=1)[1] != second.split(maxsplit=1)[1]
