"""Results that contain classes, functions and globals of the main module, as a script, imported, or with ``-m``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., "subprocess.CompletedProcess[str]"]

LIBRARY = """
from funes import memorious

@memorious
def same(x):
    return x
"""

PROGRAM = """
import enum
from dataclasses import dataclass
import library
from funes import memorious

class Mode(enum.Enum):
    A = 1

@dataclass
class Row:
    x: int
    class Inner:
        pass

NOTHING = object()
K = 3

@memorious
def rows():
    return Row(1), Mode.A, Row.Inner()

@memorious
def nothing():
    return {"found": NOTHING}

@memorious
def make(n):
    return lambda x: x * n + K

@memorious
def counter(n):
    def count(x):
        return [x * n + K, lambda: K]
    return count

def check():
    global K
    for _ in range(2):
        row, mode, inner = rows()
        assert type(row) is Row and row == Row(1)
        assert mode is Mode.A
        assert type(inner) is Row.Inner
        for value in (Row(1), [Row(2)]):
            found = library.same(value)
            assert found == value and type(found) is type(value)
        K = 3
        function, count = make(2), counter(2)
        K = 4
        assert function(5) == 14
        assert count(5)[0] == 14 and count(5)[1]() == 4
        K = 3
    print("fine")

def check_nothing():
    assert nothing()["found"] is NOTHING and nothing()["found"] is NOTHING
    print("fine")

if __name__ == "__main__":
    check()
"""

WAYS = {
    "script": ("program.py",),
    "import": ("-c", "import program; program.check()"),
    "module": ("-m", "program"),
}


@pytest.fixture
def run(python: Python, tmp_path: Path) -> Callable[[str], None]:
    (tmp_path / "library.py").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")

    def run(way: str) -> None:
        done = python("-W", "error", *WAYS[way])
        assert done.returncode == 0, done.stderr
        assert done.stdout == "fine\n"

    return run


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("script", "import"),
        ("import", "script"),
        ("module", "import"),
        ("import", "module"),
        ("script", "module"),
    ],
)
def test_main_module_results_are_found_across_ways_to_run_it(
    run: Callable[[str], None], tmp_path: Path, writer: str, reader: str
) -> None:
    run(writer)
    stored = sorted((tmp_path / "cache").rglob("*.dill"))
    run(reader)
    assert sorted((tmp_path / "cache").rglob("*.dill")) == stored


def test_package_module_finds_results_imported_and_as_script(
    python: Python, tmp_path: Path
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "program.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "library.py").write_text(LIBRARY, encoding="utf-8")
    for arguments in (
        ("-c", "import package.program as program; program.check()"),
        ("-m", "package.program"),
        ("package/program.py",),
        ("-c", "import package.program as program; program.check()"),
    ):
        done = python("-W", "error", *arguments, PYTHONPATH=str(tmp_path))
        assert done.returncode == 0, done.stderr


def test_script_does_not_import_its_own_module(run: Callable[[str], None], tmp_path: Path) -> None:
    run("import")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "    import sys; assert 'program' not in sys.modules\n")
    run("script")


def test_sentinel_of_main_module_keeps_its_identity(python: Python, run: object) -> None:
    for arguments in (
        ("-c", "import program; program.check_nothing()"),
        ("-c", "import program; program.check_nothing()"),
    ):
        done = python("-W", "ignore", *arguments)
        assert done.returncode == 0, done.stderr
