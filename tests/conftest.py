"""Fixtures of all tests: a cache folder per test, and scripts in fresh processes."""

from __future__ import annotations

import copyreg
import faulthandler
import importlib
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from funes import memorious
from funes._entries import run_record

# Derandomized by default, so that runs are reproducible. FUNES_HYPOTHESIS=thorough searches randomly and longer.
settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("FUNES_HYPOTHESIS", "quick"))

# FUNES_FAULTS=full tries every known fault instead of a selection. Read here, since the fixture below removes the
# FUNES_ variables of the environment.
FULL = os.environ.get("FUNES_FAULTS") == "full"

# A shell that starts the suite in the background makes it ignore Ctrl-C, and child processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

RunPython = Callable[..., str]

#: The time after which a child that a test forked is ended.
CHILD_SECONDS = 300

#: The numbers of imported modules: their names are not used again in the process.
_NUMBERS = itertools.count()


#: The files in which many tests share a fixture that takes seconds. Each of them runs in one of the processes.
SHARING = {
    "test_definition.py",
    "test_definition_parts.py",
    "test_definition_patches.py",
    "test_definition_state.py",
    "test_engines.py",
    "test_found.py",
    "test_guard_cost.py",
    "test_refusals.py",
    "test_report_in_browser.py",
    "test_system_calls.py",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Returns what gives each process the next test, or the next file of `SHARING`.

    `--dist loadgroup` is not used: with pytest 9.2, pytest-xdist 3.8 groups nothing.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if Path(path).name in SHARING else nodeid

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Item) -> Generator[None, object, object]:
    """Ends a child that a test forked and that raised. It would go on with the tests, on the pipe of its parent."""
    process = os.getpid()
    try:
        return (yield)
    finally:
        if os.getpid() != process:
            traceback.print_exc()
            os._exit(70)


if hasattr(os, "register_at_fork"):
    # A forked child that hangs ends with the stacks of its threads, and its parent need not wait for ever.
    faulthandler.register(signal.SIGALRM, file=os.dup(2), chain=True)
    os.register_at_fork(after_in_child=lambda: signal.alarm(CHILD_SECONDS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the tests that are marked as slow to the end, so that most failures are seen early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def _git_has_answered() -> None:
    """Waits for git, whose answer changes the run record of this process."""
    diff = run_record._code_now().diff
    if diff is not None:
        diff.wait(60)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the FUNES_ variables of the environment for the tests."""
    for name in os.environ:
        if name.startswith("FUNES_"):
            monkeypatch.delenv(name)


@pytest.fixture
def full() -> bool:
    """Returns whether every fault is tried: `make test-faults`."""
    return FULL


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the cache folder of this test; the working directory is its parent."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FUNES_CACHE_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def without_reducers_of_tblib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the reducers of exceptions that `import distributed` registers. Copies made by them lose fields."""
    for kind in list(copyreg.dispatch_table):
        if isinstance(kind, type) and issubclass(kind, BaseException):
            monkeypatch.delitem(copyreg.dispatch_table, kind)


@pytest.fixture
def load_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Any]:
    """Returns ``load_module(text)``, which imports a new module with this text and `memorious`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(text: str) -> Any:
        name = f"loaded_{next(_NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(
            f"from funes import memorious\n{textwrap.dedent(text)}"
        )
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return load


@pytest.fixture
def double() -> Any:
    """Returns a new memorious function per test, since the cache folder is fixed at the first call."""

    @memorious
    def double(x: float) -> float:
        return x * 2

    return double


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Returns ``printed()``, which returns the lines printed since its last call.

    Tests use it to detect that a function ran. Appending to a global list would not work: the list
    would be an input of the function.
    """

    def lines() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Returns ``python(*arguments, cwd=..., **environment)``, which runs this interpreter to its end.

    It starts in the folder of the test with empty input; an environment variable that is None is removed.
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
    """Returns ``run_python(script, **environment)``, which runs a script and returns its output.

    The text runs as script.py in a fresh process.

    Raises AssertionError with the output and the traceback if the script fails.
    """

    def run(script: str, **environment: str | None) -> str:
        path = tmp_path / "script.py"
        path.write_text(script, encoding="utf-8")
        done = python(path, **environment)
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
