"""What the tests share: a cache folder of their own, and scripts run in fresh processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from funes import memorious

# Derandomized by default, so that the suite gives one answer; FUNES_HYPOTHESIS=thorough searches at random, and long.
settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("FUNES_HYPOTHESIS", "quick"))

# FUNES_FAULTS=full tries every fault that the tests know, not a choice of them. Read here: the fixture below takes the
# variables of the person who runs the tests away.
FULL = os.environ.get("FUNES_FAULTS") == "full"

# A shell that starts the suite in the background has it ignore Ctrl-C, which the processes that it starts inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

RunPython = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the FUNES_ variables of the person who runs the tests out of them."""
    for name in os.environ:
        if name.startswith("FUNES_"):
            monkeypatch.delenv(name)


@pytest.fixture
def full() -> bool:
    """Whether every fault is to be tried: `make test-faults`."""
    return FULL


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that memorious functions of this test store in; the working directory is its parent."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FUNES_CACHE_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def double() -> Any:
    """A function with a cache of its own in each test: the folder is settled at the first call."""

    @memorious
    def double(x: float) -> float:
        return x * 2

    return double


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """``printed()`` gives the lines printed since the last time: how tests see that a function ran.

    A global list to append to would be an input of the function like any other global.
    """

    def lines() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``python(*arguments, cwd=..., **environment)`` runs this interpreter and returns the finished process.

    It starts in the test's own folder with nothing to read; an environment variable set to None is taken away.
    """

    def run(
        *arguments: str | Path, cwd: Path = tmp_path, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        merged = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={name: value for name, value in merged.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    return run


@pytest.fixture
def run_python(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> RunPython:
    """``run_python(script, **environment)`` runs the text as script.py in a fresh process; returns what it printed.

    Raises AssertionError with the output and the traceback if the script fails.
    """

    def run(script: str, **environment: str | None) -> str:
        path = tmp_path / "script.py"
        path.write_text(script, encoding="utf-8")
        done = python(path, **environment)
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
