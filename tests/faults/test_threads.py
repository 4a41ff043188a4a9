"""A storm of threads on functions whose surroundings change; `make test-threads` runs it longer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
def test_calls_of_threads_see_the_state_of_their_time(
    python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = python(Path(__file__).with_name("storm.py"), "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 mistakes" in done.stdout
