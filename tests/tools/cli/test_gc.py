"""``funes gc``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_cache import DAY, age, entries_of, function, store, train

from funes import CacheWarning, memorious
from funes._entries import large_arguments
from funes._results import gc_plan, usage
from funes.types import StoredEntry

# These tests need versions that differ by one value.
pytestmark = pytest.mark.filterwarnings("ignore:.*for the third time in a row")


def aged(*days: float) -> list[Any]:
    """Define versions of `train` whose last entries are a number of days old."""
    versions = []
    for rate, each in enumerate(days):
        version = train(rate)
        version(1), version(2)
        age(version.cache_path, each)
        versions.append(version)
    return versions


def left(versions: list[Any]) -> list[bool]:
    return [version.cache_path.exists() for version in versions]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--older-than", "90d"), [False, False, True, True]),
        (("--keep-versions", "2"), [False, False, True, True]),
        (("--keep-versions", "0"), [False, False, False, False]),
        (("--keep-versions", "9"), [True, True, True, True]),
        (("--keep-versions", "3", "--older-than", "90d"), [False, True, True, True]),
        (("--keep-versions", "1", "--older-than", "90d"), [False, False, True, True]),
        ((), [True, True, True, True]),
    ],
)
def test_gc_deletes_versions_matching_all_options(
    options: tuple[str, ...], expected: list[bool], cache: Path, run: Callable[..., Any]
) -> None:
    versions = aged(200, 100, 50, 10)
    done = run("gc", *options, "--yes")
    assert done.exit_code == 0
    assert left(versions) == expected
    assert [entries_of(version) for version in versions] == [2 * each for each in expected]


def test_keep_versions_counts_per_function(cache: Path, run: Callable[..., Any]) -> None:
    @memorious
    def other(x: int) -> int:
        return x

    other(1)
    age(other.cache_path, 300)
    versions = aged(20, 10)
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert [*left(versions), other.cache_path.exists()] == [False, True, True]


def test_hits_count_as_use_of_a_version(cache: Path, run: Callable[..., Any]) -> None:
    versions = aged(200, 100)
    train(0)(1)
    usage.save()
    assert run("gc", "--older-than", "90d", "--yes").exit_code == 0
    assert left(versions) == [True, False]


def test_version_without_results_stays_and_does_not_count(
    cache: Path, run: Callable[..., Any]
) -> None:
    (old,) = aged(200)
    bare = train(7).cache_path
    bare.mkdir()
    (bare / ".lock").touch()
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert [old.cache_path.exists(), bare.exists()] == [True, True]
    assert run("gc", "--keep-versions", "0", "--yes").exit_code == 0
    assert [old.cache_path.exists(), bare.exists()] == [False, True]
    os.utime(bare, (time.time() - 2 * DAY,) * 2)
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert not bare.exists()


def test_max_bytes_deletes_least_valuable_entries(
    cache: Path, run: Callable[..., Any], data: Callable[..., Any]
) -> None:
    first, second = train(1), train(2)
    dear, large, cheap = (
        store(first, 100.0, 1, size=10_000),
        store(first, 100.0, 2, size=100_000),
        store(second, 1.0, 1, size=10_000),
    )
    os.utime(dear, (1, 1))  # its age does not matter
    limit = dear.stat().st_size + large.stat().st_size
    assert data("gc", "--max-bytes", str(limit), "--dry-run")["left"] == limit
    assert run("gc", "--max-bytes", str(limit), "--yes").exit_code == 0
    assert [path.exists() for path in (dear, large, cheap)] == [True, True, False]
    assert not second.cache_path.exists(), "a version without entries goes as a whole"
    limit = dear.stat().st_size
    assert run("gc", "--max-bytes", str(limit), "--yes").exit_code == 0
    assert [path.exists() for path in (dear, large)] == [True, False]
    assert run("gc", "--max-bytes", "0", "--yes").exit_code == 0
    assert list(cache.iterdir()) == []


def test_hits_increase_the_value_of_entries(cache: Path, run: Callable[..., Any]) -> None:
    used, idle = train(1), train(2)
    often, long = (
        store(used, 1.0, 1, size=1000, hits=50),
        store(idle, 10.0, 1, size=1000),
    )
    assert run("gc", "--max-bytes", str(often.stat().st_size), "--yes").exit_code == 0
    assert [often.exists(), long.exists()] == [True, False]


def test_oldest_of_equal_entries_are_deleted_first(cache: Path, run: Callable[..., Any]) -> None:
    memo = train(1)
    paths = [store(memo, 1.0, number, size=100) for number in range(10, 14)]
    for days, path in zip((1, 4, 3, 2), paths, strict=True):
        os.utime(path, (time.time() - days * DAY,) * 2)
    size = paths[0].stat().st_size
    assert run("gc", "--max-bytes", str(2 * size), "--yes").exit_code == 0
    assert [path.exists() for path in paths] == [True, False, False, True]


def test_entry_stays_if_later_entries_free_enough(cache: Path, run: Callable[..., Any]) -> None:
    """Cheap entries come first, and a large one after them frees enough alone."""
    memo = train(1)
    cheap = [store(memo, 1e-6, number, size=100) for number in range(10)]
    large = store(memo, 10.0, 10, size=1_000_000)
    dear = store(memo, 1e6, 11, size=1_000_000)
    assert run("gc", "--max-bytes", "1.2M", "--yes").exit_code == 0
    assert [path.exists() for path in (*cheap, large, dear)] == [True] * 10 + [False, True]


@pytest.mark.parametrize(
    ("young", "limit"), [(300_000, "100k"), (300_000, "1k"), (5_000_000, "4M")]
)
def test_unreachable_max_bytes_deletes_no_entry(
    young: int, limit: str, cache: Path, run: Callable[..., Any], data: Callable[..., Any]
) -> None:
    small = [store(train(1), 1.0, number, size=500) for number in range(100)]

    @memorious(large_argument=1000)
    def big(data: bytes) -> int:
        return len(data)

    big(bytes(young))
    done = run("gc", "--max-bytes", limit, "--yes")
    assert done.exit_code == 1
    assert "cannot be reached" in done.stderr
    assert "stored or used within the last day" in done.stderr
    assert all(path.exists() for path in small)
    assert big.is_cached(bytes(young))
    found = data("gc", "--max-bytes", limit, "--dry-run")
    assert found["fixed"] > young
    # A limit that can be reached is reached.
    assert run("gc", "--max-bytes", str(found["fixed"] + 1000), "--yes").exit_code == 0
    assert sum(path.exists() for path in small) == 1
    assert objects_of(cache) == [young // 10_000]


def test_versions_of_functions_with_equal_names_are_counted_apart(
    cache: Path, run: Callable[..., Any]
) -> None:
    functions = [
        function("def train(x): return x + 1", "resnet"),
        function("def train(x): return x * 3", "svm"),
    ]
    for days, memo in enumerate(functions):
        memo(1)
        age(memo.cache_path, 10 + days)
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert [memo.is_cached(1) for memo in functions] == [True, True]


def test_shared_version_stays_while_one_function_keeps_it(
    cache: Path, run: Callable[..., Any]
) -> None:
    one, other = (function("def train(x): return x", module) for module in ("resnet", "svm"))
    later = function("def train(x): return x + 1", "resnet")
    for days, memo in ((30, one), (30, other), (10, later)):
        memo(len(memo.__module__))
        age(memo.cache_path, days)
    assert one.definition == other.definition
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert other.is_cached(len("svm"))
    newest = function("def train(x): return x + 2", "svm")
    newest(1)
    age(later.cache_path, 10)
    age(one.cache_path, 30)
    assert run("gc", "--keep-versions", "1", "--yes").exit_code == 0
    assert not other.is_cached(len("svm"))
    assert [later.cache_path.exists(), newest.is_cached(1)] == [True, True]


def test_nothing_is_deleted_without_options_or_in_dry_run(
    cache: Path, run: Callable[..., Any], lines: Callable[..., Any]
) -> None:
    versions = aged(200, 100)
    listed = lines("gc", "--older-than", "90d", "--dry-run")
    assert sorted(line[2] for line in listed) == sorted(each.definition for each in versions)
    refused = run("gc", "--older-than", "90d", answer="y\n")
    assert refused.exit_code == 2
    assert "pass --yes" in refused.stderr
    assert left(versions) == [True, True]


@pytest.fixture
def load(cache: Path) -> Any:
    """A function with two entries that share a large argument, and one with its own."""

    @memorious(large_argument=1000)
    def load(data: bytes, times: int = 1) -> int:
        return len(data) * times

    load(bytes(10_000)), load(bytes(10_000), 2), load(b"1" * 20_000)
    age(cache, 3)
    return load


def objects_of(cache: Path) -> list[int]:
    return sorted(path.stat().st_size // 10_000 for path in (cache / "objects").glob("*.dill"))


def test_large_arguments_without_references_are_deleted(
    load: Any, cache: Path, run: Callable[..., Any]
) -> None:
    load.forget(bytes(10_000))
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [1, 2]
    load.forget(bytes(10_000), 2)
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [2]


def test_large_argument_of_an_earlier_result_stays(
    cache: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    def read(data: bytes, path: str) -> str:
        return Path(path).read_text()

    path = str(tmp_path / "read.txt")
    for text, limit in (("one", 1000), ("two", 1 << 20)):
        Path(path).write_text(text)
        assert memorious(large_argument=limit)(read)(bytes(10_000), path) == text
    age(cache, 3)
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [1]
    Path(path).write_text("one")
    memo = memorious(read)
    assert memo(bytes(10_000), path) == "one"
    assert memo.cache_info().misses == 0


def test_young_large_argument_stays(load: Any, cache: Path, run: Callable[..., Any]) -> None:
    run("rm", "load", "--yes")
    age(cache / "objects", 0.5)
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [1, 2]
    age(cache / "objects", 1.5)
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == []


def test_reused_large_argument_is_young_again(
    load: Any, cache: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The entry of the call is stored after the sweep.
    load(bytes(10_000), 3)
    for path in load.cache_path.glob("*.dill"):
        path.unlink()
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [1]


def test_large_argument_used_during_gc_stays(
    load: Any, cache: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("rm", "load", "--yes")
    plan = gc_plan.plan

    def plan_and_be_overtaken(*args: Any, **kwargs: Any) -> Any:
        planned = plan(*args, **kwargs)
        load.cache_clear()
        load(bytes(10_000))
        return planned

    monkeypatch.setattr("funes._tools.cli.gc.plan", plan_and_be_overtaken)
    assert run("gc", "--yes").exit_code == 0
    assert objects_of(cache) == [1]


def test_version_used_during_gc_stays(
    cache: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (version,) = aged(200)
    plan = gc_plan.plan

    def plan_and_be_overtaken(*args: Any, **kwargs: Any) -> Any:
        planned = plan(*args, **kwargs)
        version(3)
        return planned

    monkeypatch.setattr("funes._tools.cli.gc.plan", plan_and_be_overtaken)
    done = run("gc", "--older-than", "90d", "--yes")
    assert done.exit_code == 1
    assert "was used meanwhile" in done.stderr
    assert entries_of(version) == 3


def test_unreadable_entry_keeps_all_large_arguments(
    load: Any, cache: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = load.key(bytes(10_000), 2).path
    load.forget(b"1" * 20_000)
    named_in_file = large_arguments.named_in_file

    def refuse_one(each: str) -> Iterator[str]:
        if each == str(path):
            raise PermissionError(13, "refused", each)
        return named_in_file(each)

    monkeypatch.setattr(large_arguments, "named_in_file", refuse_one)
    done = run("gc", "--yes")
    assert done.exit_code == 0
    assert f"large arguments stay, since entries cannot be read: {path}" in done.stderr
    assert objects_of(cache) == [1, 2]


def test_large_arguments_count_for_their_last_entry(
    load: Any, cache: Path, data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    dear = load.key(b"1" * 20_000).path
    monkeypatch.setattr(
        StoredEntry, "time", property(lambda entry: 60.0 if entry.path == dear else 1.0)
    )
    done = data("gc", "--max-bytes", "25k", "--yes")
    assert objects_of(cache) == [2]
    assert [load.is_cached(bytes(10_000), times) for times in (1, 2)] == [False, False]
    assert load.is_cached(b"1" * 20_000)
    sizes = [path.stat().st_size for path in (dear, *(cache / "objects").glob("*.dill"))]
    assert done["left"] == sum(sizes)


def test_entry_is_deleted_without_shared_large_argument(
    load: Any, cache: Path, data: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap = load.key(bytes(10_000), 2).path
    monkeypatch.setattr(
        StoredEntry, "time", property(lambda entry: 1e-9 if entry.path == cheap else 60.0)
    )
    total = sum(path.stat().st_size for path in cache.rglob("*.dill"))
    data("gc", "--max-bytes", str(total - 1), "--yes")
    assert objects_of(cache) == [1, 2]
    assert [load.is_cached(bytes(10_000), times) for times in (1, 2)] == [True, False]


def test_quarantined_entries_are_deleted_if_old_or_above_max_bytes(
    cache: Path, run: Callable[..., Any], lines: Callable[..., Any]
) -> None:
    double = train(1)
    double(1)
    path = double.key(1).path
    path.write_bytes(b"nothing")
    with pytest.warns(CacheWarning):
        train(1)(1)
    aside = path.parent / "damaged" / path.name
    assert lines("gc", "--older-than", "1d", "--dry-run") == []
    os.utime(aside, (time.time() - 2 * DAY,) * 2)
    assert [line[0] for line in lines("gc", "--older-than", "1d", "--dry-run")] == ["damaged"]
    room = str(path.stat().st_size)
    assert [line[0] for line in lines("gc", "--max-bytes", room, "--dry-run")] == ["damaged"]
    assert run("gc", "--max-bytes", room, "--yes").exit_code == 0
    assert not aside.exists()
    assert path.exists()


def test_unfinished_files_older_than_two_days_are_deleted(
    cache: Path, run: Callable[..., Any]
) -> None:
    double = train(1)
    double(1)
    old, new = (double.cache_path / f".tmp-{name}" for name in ("old", "new"))
    for path in old, new:
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3 * DAY,) * 2)
    assert run("gc", "--yes").exit_code == 0
    assert [old.exists(), new.exists()] == [False, True]


@pytest.mark.parametrize(
    "options",
    [
        ("--older-than", "90"),
        ("--older-than", "x"),
        ("--max-bytes", "1X"),
        ("--keep-versions", "-1"),
    ],
)
def test_invalid_age_or_size_is_refused(
    options: tuple[str, ...], cache: Path, run: Callable[..., Any]
) -> None:
    cache.mkdir()
    assert run("gc", *options, "--yes").exit_code == 2


def test_running_programs_are_not_disturbed(
    cache: Path, run: Callable[..., Any], printed: Callable[[], list[str]]
) -> None:
    @memorious(large_argument=1000, files="ignore")
    def size(data: bytes) -> int:
        print("computing", len(data))
        if len(data) == 2000:
            command = [sys.executable, "-m", "funes", "gc", "--keep-versions", "0", "--yes"]
            subprocess.run(command, check=True)
        return len(data)

    assert size(bytes(5000)) == 5000
    assert size(bytes(2000)) == 2000
    size.cache_clear()
    assert size(bytes(5000)) == 5000
    assert printed() == ["computing 5000", "computing 2000", "computing 5000"]
    assert entries_of(size) == 2
    assert run("verify").exit_code == 0
