"""``funes gc --max-bytes`` with packed results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_cache import store, train

from funes._funes import close_segments, size_of
from funes._results.cache import open_cache

pytestmark = pytest.mark.filterwarnings("ignore:.*for the third time in a row")


def packed_bytes(memo: Any) -> int:
    return size_of(str(memo.cache_path / "packed"))


@pytest.mark.parametrize("is_pack", [False, True])
def test_least_valuable_packed_results_are_deleted_and_their_space_is_freed(
    is_pack: bool, cache: Path, run: Callable[..., Any], data: Callable[..., Any]
) -> None:
    memo = train(1, packed=True, memory=0)
    for number in range(300):
        store(memo, float(number), number, size=1000)
    close_segments()
    if is_pack:
        assert run("pack").exit_code == 0
    before = packed_bytes(memo)
    limit = before // 2
    listed = data("gc", "--max-bytes", str(limit), "--dry-run")
    assert 0.5 * limit < listed["left"] <= limit
    done = run("gc", "--max-bytes", str(limit), "--yes")
    assert done.exit_code == 0
    assert not list(memo.cache_path.glob("*.dill"))
    left = [number for number in range(300) if memo.is_cached(number)]
    if not is_pack:  # in so small a pack, records that are in the dictionary take no space
        assert left == list(range(300 - len(left), 300)), "the results that took longest"
    assert sum(left) / len(left) > 180
    assert 90 < len(left) < 210
    assert packed_bytes(memo) < before
    # Running programs and later runs agree on what is left.
    assert data("gc", "--max-bytes", str(limit), "--dry-run")["delete"] == []
    (version,) = open_cache(cache).functions()[0].versions()
    assert version.summary.entries == len(left)
    assert all(not damage for _, _, damage in version.verify_packed())


def test_single_and_packed_results_are_ranked_together(
    cache: Path, run: Callable[..., Any]
) -> None:
    single, packed = train(1, memory=0), train(2, packed=True, memory=0)
    for number in range(40):
        store(single if number % 2 else packed, float(number), number, size=1000)
    assert run("gc", "--max-bytes", "20K", "--yes").exit_code == 0
    left = [n for n in range(40) if (single if n % 2 else packed).is_cached(n)]
    assert 12 <= len(left) <= 20
    assert min(left) > 15


def test_version_with_only_packed_results_goes_as_a_whole(
    cache: Path, run: Callable[..., Any]
) -> None:
    memo = train(1, packed=True, memory=0)
    store(memo, 1.0, 1, size=1000)
    close_segments()
    assert run("gc", "--max-bytes", "0", "--yes").exit_code == 0
    assert list(cache.iterdir()) == []
