"""`ls`, `show`, `explain` and `gc` show and delete run records."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import memorious


@pytest.fixture
def scale(cache: Path) -> Any:
    namespace: dict[str, Any] = {"__name__": "mine", "np": np}
    exec("def scale(x): return float(np.multiply(x, 2))", namespace)
    f = memorious(namespace["scale"])
    f(1), f(2)
    return f


@pytest.mark.usefixtures("scale")
def test_show_has_a_column_for_each_part(
    lines: Callable[..., Any], data: Callable[..., Any]
) -> None:
    versions = [platform.python_version(), np.__version__]
    for line in lines("show", "scale", "--runs"):
        assert [each in line for each in (*versions, platform.node())] == [True] * 3
    assert lines("show", "scale", "--runs", "--columns", "x,python,numpy")[0] == ["1", *versions]
    rows = data("show", "scale", "--runs")
    assert rows[0]["run"]["packages"]["numpy"] == np.__version__
    assert "run" not in data("show", "scale")[0]


def test_ls_lists_the_runs_of_a_version(
    scale: Any, cache: Path, data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    [row] = data("ls", "scale")
    [found] = row["runs"]
    assert (found["results"], found["python"]) == (2, platform.python_version())
    shown = f"Python {platform.python_version()}, numpy {np.__version__}"
    assert row["computed with"][0].startswith(shown)
    monkeypatch.setattr("funes._tools.cli.ls.in_terminal", lambda: True)
    monkeypatch.setattr("funes._tools.cli.output.in_terminal", lambda: True)
    assert shown in " ".join(run("ls", "scale").stdout.split())


def test_gc_deletes_records_that_no_result_carries(
    scale: Any, cache: Path, data: Callable[..., Any], run: Any
) -> None:
    folder = cache / "runs"
    [used] = folder.iterdir()
    unused = folder / f"{'0' * 32}.json"
    unused.write_text(json.dumps({}))
    before = time.time() - 2 * 86400
    os.utime(unused, (before, before))
    os.utime(used, (before, before))
    rows = data("gc", "--dry-run")["delete"]
    assert [(row["what"], row["files"]) for row in rows] == [("runs", 1)]
    assert unused.exists()
    assert run("gc", "--yes").exit_code == 0
    assert [path.name for path in folder.iterdir()] == [used.name]


def test_gc_deletes_records_of_deleted_versions(scale: Any, cache: Path, run: Any) -> None:
    age(cache)
    assert run("gc", "--older-than", "1d", "--yes").exit_code == 0
    assert list((cache / "runs").iterdir()) == []


def test_gc_keeps_records_of_a_version_whose_function_is_unknown(
    scale: Any, cache: Path, run: Any
) -> None:
    age(cache)
    (scale.cache_path / "definition.json").unlink()
    assert run("gc", "--yes").exit_code == 0
    assert len(list((cache / "runs").iterdir())) == 1


def test_gc_keeps_records_if_an_entry_cannot_be_read(
    scale: Any, cache: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: str, runs: list[str]) -> list[str]:
        raise PermissionError(13, "Permission denied", folder)

    age(cache)
    monkeypatch.setattr("funes._results.cache.runs_not_in", failing)
    scale.forget(1), scale.forget(2)
    result = run("gc", "--yes")
    assert "run records stay" in result.stderr
    assert len(list((cache / "runs").iterdir())) == 1


def age(cache: Path) -> None:
    """Makes all files two days old."""
    before = time.time() - 2 * 86400
    for path in cache.rglob("*"):
        os.utime(path, (before, before))


def test_removal_of_results_keeps_the_record(scale: Any, cache: Path, run: Any) -> None:
    assert run("rm", "scale", "--yes").exit_code == 0
    assert len(list((cache / "runs").iterdir())) == 1
    assert run("ls").stdout == ""
