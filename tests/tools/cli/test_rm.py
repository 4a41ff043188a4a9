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


def test_without_a_terminal_yes_is_needed(versions: list[Any], run: Callable[..., Any]) -> None:
    done = run("rm", "train", answer="y\n")
    assert done.exit_code == 2
    assert "pass --yes" in done.stderr
    assert [entries_of(each) for each in versions] == [2, 2]


def test_function_is_deleted_with_its_folder(
    versions: list[Any], cache: Path, run: Callable[..., Any]
) -> None:
    assert run("rm", "train", "--yes").exit_code == 0
    assert [path.name for path in cache.iterdir()] == ["runs"]


def test_only_given_versions_are_deleted(versions: list[Any], run: Callable[..., Any]) -> None:
    assert run("rm", "train", versions[0].definition[:10], "--yes").exit_code == 0
    assert not versions[0].cache_path.exists()
    assert entries_of(versions[1]) == 2


def test_where_deletes_only_matching_entries(versions: list[Any], run: Callable[..., Any]) -> None:
    assert run("rm", "train", "--where", "lr=2", "--yes").exit_code == 0
    assert [each.is_cached(1) for each in versions] == [True, True]
    assert [each.is_cached(2) for each in versions] == [False, False]
    version = versions[0].definition
    assert run("rm", "train", version, "--where", "lr=1", "--yes").exit_code == 0
    assert [each.is_cached(1) for each in versions] == [False, True]


def test_dry_run_lists_and_deletes_nothing(versions: list[Any], lines: Callable[..., Any]) -> None:
    listed = lines("rm", "train", "--dry-run")
    assert sorted(line[:3] for line in listed) == sorted(
        ["version", "train", each.definition] for each in versions
    )
    (entries, _) = lines("rm", "train", "--dry-run", "--where", "lr=1")
    assert [entries[0], entries[3]] == ["entries", "1"]
    assert [entries_of(each) for each in versions] == [2, 2]


def test_json_lists_deleted_files(versions: list[Any], data: Callable[..., Any]) -> None:
    sizes = sum(path.stat().st_size for path in versions[0].cache_path.iterdir())
    files = len(list(versions[0].cache_path.iterdir()))
    done = data("rm", "train", versions[0].definition, "--yes")
    assert done["deleted"] == {"files": files, "bytes": sizes}
    assert done["errors"] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("unknown",), "there is no function 'unknown'"),
        (("train", "zz"), "there is no version 'zz'"),
        (("train", "--where", "lr=3"), "no result of train matches"),
    ],
)
def test_unknown_function_version_or_entry_fails(
    arguments: tuple[str, ...], text: str, versions: list[Any], run: Callable[..., Any]
) -> None:
    done = run("rm", *arguments, "--yes")
    assert done.exit_code == 1
    assert text in done.stderr
    assert [entries_of(each) for each in versions] == [2, 2]


def test_user_files_stay(versions: list[Any], run: Callable[..., Any]) -> None:
    mine = versions[0].cache_path / "mine.txt"
    mine.write_text("a note", encoding="utf-8")
    assert run("rm", "train", "--yes").exit_code == 0
    assert list(versions[0].cache_path.iterdir()) == [mine]
    assert not versions[1].cache_path.exists()


def test_unreadable_entry_stays_and_is_reported(
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
def test_files_behind_a_link_stay(
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


def test_running_program_computes_and_stores_again(
    cache: Path, printed: Callable[[], list[str]]
) -> None:
    @memorious(files="ignore")
    def double(x: int) -> int:
        print("computing", x)
        if x == 2:  # all results are deleted during this computation
            subprocess.run([sys.executable, "-m", "funes", "rm", "double", "--yes"], check=True)
        return 2 * x

    double(1)
    assert double(2) == 4
    assert [double.is_cached(1), double.is_cached(2)] == [False, True]
    double.cache_clear()
    assert double(1) == 2
    assert printed() == ["computing 1", "computing 2", "computing 1"]
    assert entries_of(double) == 2
