"""The shells complete functions, versions and modules from the cache folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_cache import train
from click.shell_completion import ShellComplete, get_completion_class

from funes import memorious
from funes._tools.cli.commands import funes


@pytest.fixture
def versions(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stores results of two versions of `train` and of `trail`; returns the hashes of the versions."""
    found = [train(1), train(2)]
    for each in found:
        each(1)

    @memorious
    def trail(x: int) -> int:
        return x

    trail(1)
    return [each.definition for each in found]


def completed(*words: str) -> list[str]:
    """Returns what the last word can become."""
    *before, incomplete = words
    shell = ShellComplete(funes, {}, "funes", "_FUNES_COMPLETE")
    return [item.value for item in shell.get_completions(list(before), incomplete)]


@pytest.mark.parametrize(
    "command", ["ls", "show", "diff", "adopt", "verify", "pack", "unpack", "rm"]
)
def test_functions_are_completed(command: str, versions: list[str]) -> None:
    assert completed(command, "tra") == ["trail", "train"]
    assert completed(command, "train") == ["train"]
    assert completed(command, "nothing") == []


@pytest.mark.parametrize(
    "words",
    [
        ("diff", "train", ""),
        ("adopt", "train", ""),
        ("rm", "train", ""),
        ("show", "train", "--version", ""),
    ],
)
def test_versions_of_the_function_are_completed(
    words: tuple[str, ...], versions: list[str]
) -> None:
    assert sorted(completed(*words)) == sorted(each[:12] for each in versions)
    *before, _ = words
    assert completed(*before, versions[0][:4]) == [versions[0][:12]]


def test_second_version_is_completed(versions: list[str]) -> None:
    assert len(completed("diff", "train", versions[0], "")) == 2
    assert len(completed("rm", "train", versions[0], "")) == 2


def test_code_and_modules_are_completed(versions: list[str]) -> None:
    assert completed("explain", "mine:") == ["mine:train"]
    assert completed("status", "mi") == ["mine"]


def test_given_folder_is_used(
    versions: list[str], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUNES_CACHE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert completed("ls", "--cache", str(cache), "tra") == ["trail", "train"]
    for missing in ("nowhere", str(Path(__file__))):
        assert completed("ls", "--cache", missing, "tra") == []


def test_commands_and_options_are_completed() -> None:
    assert completed("sta") == ["status"]
    assert completed("status", "--aga") == ["--against"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_is_printed(shell: str, python_module: Any) -> None:
    assert get_completion_class(shell) is not None
    assert "_FUNES_COMPLETE" in python_module(shell)


@pytest.fixture
def python_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    if shutil.which("bash") is None:
        pytest.skip("click asks bash for its version")

    def source(shell: str) -> str:
        script = f"import os; os.environ['_FUNES_COMPLETE'] = '{shell}_source'\n"
        script += "import sys; sys.argv = ['funes']\nfrom funes._tools.cli.main import main; main()"
        command = [sys.executable, "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return source
