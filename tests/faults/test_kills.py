"""Several processes store the same results and are killed at random moments, repeatedly."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import itertools, random, sys
from funes import memorious

@memorious(memory=0)
def spread(x):
    return [x] * (x * 50)

# The first call imports what later calls need, which could take all the time on a busy machine.
spread(random.randrange(100))
print("ready", flush=True)
for turn in itertools.count():
    x = random.randrange(100)
    assert spread(x) == [x] * (x * 50)
    if turn % 10 == 9:
        # Ensures that there is always a result to store.
        spread.forget(random.randrange(100))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_repeated_kills_leave_complete_entries_and_correct_calls(
    cache: Path, tmp_path: Path, full: bool, run_python: Callable[..., str]
) -> None:
    chance = random.Random(5)
    script = tmp_path / "storm.py"
    script.write_text(SCRIPT, encoding="utf-8")
    for _ in range(50 if full else 4):
        storm = [
            subprocess.Popen(
                [sys.executable, str(script)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            for _ in range(3)
        ]
        for process in storm:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in storm:
            time.sleep(chance.uniform(0, 0.1))
            # Still running, so no call has raised or was wrong.
            assert process.poll() is None, process.communicate()[1]
            process.kill()
        for process in storm:
            assert process.communicate(timeout=60)[1] == ""
    entries = list(cache.glob("*/*/*.dill"))
    assert entries
    for entry in entries:
        with entry.open("rb") as file:
            stored = pickle.load(file)
        assert stored["output"] == [stored["input"]["x"]] * (stored["input"]["x"] * 50)
    assert not list(cache.rglob("damaged"))
    # Nothing that killed processes left delays a later call.
    survivor = SCRIPT.replace("itertools.count()", "range(300)")
    assert run_python(survivor) == "ready\n"
