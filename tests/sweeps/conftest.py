"""Fixtures of the tests of sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sweep_functions

from funes.types import Memo


@pytest.fixture(autouse=True)
def _own_folder(cache: Path) -> None:
    """Lets the functions of `sweep_functions` store in the folder of this test."""
    memos = [value for value in vars(sweep_functions).values() if isinstance(value, Memo)]
    memos += [sweep_functions.Model.scale, sweep_functions.Model.name_of.__func__]
    for memo in memos:
        memo._move(str(cache))
        memo._warned.clear()


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Returns the file to which the functions append a line per computation."""
    return str(tmp_path / "log")


@pytest.fixture
def lines(log: str) -> Callable[[], list[str]]:
    """Returns a function that returns the lines of the log."""

    def read() -> list[str]:
        path = Path(log)
        return path.read_text().splitlines() if path.exists() else []

    return read
