"""Run records: under which versions, commit and host a result was computed."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning, memorious, mode, open_cache
from funes._entries import run_record
from funes._entries.git_state import commit_of, repository
from funes._entries.library_versions import imported_versions, version_of
from funes._entries.run_record import RunRecord, read_run
from funes._funes import GitDiff, hash_value
from funes._memo.memo import Memo
from funes.types import StoredEntry

RunPython = Callable[..., str]

DAY = 86400


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Lets each test begin as a new process."""
    monkeypatch.setattr(run_record, "_written", {})


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Returns a function after which functions store results as another process, with another library."""
    numbers = itertools.count()

    def change() -> None:
        versions = {**imported_versions(), "another": f"{next(numbers)}.0"}
        monkeypatch.setattr(run_record, "imported_versions", lambda: versions)

    return change


def double(**options: Any) -> Memo[..., Any]:
    namespace: dict[str, Any] = {"__name__": "mine", "np": np}
    exec("def double(x): return np.multiply(x, 2)", namespace)
    return memorious(**options)(namespace["double"])


def entries(cache: Path) -> Iterator[StoredEntry]:
    for function in open_cache(cache).functions():
        for version in function.versions():
            yield from version.entries(errors=True)


def runs_of(f: Any) -> list[RunRecord]:
    """Returns the records of the results of 1, 2, 3, as far as they are stored."""
    found = [f.explain(x).run for x in (1, 2, 3)]
    return [run for run in found if run is not None]


def records(cache: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_bytes()) for path in (cache / "runs").glob("*.json")}


# The record


def test_first_stored_result_writes_one_record(cache: Path) -> None:
    f = double()
    for x in range(3):
        f(x)
    [(name, record)] = records(cache).items()
    assert record["id"] == name
    assert record["python"] == platform.python_version()
    assert record["packages"]["numpy"] == np.__version__
    assert record["host"] == platform.node()
    found = [entry.run for entry in entries(cache)]
    assert [run.id for run in found if run] == [name] * 3


def test_hit_and_uncached_call_write_no_record(cache: Path) -> None:
    with mode("readonly"):
        double()(1)
    assert not (cache / "runs").exists()
    double()(1)
    shutil.rmtree(cache / "runs")
    double()(1)
    assert not (cache / "runs").exists()


def test_record_is_read_before_the_result_is_visible(cache: Path) -> None:
    # A process that is killed after a call leaves no entry without its record.
    double()(1)
    [entry] = entries(cache)
    assert entry.run is not None
    assert entry.run.id in records(cache)


def test_remembered_errors_packed_and_replaced_results_carry_the_id(cache: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec("def fail(x): raise ValueError(x)", namespace)
    fail = memorious(remember_errors=ValueError)(namespace["fail"])
    with pytest.raises(ValueError, match="1"):
        fail(1)
    double(packed=True)(1)
    double().refresh(2)
    [name] = records(cache)
    assert [entry.run and entry.run.id for entry in entries(cache)] == [name] * 3


def test_process_has_the_same_id_in_all_caches(tmp_path: Path) -> None:
    for name in ("one", "two"):
        double(cache_dir=tmp_path / name)(1)
    assert records(tmp_path / "one") == records(tmp_path / "two")


def test_equal_processes_share_a_record(cache: Path, run_python: RunPython) -> None:
    code = """
        from funes import memorious
        @memorious
        def f(x): return x
        f({})
    """
    contents = set()
    for x in range(4):
        run_python(textwrap.dedent(code.format(x)), FUNES_CACHE_DIR=str(cache))
        contents |= {path.read_bytes() for path in (cache / "runs").iterdir()}
    # One of them may have got the answer of git before it stored its result.
    assert 1 <= len(records(cache)) <= 2
    assert len(contents) == len(records(cache)), "a record is never rewritten"
    assert {entry.run.id for entry in entries(cache) if entry.run} == set(records(cache))
    assert len(list(entries(cache))) == 4


def test_id_is_the_digest_of_what_the_record_says(cache: Path) -> None:
    double()(1)
    [(name, record)] = records(cache).items()
    said = {key: value for key, value in record.items() if key not in ("id", "written")}
    assert name == hash_value(said)[:32]
    record["written"] = "2020-01-01T00:00:00+00:00"
    (cache / "runs" / f"{name}.json").write_text(json.dumps(record))
    assert read_run(str(cache), name) is not None
    record["host"] = "elsewhere"
    (cache / "runs" / f"{name}.json").write_text(json.dumps(record))
    assert read_run(str(cache), name) is None


def test_import_of_a_library_changes_the_record(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_library.py").write_text("__version__ = '3.2.1'")
    monkeypatch.syspath_prepend(str(tmp_path))
    f = double()
    f(1)
    importlib.import_module("late_library")
    try:
        f(2)
        f(3)
        found = [run.packages.get("late_library") for run in runs_of(f)]
        assert found == [None, "3.2.1", "3.2.1"]
        assert len(records(cache)) == 2
    finally:
        del sys.modules["late_library"]


def test_module_without_version_changes_no_record(cache: Path) -> None:
    f = double()
    f(1)
    sys.modules["a_module_of_a_test"] = ModuleType("a_module_of_a_test")
    try:
        f(2)
    finally:
        del sys.modules["a_module_of_a_test"]
    assert len(records(cache)) == 1


def test_damaged_record_is_written_again(cache: Path) -> None:
    double()(1)
    [path] = (cache / "runs").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    run_record._written.clear()
    double()(2)
    assert json.loads(path.read_bytes())["id"] == path.stem
    assert [each.name for each in (cache / "runs").iterdir()] == [path.name]


def test_deleted_record_is_written_again_with_the_definition(cache: Path) -> None:
    f = double()
    f(1)
    shutil.rmtree(cache)
    f._close()
    f(2)
    [entry] = entries(cache)
    assert entry.run is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_process_shares_the_record(cache: Path) -> None:
    f = double()
    f(1)
    if (child := os.fork()) == 0:
        f(2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(records(cache)) == 1
    assert [entry.run is not None for entry in entries(cache)] == [True, True]


def test_environment_variable_turns_records_off(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_RUNS", "0")
    double()(1)
    assert not (cache / "runs").exists()
    assert [entry.run for entry in entries(cache)] == [None]


def test_results_are_stored_if_the_record_cannot_be_written(cache: Path) -> None:
    cache.mkdir()
    (cache / "runs").write_text("mine")
    f = double()
    f(1)
    assert f.is_cached(1)
    assert [entry.run for entry in entries(cache)] == [None]
    assert (cache / "runs").read_text() == "mine"


def test_damaged_and_missing_records_are_tolerated(cache: Path) -> None:
    f = double()
    f(1)
    [path] = (cache / "runs").iterdir()
    for damaged in (b"", b"[]", b"{", b'{"id": 1}', path.read_bytes().replace(b"packages", b"p")):
        path.write_bytes(damaged)
        f.cache_clear()
        assert f(1) == 2
        assert [entry.run for entry in entries(cache)] == [None]
        assert f.explain(1).run is None
    shutil.rmtree(cache / "runs")
    assert f.explain(1).is_hit
    assert [entry.verify().is_sound for entry in entries(cache)] == [True]


def test_function_called_runs_has_another_folder(cache: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec("def runs(x): return x", namespace)
    f = memorious(namespace["runs"])
    f(1)
    assert f.cache_path.parent.name.startswith("runs-")
    assert [each.name for each in open_cache(cache).functions()] == ["runs"]


def test_adopted_results_keep_their_run(cache: Path, another_process: Callable[[], None]) -> None:
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec("def f(x): return x", namespace)
    old = memorious(namespace["f"])
    old(1)
    [run] = records(cache)
    another_process()
    for text, how in (
        ("def f(x): return x + 0", {}),
        ("def f(y): return y * 1", {"rename": {"x": "y"}}),
    ):
        exec(text, namespace)
        new = memorious(namespace["f"])
        new.adopt(old.definition, **how)
        assert [entry.run and entry.run.id for entry in entries(cache)] == [run] * len(
            list(entries(cache))
        )


# git


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    command = ["git", *names, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "program.py").write_text(
        "import sys\n"
        "from funes import memorious\n"
        "from funes._entries import run_record\n"
        "@memorious\n"
        "def f(x): return x\n"
        "f(sys.argv[1])\n"
        "if run_record._code.diff: run_record._code.diff.wait(float(sys.argv[2]))\n"
        "f(sys.argv[1] * 2)\n"
    )
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def run_program(
    project: Path, cache: Path, x: str, seconds: float = 60.0, **environment: str
) -> list[dict[str, Any]]:
    """Runs the program, which waits some seconds for git before its second result. Returns the records."""
    shutil.rmtree(cache, ignore_errors=True)
    subprocess.run(
        [sys.executable, str(project / "program.py"), x, str(seconds)],
        check=True,
        env={**os.environ, "FUNES_CACHE_DIR": str(cache), **environment},
        cwd=project.parent,
        timeout=60,
    )
    return list(records(cache).values())


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_program_runs_without_git(project: Path, cache: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    [found] = run_program(project, cache, "x", PATH=str(tmp_path))
    assert (found["commit"], found["dirty"]) == (commit, None)


@pytest.mark.skipif(os.name != "posix" or shutil.which("git") is None, reason="needs git and sh")
@pytest.mark.parametrize("script", ["exec sleep 100", "exit 128", "kill -9 $$"])
def test_git_that_hangs_or_fails_leaves_the_flag_out(
    script: str, project: Path, cache: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "git").chmod(0o755)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    [found] = run_program(project, cache, "x", 0.2, PATH=path)
    assert found["dirty"] is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_variables_of_a_git_hook_lead_to_no_other_repository(
    project: Path, cache: Path, tmp_path: Path
) -> None:
    records = run_program(project, cache, "x", GIT_DIR=str(tmp_path / "missing"))
    assert [each["dirty"] for each in records if each["dirty"] is not None] == [False]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_answers_once(project: Path) -> None:
    diff = GitDiff(str(project))
    diff.wait(60)
    assert diff.is_dirty is False
    (project / "program.py").write_text("")
    assert diff.is_dirty is False
    other = GitDiff(str(project / "missing"))
    other.wait(60)
    assert other.is_dirty is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("error")
def test_fork_after_the_first_result_gives_no_warning(project: Path, cache: Path) -> None:
    # Python 3.12 warns of a fork of a process with threads.
    code = "import os, sys, warnings; warnings.simplefilter('error'); child = os.fork()\n"
    code += "if child: assert os.waitpid(child, 0)[1] == 0\n"
    (project / "program.py").write_text((project / "program.py").read_text() + code)
    run_program(project, cache, "x", 0.0)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_commit_and_changes_are_recorded(project: Path, cache: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")

    def record(x: str) -> dict[str, Any]:
        # The first result may have been stored before git answered.
        found = [each for each in run_program(project, cache, x) if each["dirty"] is not None]
        assert len(found) == 1
        return found[0]

    found = record("1")
    assert (found["commit"], found["dirty"]) == (commit, False)
    with open(project / "program.py", "a") as file:
        file.write("f(2)\n")
    found = record("2")
    assert (found["commit"], found["dirty"]) == (commit, True)
    git(project, "add", ".")
    assert record("3")["dirty"] is True
    assert f"commit {commit[:12]} with changes" in str(read_run(str(cache), record("4")["id"]))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_commit_is_read_without_git(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    assert commit_of(str(project)) == commit
    git(project, "pack-refs", "--all")
    assert commit_of(str(project)) == commit
    git(project, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "tree"))
    assert commit_of(str(tmp_path / "tree")) == commit
    git(project, "checkout", "--quiet", "--detach")
    assert commit_of(str(project)) == commit
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    assert commit_of(str(empty)) is None


def test_repository_is_that_of_the_program_or_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    monkeypatch.chdir(tmp_path)
    assert repository() is None
    (tmp_path / ".git").mkdir()
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert repository() == str(tmp_path)
    program = tmp_path / "other"
    (program / ".git").mkdir(parents=True)
    monkeypatch.setattr(
        sys.modules["__main__"], "__file__", str(program / "main.py"), raising=False
    )
    assert repository() == str(program)


# Versions of libraries


def test_versions_come_from_modules_or_distributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert version_of("numpy") == np.__version__
    assert version_of("no_such_module") is None
    assert "json" not in imported_versions()
    folder = tmp_path / "site-packages"
    (folder / "Some_Thing-4.5.6.dist-info").mkdir(parents=True)
    (folder / "some_thing.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    __import__("some_thing")
    try:
        assert version_of("some_thing") == "4.5.6"
    finally:
        del sys.modules["some_thing"]


# The warning


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("a_library")
    module.__file__ = np.__file__  # installed
    exec("__version__ = '1.9.2'\ndef twice(x): return x * 2", module.__dict__)
    monkeypatch.setitem(sys.modules, "a_library", module)
    return module


def using(library: ModuleType, text: str = "def f(x): return a_library.twice(x)") -> Any:
    namespace: dict[str, Any] = {"__name__": "mine", "a_library": library}
    exec(text, namespace)
    return memorious(namespace["f"])


@pytest.mark.filterwarnings("error")
def test_another_major_version_gives_one_warning(library: ModuleType, cache: Path) -> None:
    using(library)(1), using(library)(2)
    library.__dict__["__version__"] = "1.10.0"
    assert using(library)(1) == 2
    library.__dict__["__version__"] = "2.0.0"
    f = using(library)
    with pytest.warns(CacheWarning, match=r"a_library 1\.9\.2, and this is 2\.0\.0") as caught:
        assert (f(1), f(2), f(1)) == (2, 4, 2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert using(library, "def f(x): return x").is_cached(1) is False


@pytest.mark.filterwarnings("error")
def test_library_that_the_definition_does_not_name_gives_no_warning(library: ModuleType) -> None:
    text = "def f(x): return x"
    using(library, text)(1)
    library.__dict__["__version__"] = "2.0.0"
    assert using(library, text)(1) == 1


@pytest.mark.filterwarnings("error")
def test_results_without_a_record_give_no_warning(library: ModuleType, cache: Path) -> None:
    using(library)(1)
    shutil.rmtree(cache / "runs")
    library.__dict__["__version__"] = "2.0.0"
    assert using(library)(1) == 2


# What is shown


def test_explain_shows_python_and_named_libraries(library: ModuleType) -> None:
    f = using(library)
    f(1)
    text = f"computed with Python {platform.python_version()}, a_library 1.9.2, "
    assert text in str(f.explain(1))
    f.cache_clear()
    assert text in str(f.explain(1))
    assert f.explain(1).run.packages["numpy"] == np.__version__
    assert f.explain(2).run is None
    packed = memorious(packed=True)(f.__wrapped__)
    packed(3)
    assert text in str(packed.explain(3))


# Unused records


def test_unused_records_are_found(cache: Path) -> None:
    f = double()
    f(1)
    [used] = records(cache)
    folder = cache / "runs"
    unused = folder / f"{'0' * 32}.json"
    unused.write_text("{}")
    (folder / "notes.txt").write_text("mine")
    found = open_cache(cache)
    assert found.unused_runs() == [], "it is younger than a day"
    before = time.time() - 2 * DAY
    for path in folder.iterdir():
        os.utime(path, (before, before))
    assert [each.path for each in found.unused_runs()] == [unused]
    f.forget(1)
    assert {each.hash for each in found.unused_runs()} == {used, "0" * 32}
    packed = double(packed=True)
    packed(2)
    assert [each.path for each in open_cache(cache).unused_runs()] == [unused]


def test_records_of_earlier_results_are_in_use(
    cache: Path, tmp_path: Path, another_process: Callable[[], None]
) -> None:
    file = tmp_path / "data.txt"
    namespace: dict[str, Any] = {"__name__": "mine"}
    exec("def f(path):\n    with open(path) as file: return file.read()", namespace)
    f = memorious(namespace["f"])
    for text in ("one", "another"):
        another_process()
        file.write_text(text)
        f._close()
        f(str(file))
    assert len(records(cache)) == 2
    before = time.time() - 2 * DAY
    for path in (cache / "runs").iterdir():
        os.utime(path, (before, before))
    assert open_cache(cache).unused_runs() == []
