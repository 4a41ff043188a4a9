"""``funes du``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cli_cache import train

from funes import memorious


def test_all_files_count_the_largest_first_and_then_the_total(
    cache: Path, lines: Callable[..., Any]
) -> None:
    @memorious(large_argument=1000)
    def load(data: bytes) -> int:
        return len(data)

    load(bytes(100_000))
    train(1)(1)
    (cache / "train" / "mine.txt").write_text("a note", encoding="utf-8")
    sizes = {
        name: sum(path.stat().st_size for path in (cache / name).rglob("*") if path.is_file())
        for name in ("load", "objects", "train")
    }
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
