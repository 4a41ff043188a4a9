"""Fixtures that call commands and parse their output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from funes._tools.cli.commands import funes

Run = Callable[..., Result]


@pytest.fixture
def run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("ls", "train")`` calls a command in this process, without a terminal."""
    monkeypatch.setattr(sys, "path", sys.path.copy())  # commands add the working directory

    def run(*arguments: str | Path, answer: str | None = None) -> Result:
        result = CliRunner().invoke(funes, [str(each) for each in arguments], input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def lines(run: Run) -> Callable[..., list[list[str]]]:
    """``lines("ls")`` returns the lines of a command that must succeed, split at tabs."""

    def lines(*arguments: str | Path) -> list[list[str]]:
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        return [line.split("\t") for line in result.stdout.splitlines()]

    return lines


@pytest.fixture
def data(run: Run) -> Callable[..., Any]:
    """``data("ls")`` returns the parsed output of a command with --json, also if it fails."""

    def data(*arguments: str | Path) -> Any:
        return json.loads(run(*arguments, "--json").stdout)

    return data
