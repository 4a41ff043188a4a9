"""``funes rm``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import entries_of, train

from funes import memorious


@pytest.fixture
def versions(cache: Path) -> list[Any]:
    """Two versions of `train` with two entries each."""
    versions = [train(1), train(2)]
    for each in versions:
        each(1), each(2)
    return versions


def test_without_a_terminal_nothing_is_deleted_unless_it_is_said(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("rm", "train", answer="y\n")
    assert done.exit_code == 2
    assert "say --yes" in done.stderr
    assert [entries_of(each) for each in versions] == [2, 2]


def test_a_function_goes_with_its_folder(
    versions: list[Any], cache: Path, run: Callable[..., Any]
) -> None:
    assert run("rm", "train", "--yes").exit_code == 0
    assert list(cache.iterdir()) == []


def test_only_the_versions_that_are_named_go(versions: list[Any], run: Callable[..., Any]) -> None:
    assert run("rm", "train", versions[0].definition[:10], "--yes").exit_code == 0
    assert not versions[0].cache_path.exists()
    assert entries_of(versions[1]) == 2


def test_only_the_entries_with_these_arguments_go(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    assert run("rm", "train", "--where", "lr=2", "--yes").exit_code == 0
    assert [each.is_cached(1) for each in versions] == [True, True]
    assert [each.is_cached(2) for each in versions] == [False, False]
    version = versions[0].definition
    assert run("rm", "train", version, "--where", "lr=1", "--yes").exit_code == 0
    assert [each.is_cached(1) for each in versions] == [False, True]


def test_what_would_be_deleted_is_listed_and_stays(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    listed = lines("rm", "train", "--dry-run")
    assert sorted(line[:3] for line in listed) == sorted(
        ["version", "train", each.definition] for each in versions
    )
    (entries, _) = lines("rm", "train", "--dry-run", "--where", "lr=1")
    assert [entries[0], entries[3]] == ["entries", "1"]
    assert [entries_of(each) for each in versions] == [2, 2]


def test_json_says_what_was_deleted(versions: list[Any], data: Callable[..., Any]) -> None:
    sizes = sum(path.stat().st_size for path in versions[0].cache_path.iterdir())
    files = len(list(versions[0].cache_path.iterdir()))
    done = data("rm", "train", versions[0].definition, "--yes")
    assert done["deleted"] == {"files": files, "bytes": sizes}
    assert done["errors"] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nobody",), "there is no function 'nobody'"),
        (("train", "zz"), "there is no version 'zz'"),
        (("train", "--where", "lr=3"), "there is no such entry"),
    ],
)
def test_what_is_not_there_is_a_failure(
    arguments: tuple[str, ...], text: str, versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("rm", *arguments, "--yes")
    assert done.exit_code == 1
    assert text in done.stderr
    assert [entries_of(each) for each in versions] == [2, 2]


def test_files_of_others_stay(versions: list[Any], run: Callable[..., Any]) -> None:
    mine = versions[0].cache_path / "mine.txt"
    mine.write_text("a note", encoding="utf-8")
    assert run("rm", "train", "--yes").exit_code == 0
    assert list(versions[0].cache_path.iterdir()) == [mine]
    assert not versions[1].cache_path.exists()


def test_what_cannot_be_read_stays_and_is_reported(
    versions: list[Any], run: Callable[..., Any]
) -> None:
    path = versions[0].key(1).path
    path.write_bytes(b"nothing")
    done = run("rm", "train", "--where", "lr=1", "--yes")
    assert done.exit_code == 1
    assert str(path) in done.stderr
    assert path.exists()
    assert not versions[1].is_cached(1)


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")
def test_what_lies_behind_a_link_stays(
    versions: list[Any], tmp_path: Path, run: Callable[..., Any]
) -> None:
    folder = versions[0].cache_path
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    done = run("rm", "train", "--yes")
    assert done.exit_code == 1
    assert "is a link" in done.stderr
    assert len(list((tmp_path / "elsewhere").glob("*.dill"))) == 2
    assert not versions[1].cache_path.exists()


def test_a_program_that_runs_computes_again_and_stores(
    cache: Path, printed: Callable[[], list[str]]
) -> None:
    @memorious
    def double(x: int) -> int:
        print("computing", x)
        if x == 2:  # while it is computed, all that there is of it is deleted
            subprocess.run([sys.executable, "-m", "funes", "rm", "double", "--yes"], check=True)
        return 2 * x

    double(1)
    assert double(2) == 4
    assert [double.is_cached(1), double.is_cached(2)] == [False, True]
    double.cache_clear()
    assert double(1) == 2
    assert printed() == ["computing 1", "computing 2", "computing 1"]
    assert entries_of(double) == 2
