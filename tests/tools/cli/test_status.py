"""`funes status` shows what an edit would recompute, and runs no memorious function."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]

_NUMBERS = itertools.count()


class Project:
    """A module that is edited, and imported again under its name."""

    def __init__(self, folder: Path, name: str, data: Callable[..., Any]) -> None:
        self.folder, self.name, self.data = folder, name, data

    def write(self, text: str) -> None:
        (self.folder / f"{self.name}.py").write_text(f"from funes import memorious\n{text}")
        sys.modules.pop(self.name, None)
        importlib.invalidate_caches()

    def load(self, text: str) -> Any:
        self.write(text)
        return importlib.import_module(self.name)

    def rows(self, *arguments: str) -> dict[str, dict[str, Any]]:
        rows = self.data("status", *arguments)
        return {row["function"].removeprefix(f"{self.name}."): row for row in rows}


@pytest.fixture
def project(
    cache: Path, tmp_path: Path, data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Project(tmp_path, f"status_{next(_NUMBERS)}", data)


TEXT = """
RATE = 1
def helper(x): return x * RATE

@memorious
def f(x): return helper(x)

@memorious
def g(x): return x + 1
"""


def test_edit_makes_functions_stale_that_depend_on_it(project: Project) -> None:
    module = project.load(TEXT)
    for x in range(3):
        module.f(x), module.g(x)
    assert {name: row["state"] for name, row in project.rows(project.name).items()} == {
        "f": "current",
        "g": "current",
    }
    project.write(TEXT.replace("RATE = 1", "RATE = 2"))
    rows = project.rows(project.name)
    f, g = rows["f"], rows["g"]
    assert (f["state"], f["results"], f["stale"], f["changed"]) == ("stale", 0, 3, ["RATE: 1 -> 2"])
    assert f["before"] == module.f.definition != f["definition"]
    assert 0 < f["seconds"] < 1
    assert (g["state"], g["results"], g["stale"], g["changed"]) == ("current", 3, 0, [])
    project.write(TEXT)
    assert project.rows(project.name)["f"]["state"] == "current"


def test_function_is_current_once_a_new_result_is_stored(project: Project) -> None:
    module = project.load(TEXT)
    for x in range(3):
        module.f(x)
    project.load(TEXT.replace("RATE = 1", "RATE = 2")).f(0)
    row = project.rows(project.name)["f"]
    assert (row["state"], row["results"], row["stale"], row["seconds"]) == ("current", 1, 0, 0.0)


def test_no_function_runs_and_nothing_is_stored(project: Project, cache: Path) -> None:
    project.write("@memorious\ndef f(x): raise SystemExit('ran')\n")
    row = project.rows(project.name)["f"]
    assert (row["state"], row["results"], row["detail"]) == ("new", 0, "")
    assert not cache.exists() or not list(cache.iterdir())


def test_modules_with_results_are_the_default(project: Project, run: Run) -> None:
    module = project.load(TEXT)
    module.f(1)
    project.write(TEXT.replace("RATE = 1", "RATE = 2"))
    assert {name: row["state"] for name, row in project.rows().items()} == {
        "f": "stale",
        "g": "new",
    }
    assert run("status").stderr.startswith("1 of 2 functions are stale; their 1 stored call took ")


def test_program_is_imported_as_a_module(
    project: Project, run_python: Callable[..., str], cache: Path
) -> None:
    project.write(f"{TEXT}if __name__ == '__main__': f(1)\n")
    path = str(project.folder / f"{project.name}.py")
    command = [sys.executable, path]
    subprocess.run(command, check=True, env={**os.environ, "FUNES_CACHE_DIR": str(cache)})
    assert project.rows()["f"]["state"] == "current"


METHODS = """
import functools
class C:
    @memorious
    def method(self): return 1
    @memorious
    @classmethod
    def of_class(cls): return 2
    @staticmethod
    @memorious
    def static(): return 3
    @property
    @memorious
    def seen(self): return 4
    @functools.cached_property
    @memorious
    def kept(self): return 5
    class Inner:
        @memorious
        def deep(self): return 6

def loud(function):
    @functools.wraps(function)
    def call(*args): return function(*args)
    return call

@loud
@memorious
def wrapped(x): return 7
again = wrapped
"""


def test_methods_and_wrapped_functions_are_found_once(project: Project) -> None:
    project.write(METHODS)
    names = ["C.method", "C.of_class", "C.static", "C.seen", "C.kept", "C.Inner.deep", "wrapped"]
    assert list(project.rows(project.name)) == names


def test_package_stands_for_its_modules(project: Project, run: Run) -> None:
    package = project.folder / f"{project.name}_package"
    (package / "deep").mkdir(parents=True)
    for path in ("__init__.py", "deep/__init__.py"):
        (package / path).touch()
    (package / "__main__.py").write_text("raise SystemExit('was imported')\n")
    (package / "deep" / "one.py").write_text(f"from funes import memorious\n{TEXT}")
    (package / "two.py").write_text(f"from .deep.one import f\nfrom funes import memorious\n{TEXT}")
    (package / "three.py").write_text("import no_such_module\n")
    result = run("status", package.name, "--json")
    found = [row["function"].removeprefix(f"{package.name}.") for row in json.loads(result.stdout)]
    assert found == ["deep.one.f", "deep.one.g", "two.f", "two.g"]
    assert f"{package.name}.three cannot be imported: " in result.stderr
    assert "no_such_module" in result.stderr
    assert result.exit_code == 1


def test_function_without_a_definition_is_unknown(project: Project) -> None:
    project.write(
        "from pathlib import Path\n@memorious(depends_on=Path('no-such-file'))\ndef f(x): return x\n"
    )
    row = project.rows(project.name)["f"]
    assert (row["state"], row["definition"]) == ("unknown", "")
    assert "no-such" in row["detail"]  # it is cut


def test_renamed_function_names_the_one_with_its_results(project: Project) -> None:
    project.load("@memorious\ndef old(x): return x * 17\n").old(1)
    project.write("@memorious\ndef new(x): return x * 17\n")
    row = project.rows(project.name)["new"]
    assert row["state"] == "new"
    assert row["detail"].startswith(f"{project.name}.old has the same code and results")


def test_limit_of_seconds_sets_the_exit_code(project: Project, run: Run) -> None:
    project.load(TEXT).f(1)
    assert run("status", project.name, "--max-seconds", "0").exit_code == 0
    project.write(TEXT.replace("RATE = 1", "RATE = 2"))
    assert run("status", project.name, "--max-seconds", "0").exit_code == 1
    assert run("status", project.name, "--max-seconds", "60").exit_code == 0
    assert run("status", project.name).exit_code == 0


def test_module_without_functions_is_an_error(project: Project, run: Run) -> None:
    project.write("")
    result = run("status", project.name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no memorious function in {project.name}" in result.stderr
    result = run("status", "no_such_module")
    assert result.exit_code == 1
    assert "no_such_module cannot be imported: " in result.stderr


def test_costliest_stale_functions_come_first(project: Project) -> None:
    text = "import time\nRATE = 1\n"
    for name, seconds in ("quick", 0), ("slow", 0.6), ("other", 0.3):
        text += f"@memorious\ndef {name}(x): time.sleep({seconds}); return RATE\n"
    text += "@memorious\ndef current(x): return 1\n"
    module = project.load(text)
    for name in ("quick", "slow", "other", "current"):
        getattr(module, name)(1)
    project.write(text.replace("RATE = 1", "RATE = 2"))
    assert list(project.rows(project.name)) == ["slow", "other", "quick", "current"]


# Another revision


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(project: Project) -> Project:
    git(project.folder, "init", "-q")
    (project.folder / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch hook-ran\n")
    (project.folder / ".git" / "hooks" / "post-checkout").chmod(0o755)
    project.write(TEXT + "@memorious\ndef gone(x): return 1\n")
    git(project.folder, "add", f"{project.name}.py")
    git(project.folder, "commit", "-qm", "first")
    return project


@pytest.mark.slow
def test_revision_is_compared_whatever_is_stored(repository: Project, run: Run) -> None:
    project = repository
    project.load(TEXT).f(1)
    project.write(TEXT.replace("RATE = 1", "RATE = 2") + "@memorious\ndef added(x): return 1\n")
    rows = project.rows(project.name, "--against", "HEAD")
    states = {name: (row["state"], row["stale"]) for name, row in rows.items()}
    assert states == {
        "f": ("changed", 1),
        "g": ("same", 0),
        "added": ("added", 0),
        "gone": ("removed", 0),
    }
    assert rows["f"]["changed"] == ["RATE: 1 -> 2"]
    assert run("status", "--against", "HEAD", "--max-seconds", "0", project.name).exit_code == 1
    listed = subprocess.run(["git", "worktree", "list"], capture_output=True, text=True)
    assert len(listed.stdout.splitlines()) == 1
    assert not list(project.folder.rglob("hook-ran"))


@pytest.mark.slow
def test_revision_is_found_from_a_folder_of_the_repository(
    repository: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The module is found by the search path, as after an editable installation.
    inner = repository.folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    rows = repository.rows(repository.name, "--against", "HEAD")
    assert [row["state"] for row in rows.values()] == ["same"] * 3


@pytest.mark.slow
def test_module_of_the_revision_that_fails_is_reported(repository: Project, run: Run) -> None:
    project = repository
    project.write("import no_such_module\n")
    git(project.folder, "commit", "-qam", "broken")
    project.write(TEXT)
    result = run("status", "--against", "HEAD", project.name)
    assert f"at HEAD, {project.name} cannot be imported: " in result.stderr
    assert {line.split("\t")[1] for line in result.stdout.splitlines()} == {"added"}


@pytest.mark.parametrize(
    ("revision", "message"),
    [("nothing", "nothing is not a revision"), ("--help", "--help is not a revision")],
)
def test_unknown_revision_is_wrong_usage(
    repository: Project, run: Run, revision: str, message: str
) -> None:
    result = run("status", f"--against={revision}", repository.name)
    assert result.exit_code == 2
    assert message in result.stderr


def test_folder_without_a_repository_is_wrong_usage(project: Project, run: Run) -> None:
    project.write(TEXT)
    result = run("status", "--against", "HEAD", project.name)
    assert result.exit_code == 2
    assert "not a git repository" in result.stderr
