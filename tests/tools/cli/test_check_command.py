"""`funes check` prints the comparison, and its exit code says whether all results are equal."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]

_NUMBERS = itertools.count()

TEXT = "from funes import memorious\n\n@memorious\ndef f(x):\n    print('computing')\n    return x * 2.0\n"


class Project:
    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.function = f"{name}:f"

    def load(self, *edit: str) -> Any:
        text = TEXT.replace(*edit) if edit else TEXT
        (self.folder / f"{self.name}.py").write_text(text)
        sys.modules.pop(self.name, None)
        importlib.invalidate_caches()
        return importlib.import_module(self.name).f


@pytest.fixture
def project(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Project(tmp_path, f"check_{next(_NUMBERS)}")


def test_equal_results_have_exit_code_0(project: Project, run: Run) -> None:
    project.load()(1)
    project.load("x * 2.0", "2.0 * x")
    result = run("check", project.function)
    assert result.exit_code == 0
    assert result.stdout.endswith(": 1 equal\n")
    assert "computing" in result.stderr
    assert "computing" not in result.stdout


def test_difference_has_exit_code_1_unless_within_tolerance(project: Project, run: Run) -> None:
    project.load()(1.0)
    project.load("x * 2.0", "x * 2.000001")
    result = run("check", project.function)
    assert result.exit_code == 1
    assert "f(x=1.0): result: 2.0 -> 2.000001, relative difference 5e-07" in result.stdout
    assert run("check", project.function, "--tolerance", "1e-6").exit_code == 0


def test_nothing_to_compare_has_exit_code_1(project: Project, run: Run) -> None:
    project.load()
    result = run("check", project.function)
    assert result.exit_code == 1
    assert "no earlier version" in result.stderr
    project.load()(1)
    project.load("def f(x)", "def f(y, x)")
    result = run("check", project.function)
    assert result.exit_code == 1
    assert "'y' is new" in result.stdout


def test_wrong_usage_has_exit_code_2(project: Project, run: Run) -> None:
    f = project.load()
    f(1)
    assert run("check", "f").exit_code == 2
    assert run("check", project.function, "--budget", "soon").exit_code == 2
    assert run("check", project.function, "--tolerance", "-1").exit_code == 2
    assert run("check", project.function, "--all", "--version", "00").exit_code == 2
    assert run("check", project.function, "--version", f.definition).exit_code == 2


def test_all_and_version(project: Project, run: Run) -> None:
    f = project.load()
    f(1)
    assert run("check", project.function, "--all").exit_code == 0
    project.load("x * 2.0", "2.0 * x")
    assert run("check", project.function, "--version", f.definition[:8]).exit_code == 0
    result = run("check", project.function, "--all")
    assert result.exit_code == 1
    assert "there are no stored calls" in result.stdout


def test_json_has_all_calls(project: Project, data: Callable[..., Any]) -> None:
    f = project.load()
    f(1), f(2)
    project.load("x * 2.0", "x * 2.0 if x == 1 else 0.0")
    found = data("check", project.function)
    assert found["is_equal"] is False
    assert found["stored"] == f.definition
    by_call = {each["call"]: each for each in found["calls"]}
    assert by_call["f(x=1)"]["outcome"] == "equal"
    different = by_call["f(x=2)"]
    assert different["outcome"] == "different"
    assert different["difference"] == {
        "where": "result",
        "before": "4.0",
        "after": "0.0",
        "relative": 1.0,
    }


def test_adopt_shows_the_outcome_of_the_check(project: Project, run: Run) -> None:
    f = project.load()
    f(1)
    project.load("x * 2.0", "2.0 * x")
    result = run("adopt", project.function, f.definition[:8], "--dry-run")
    assert "no check of these versions is recorded" in result.stdout
    run("check", project.function)
    result = run("adopt", project.function, f.definition[:8], "--dry-run")
    assert "1 of 1 stored calls were computed again, with equal results" in result.stdout
