"""The log lines of functions with very many results: packed ones, and ones in single files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import memorious
from funes._call import log
from funes._funes import Listing, close_segments
from funes._results.cache import open_cache


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns ``lines()``, which returns the lines logged since its last call."""
    caplog.set_level(logging.INFO, "funes")

    def since() -> list[str]:
        found = list(caplog.messages)
        caplog.clear()
        return found

    return since


def make(folder: Path, packed: bool) -> Any:
    @memorious(cache_dir=folder, memory=0, packed=packed)
    def f(x: int, config: Any = None) -> int:
        return x

    return f


def test_miss_is_compared_with_packed_results(
    tmp_path: Path, lines: Callable[[], list[str]]
) -> None:
    f = make(tmp_path, packed=True)
    for x in range(30):
        f(x)
    log._recent.clear()  # as in a new process
    lines()
    f(15, {"depth": 3})
    # Of the twenty latest results, the nearest one is that of another configuration only.
    assert lines() == ["make.<locals>.f is computed: other arguments: config: None -> <dict>"]
    close_segments()
    (version,) = open_cache(tmp_path).functions()[0].versions()
    version.pack()
    log._recent.clear()
    f(15, {"depth": 4})
    assert len(lines()) == 1
    explained = str(f.explain(15, {"depth": 5}))
    assert "config['depth']: 4 -> 5" in explained


def test_listing_of_some_entries_has_the_last_packed_ones(tmp_path: Path) -> None:
    single, packed = make(tmp_path, packed=False), make(tmp_path, packed=True)
    for x in range(100):
        packed(x)
    for x in range(100, 140):
        single(x)
    folder = str(packed.cache_path)
    names = {x: packed.key(x).arguments for x in range(140)}
    found = {name for name, _, _ in Listing(folder, most=30)}
    assert found.issuperset(names[x] for x in range(70, 100))
    assert 50 <= len(found) <= 60
    assert {name for name, _, _ in Listing(folder, most=1000)} == set(names.values())
    assert {name for name, _, _ in Listing(folder)} == set(names.values())


def test_one_line_names_a_definition_with_very_many_single_files(
    tmp_path: Path, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_MANY_FILES", 50)
    monkeypatch.setattr(log, "_COUNTED_MISSES", 10)
    f, packed = make(tmp_path / "single", packed=False), make(tmp_path / "packed", packed=True)
    for x in range(100):
        f(x), packed(x)
        many = [line for line in lines() if "in single files" in line]
        assert bool(many) is (x == 60), x
        if many:
            assert many == [
                "make.<locals>.f has more than 50 results in single files in"
                f" {f.cache_path}: packed=True, or funes pack, keeps them in few files"
            ]


def test_many_files_are_counted_at_the_first_miss_of_a_process(
    tmp_path: Path, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    f = make(tmp_path, packed=False)
    for x in range(60):
        f(x)
    monkeypatch.setattr(log, "_MANY_FILES", 50)
    monkeypatch.setattr(log, "_misses", {})
    lines()
    f(60), f(61)
    assert ["in single files" in line for line in lines()] == [True, False, False]
