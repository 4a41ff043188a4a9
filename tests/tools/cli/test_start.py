"""The command line as a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import train

from funes._tools.cli.commands import NAMES

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def memo(cache: Path) -> Any:
    first, second = train(0.1), train(0.2)
    first(1), second(1), second(2)
    return second


def test_funes_is_installed_as_a_program_and_runs_as_a_module(memo: Any, python: Python) -> None:
    program = Path(sys.executable).parent / ("funes.exe" if os.name == "nt" else "funes")
    installed = subprocess.run(
        [program, "ls"], capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    module = python("-m", "funes", "ls")
    assert module.returncode == 0
    assert installed.stdout == module.stdout
    assert module.stdout.startswith("train\t2\t")
    assert module.stderr == ""


def test_help_cuts_no_line(run: Callable[..., Any]) -> None:
    shown = run("--help").stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in shown if line] == list(NAMES)
    assert not [line for line in shown if line.endswith("...")]


def test_missing_libraries_are_reported_in_one_line(python: Python, tmp_path: Path) -> None:
    script = tmp_path / "without.py"
    script.write_text(
        "import sys, importlib.machinery as m\n"
        "find = m.PathFinder.find_spec\n"
        "def hide(name, *rest):\n"
        "    return None if name in ('click', 'rich') else find(name, *rest)\n"
        "m.PathFinder.find_spec = hide\n"
        "import runpy; runpy.run_module('funes', run_name='__main__')\n",
        encoding="utf-8",
    )
    done = python(script)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "funes: the command line needs click and rich: pip install 'funes[cli]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--help"], 0), ([], 2), (["nothing"], 2), (["ls", "--nothing"], 2)],
)
def test_exit_codes(arguments: list[str], code: int, python: Python) -> None:
    assert python("-m", "funes", *arguments).returncode == code


def test_command_loads_only_needed_modules(memo: Any, python: Python, tmp_path: Path) -> None:
    script = tmp_path / "loaded.py"
    script.write_text(
        "import sys\nsys.argv = ['funes', 'ls']\n"
        "from funes._tools.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('rich', 'dill', 'numpy', 'pandas', 'funes._tools.cli.gc')"
        " if name in sys.modules])\n",
        encoding="utf-8",
    )
    assert python(script).stdout.splitlines()[-1] == "[]"


def test_unencodable_name_does_not_end_listing(cache: Path, python: Python) -> None:
    space: dict[str, Any] = {}
    exec("from funes import memorious\n@memorious\ndef größe(x): return x\ngröße(1)", space)
    done = python("-m", "funes", "ls", PYTHONIOENCODING="cp1251")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gr\\xf6\\xdfe\t1\t")


def test_closed_pipe_is_no_error(memo: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "funes", "show", "train"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_warning_is_one_line(memo: Any, python: Python) -> None:
    path = memo.key(1).path
    path.write_bytes(path.read_bytes()[:-1])
    done = python("-m", "funes", "show", "train")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert re.fullmatch(r"Warning: a stored result was skipped: .* is damaged: .*\n", done.stderr)


# In a terminal


@pytest.fixture
def terminal(memo: Any) -> Callable[..., tuple[int, str]]:
    """``terminal("ls", answer="y")`` runs a command in a terminal; returns exit code and output."""
    pty = pytest.importorskip("pty", reason="Windows has no such terminals")

    def run(*arguments: str, answer: str = "") -> tuple[int, str]:
        pid, descriptor = pty.fork()
        if pid == 0:
            os.environ.update(COLUMNS="80", TERM="dumb")
            os.execv(sys.executable, [sys.executable, "-m", "funes", *arguments])
        os.write(descriptor, answer.encode())
        shown = b""
        while True:
            try:
                piece = os.read(descriptor, 4096)
            except OSError:  # Linux raises it when the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n")

    return run


def test_table_has_titles_and_changes_below_rows(
    terminal: Callable[..., tuple[int, str]], memo: Any
) -> None:
    code, shown = terminal("ls", "train")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert code == 0
    assert lines[0].split() == ["version", "first", "entries", "bytes", "computed", "saved", "hits"]
    assert lines[1].startswith(memo.definition[:8])
    assert lines[2] == "    RATE: 0.1 -> 0.2"
    assert max(map(len, lines)) <= 80


def test_table_names_columns_above_that_are_equal_in_all_rows(
    terminal: Callable[..., tuple[int, str]],
) -> None:
    code, shown = terminal("show", "train")
    assert code == 0
    first, *lines = shown.splitlines()
    assert first == "equal in all rows: epochs = 10"
    assert [line.split()[:2] for line in lines] == [["lr", "loss"], ["1", "2"], ["2", "4"]]
    assert lines[1].split()[-1] in ("ns", "us", "ms", "s")
    code, shown = terminal("show", "train", "--columns", "epochs,lr", "--sort", "-lr")
    assert [line.split() for line in shown.splitlines()] == [
        ["epochs", "lr"],
        ["10", "2"],
        ["10", "1"],
    ]


def test_json_is_the_same_in_a_terminal(
    terminal: Callable[..., tuple[int, str]], python: Python
) -> None:
    code, shown = terminal("ls", "--quick", "--json")
    assert code == 0
    assert json.loads(shown) == json.loads(python("-m", "funes", "ls", "-q", "--json").stdout)


def test_terminal_prompts_before_deletion(
    terminal: Callable[..., tuple[int, str]], memo: Any
) -> None:
    code, shown = terminal("rm", "train", memo.definition, answer="n\n")
    assert code == 1
    assert "Delete 4 files" in shown
    assert memo.is_cached(1)
    code, shown = terminal("rm", "train", memo.definition, answer="y\n")
    assert code == 0
    assert not memo.is_cached(1)
