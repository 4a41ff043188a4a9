"""Type checkers on code that uses the installed funes: tests/memo/typing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Python = Callable[..., "CompletedProcess[str]"]

USES = Path(__file__).with_name("typing") / "uses.py"


@pytest.mark.slow
def test_mypy_strict_finds_the_types_and_the_errors(python: Python, tmp_path: Path) -> None:
    done = python("-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", USES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_pyright_strict_finds_the_types_and_the_errors(python: Python, tmp_path: Path) -> None:
    """Uses basedpyright, the pyright that contains its own Node.js."""
    settings = {
        "include": [str(USES)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = python("-m", "basedpyright", "--project", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors" in done.stdout
