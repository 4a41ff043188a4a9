"""``funes du``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import function, train

from funes import memorious


def on_disk(folder: Path) -> int:
    """What the files in a folder take on disk, where the system tells."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(getattr(file, "st_blocks", file.st_size / 512) * 512 for file in files)


def test_all_files_count_the_largest_first_and_then_the_total(
    cache: Path, lines: Callable[..., Any]
) -> None:
    @memorious(large_argument=1000)
    def load(data: bytes) -> int:
        return len(data)

    load(bytes(100_000))
    train(1)(1)
    (cache / "train" / "mine.txt").write_text("a note", encoding="utf-8")
    sizes = {name: on_disk(cache / name) for name in ("load", "objects", "train")}
    shown = lines("du")
    assert {line[2]: int(line[0]) for line in shown[:-1]} == sizes
    assert shown[0][2] == "objects"
    total = [sum(int(line[column]) for line in shown[:-1]) for column in (0, 1)]
    assert shown[-1] == [*map(str, total), "total"]


def test_versions_of_a_function_count_for_themselves(
    cache: Path, lines: Callable[..., Any]
) -> None:
    first, second = train(1), train(2)
    first(1), second(1), second(2), second(3)
    shown = lines("du", "train")
    assert [line[2] for line in shown] == [second.definition, first.definition, "total"]


def test_an_empty_cache_takes_nothing(cache: Path, lines: Callable[..., Any]) -> None:
    cache.mkdir()
    assert lines("du") == [["0", "0", "total"]]


def test_functions_that_share_a_folder_count_for_themselves(
    cache: Path, lines: Callable[..., Any]
) -> None:
    for module in ("resnet", "svm"):
        function(f"def train(x): return '{module}' * x", module)(1)
    (cache / "train" / "mine.txt").write_text("a note", encoding="utf-8")
    shown = {line[2]: line for line in lines("du")}
    assert sorted(shown) == ["resnet.train", "svm.train", "total", "train/"]
    assert int(shown["total"][0]) == on_disk(cache)


@pytest.mark.skipif(not hasattr(os.stat_result, "st_blocks"), reason="the system does not tell")
def test_a_file_counts_with_its_blocks_and_once(cache: Path, lines: Callable[..., Any]) -> None:
    memo = train(1)
    memo(1)
    (cache / "train" / "link").hardlink_to(memo.key(1).path)
    with open(cache / "train" / "holes", "wb") as file:
        file.truncate(10 << 20)
    total = lines("du")[-1]
    assert int(total[0]) < 1 << 20
    assert int(total[1]) == len([path for path in cache.rglob("*") if path.is_file()]) - 1
