"""Large arguments: stored once per content, and needed only by listings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pytest

from funes import CacheWarning, load_cached_results, memorious

LARGE = 1 << 18  # floats: 2 MiB


@memorious
def total(values: Any, power: int = 1) -> float:
    print(power)
    return float(np.sum(np.asarray(values, dtype=float) ** power))


@pytest.fixture(autouse=True)
def _fresh(cache: Path) -> None:
    total._close()


def objects(cache: Path) -> list[Path]:
    return sorted((cache / "objects").glob("*"))


def test_large_argument_is_stored_once(cache: Path, printed: Callable[[], list[str]]) -> None:
    values = np.ones(LARGE)
    assert [total(values, power) for power in (1, 2, 1, 2)] == [LARGE] * 4
    assert printed() == ["1", "2"]
    [path] = objects(cache)
    assert path.stat().st_size > LARGE * 8
    assert total.key(values).path.stat().st_size < 1000
    for result in load_cached_results(total):
        assert (result["input"]["values"] == values).all()
        assert list(result) == ["input", "output", "time"]
        assert list(result["input"]) == ["values", "power"]


def test_both_files_are_ordinary_pickles(cache: Path) -> None:
    values = np.ones(LARGE)
    total(values)
    for load in (pickle.loads, dill.loads):
        entry = load(total.key(values).path.read_bytes())
        [path] = objects(cache)
        assert path.name in entry["input"]["values"]
        assert entry["objects"] == {"values": path.stem}
        assert (load(path.read_bytes()) == values).all()


@pytest.mark.parametrize(
    "values", ["12345" * LARGE, b"12345" * LARGE, ("12345" * LARGE, 1), [1.5] * LARGE]
)
def test_large_arguments_of_any_type(values: Any, cache: Path) -> None:
    @memorious
    def length(values: Any) -> int:
        return len(values)

    assert length(values) == len(values)
    assert len(objects(cache)) == 1
    [result] = load_cached_results(length)
    assert result["input"]["values"] == values


def test_mutation_by_the_function_is_not_stored(cache: Path) -> None:
    @memorious
    def spoil(values: Any) -> float:
        values[:] = 0
        return 1.0

    with pytest.warns(CacheWarning, match="the call changed its argument 'values'"):
        spoil(np.ones(LARGE))
    assert len(load_cached_results(spoil)) == 0
    assert not list(cache.glob("objects/*"))


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"garbage")])
def test_missing_large_argument_leaves_other_inputs_listed(
    harm: Callable[[Path], Any], cache: Path, printed: Callable[[], list[str]]
) -> None:
    values = np.ones(LARGE)
    total(values)
    [path] = objects(cache)
    harm(path)
    assert total(values) == LARGE
    assert len(printed()) == 1
    [result] = load_cached_results(total)
    assert result["output"] == LARGE
    assert path.name in result["input"]["values"]
    # The next call with it stores it again.
    total(values, 3)
    assert all((result["input"]["values"] == values).all() for result in load_cached_results(total))


def test_string_that_looks_like_a_reference_is_a_string() -> None:
    values = f"<in objects/{'0' * 40}.dill: 7 bytes>"

    @memorious
    def same(values: str) -> str:
        return values

    same(values)
    [result] = load_cached_results(same)
    assert result["input"] == {"values": values}


def test_the_limit_can_be_set(cache: Path) -> None:
    @memorious(large_argument=100)
    def length(values: Any) -> int:
        return len(values)

    length([1] * 1000)
    assert len(objects(cache)) == 1


def test_large_argument_that_cannot_be_stored_leaves_result_stored(cache: Path) -> None:
    cache.mkdir()
    (cache / "objects").write_text("in the way")
    values = np.ones(LARGE)
    assert total(values) == LARGE
    [result] = load_cached_results(total)
    assert result["output"] == LARGE
    assert "not stored" in result["input"]["values"]
