"""``funes ls``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import age, train

from funes import memorious
from funes._results import usage


@pytest.fixture
def versions(cache: Path) -> list[Any]:
    """Two versions of `train`; the first is a day older."""
    first, second = train(0.1), train(0.2)
    first(1), first(2), first(1)
    age(first.cache_path, 1)
    second(1)
    return [first, second]


def test_functions_are_listed_with_their_numbers(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    @memorious
    def double(x: int) -> int:
        return 2 * x

    double(1)
    listed = lines("ls")
    assert [line[:2] for line in listed] == [["double", "1"], ["train", "2"]]
    assert listed[1][3] == "3"
    files = [file for each in versions for file in each.cache_path.glob("*.dill")]
    assert listed[1][4] == str(sum(file.stat().st_size for file in files))


def test_large_arguments_are_counted_on_standard_error(
    cache: Path, run: Callable[..., Any]
) -> None:
    @memorious(large_argument=1000)
    def load(data: bytes) -> int:
        return len(data)

    load(bytes(3 << 20))
    load(bytes(4 << 20))
    assert "large arguments: 2 files, 7.0 MiB" in run("ls", "--quick").stderr
    assert run("ls", "load").stderr == ""
    for file in (cache / "objects").glob("*.dill"):
        file.unlink()
    assert run("ls").stderr == ""


def test_versions_are_listed_latest_first_with_changes(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    listed = lines("ls", "train")
    assert [line[0] for line in listed] == [each.definition for each in reversed(versions)]
    assert [line[-1] for line in listed] == ["RATE: 0.1 -> 0.2", ""]
    assert [line[2] for line in listed] == ["1", "2"]


def test_computed_and_saved_seconds_are_sums(versions: list[Any], data: Callable[..., Any]) -> None:
    usage.save()
    latest, first = data("ls", "train")
    infos = [each.cache_info() for each in versions]
    assert first["computed"] == pytest.approx(infos[0].computed_seconds)
    assert first["saved"] == pytest.approx(infos[0].saved_seconds)
    assert [first["hits"], latest["hits"]] == [1, 0]
    (function,) = data("ls")
    assert function["computed"] == pytest.approx(sum(info.computed_seconds for info in infos))
    assert function["hits"] == 1


def test_quick_reads_no_entry(versions: list[Any], data: Callable[..., Any]) -> None:
    for file in versions[0].cache_path.glob("*.dill"):
        file.write_bytes(b"nothing")
    age(versions[0].cache_path, 1)
    assert [row["computed"] for row in data("ls", "train", "--quick")] == [None, None]
    latest, first = data("ls", "train")
    assert first["computed"] == 0.0
    assert latest["computed"] > 0.0


@pytest.mark.parametrize("name", ["train", "mine.train"])
def test_function_is_found_by_name_and_qualified_name(
    name: str, versions: list[Any], lines: Callable[..., Any]
) -> None:
    assert len(lines("ls", name)) == 2


def test_unusual_name_is_found_by_folder_name(cache: Path, lines: Callable[..., Any]) -> None:
    square = memorious(lambda x: x * x)
    square(2)
    (folder,) = (each for each in cache.iterdir() if each.name != "runs")
    assert lines("ls")[0][0] == "<lambda>"
    assert lines("ls", folder.name) == lines("ls", "<lambda>")


def test_missing_definition_file_is_reported(
    versions: list[Any], lines: Callable[..., Any]
) -> None:
    (versions[0].cache_path / "definition.json").unlink()
    assert lines("ls", "train")[0][-1] == "not known: definition.json is missing or damaged"


def test_unknown_function_fails_and_lists_functions(
    versions: list[Any], cache: Path, run: Callable[..., Any]
) -> None:
    missing = run("ls", "tran")
    assert missing.exit_code == 1
    assert f"there is no function 'tran' in {cache}; there are mine.train" in missing.stderr


def test_empty_cache_fails(cache: Path, run: Callable[..., Any]) -> None:
    nowhere = run("ls")
    assert nowhere.exit_code == 1
    assert f"there is no cache folder {cache}" in nowhere.stderr
    cache.mkdir()
    for extra, out in ((), ""), (("--json",), "[]\n"):
        empty = run("ls", *extra)
        assert (empty.exit_code, empty.stdout) == (1, out)
        assert f"nothing is stored in {cache}" in empty.stderr


def test_option_selects_another_cache(
    versions: list[Any], cache: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    cache.rename(tmp_path / "other")
    assert run("ls").exit_code == 1
    assert run("ls", "--cache", tmp_path / "other").exit_code == 0


def test_listing_imports_no_user_code(
    cache: Path, tmp_path: Path, run_python: Callable[..., str], run: Callable[..., Any]
) -> None:
    (tmp_path / "theirs.py").write_text("class Thing: pass\n", encoding="utf-8")
    run_python(
        "import theirs\nfrom funes import memorious\n"
        "@memorious\ndef make(x):\n    return theirs.Thing()\nmake(theirs.Thing())\n"
    )
    (tmp_path / "theirs.py").unlink()
    for command in ("ls",), ("ls", "make"), ("verify",), ("gc", "-n"):
        done = run(*command)
        assert (done.exit_code, "theirs" in done.output) == (0, False)
