"""Files that functions read, with refresh, modes, expiry and rechecks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from funes import CacheMissError, CacheWarning, memorious, mode
from funes._funes import set_recheck_share

#: The values that calls have noted. A definition does not contain it, see `note`.
RUNS: list[Any] = []

DATA = Path("data.txt")
OTHER = Path("other.txt")


@pytest.fixture(autouse=True)
def _files(cache: Path) -> None:
    assert cache.parent == Path.cwd()
    RUNS.clear()
    DATA.write_text("one")
    OTHER.write_text("o")


def noted() -> list[Any]:
    found: list[Any] = getattr(sys.modules[__name__], "RUNS")  # noqa: B009
    return found


def runs() -> int:
    return len(noted())


def make(**options: Any) -> Any:
    @memorious(**options)
    def read(path: str) -> tuple[str, int]:
        noted().append(path)
        return Path(path).read_text(), len(noted())

    return read


def fresh(function: Any) -> Any:
    """Forgets the results in memory, as another process would have none."""
    function.cache_clear()
    return function


def entries(cache: Path) -> dict[str, bytes]:
    """Returns the files of a cache, and their contents."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in sorted(cache.rglob("*"))
        if path.is_file()
    }


def make_old(cache: Path, seconds: float = 7200) -> None:
    """Makes all entries old."""
    then = time.time() - seconds
    for path in cache.rglob("*.dill"):
        os.utime(path, (then, then))


# Refresh


@pytest.mark.parametrize("is_fresh", [False, True])
def test_refresh_replaces_an_entry_whose_files_are_unchanged(cache: Path, is_fresh: bool) -> None:
    read = make()
    assert read("data.txt") == ("one", 1)
    assert read.refresh("data.txt") == ("one", 2)
    assert (fresh(read) if is_fresh else read)("data.txt") == ("one", 2)
    assert len(list(cache.rglob("*.dill"))) == 1


@pytest.mark.parametrize("is_fresh", [False, True])
def test_refresh_renames_an_outdated_entry(is_fresh: bool) -> None:
    read = make()
    assert read("data.txt") == ("one", 1)
    DATA.write_text("two")
    assert read.refresh("data.txt") == ("two", 2)
    read = fresh(read) if is_fresh else read
    assert read("data.txt") == ("two", 2)
    DATA.write_text("one")
    assert read("data.txt") == ("one", 1)
    assert runs() == 2


@pytest.mark.parametrize("is_fresh", [False, True])
def test_refresh_keeps_earlier_entries(is_fresh: bool) -> None:
    read = make()
    for text in ("one", "two", "three"):
        DATA.write_text(text)
        read("data.txt")
    assert read.refresh("data.txt") == ("three", 4)
    for text, run in (("one", 1), ("two", 2), ("three", 4)):
        DATA.write_text(text)
        assert (fresh(read) if is_fresh else read)("data.txt") == (text, run)
    assert runs() == 4


@pytest.mark.parametrize("is_fresh", [False, True])
def test_refresh_replaces_an_earlier_entry_of_the_present_files(
    cache: Path, is_fresh: bool
) -> None:
    read = make()
    for text in ("one", "two", "one"):
        DATA.write_text(text)
        read("data.txt")
    assert read.refresh("data.txt") == ("one", 3)
    for text, run in (("two", 2), ("one", 3), ("two", 2)):
        DATA.write_text(text)
        assert (fresh(read) if is_fresh else read)("data.txt") == (text, run)
    assert len(list(cache.rglob("*.dill"))) == 2


def test_a_refreshed_result_does_not_come_back_if_the_new_one_read_other_files() -> None:
    @memorious
    def read() -> int:
        noted().append(1)
        DATA.read_text()
        if len(noted()) == 3:
            OTHER.read_text()
        return len(noted())

    assert read() == 1
    DATA.write_text("two")
    assert read() == 2
    DATA.write_text("one")
    assert read() == 1
    assert read.refresh() == 3  # reads another file too
    OTHER.write_text("p")
    assert read() == 4
    assert fresh(read)() == 4


def test_refresh_leaves_all_results_to_forget(cache: Path) -> None:
    read = make()
    for text in ("one", "two"):
        DATA.write_text(text)
        read("data.txt")
    read.refresh("data.txt")
    DATA.write_text("three")
    read.refresh("data.txt")
    assert len(list(cache.rglob("*.dill"))) == 3
    assert read.forget("data.txt")
    assert list(cache.rglob("*.dill")) == []


def test_refresh_mode_checks_files_of_nested_calls() -> None:
    read = make()

    @memorious
    def outer() -> tuple[str, int]:
        result: tuple[str, int] = read("data.txt")
        return result

    assert outer() == ("one", 1)
    with mode("refresh"):
        assert outer() == ("one", 2)
    assert outer() == read("data.txt") == ("one", 2)
    DATA.write_text("two")
    assert outer() == ("two", 3)
    DATA.write_text("one")
    assert outer() == ("one", 2)


# Modes


@pytest.mark.parametrize("is_fresh", [False, True])
@pytest.mark.parametrize("name", ["readonly", "offline"])
def test_modes_that_write_nothing_use_results_of_unchanged_files(
    cache: Path, name: Any, is_fresh: bool
) -> None:
    read = make()
    for text in ("one", "two"):
        DATA.write_text(text)
        read("data.txt")
    before = entries(cache)
    for text, run in (("two", 2), ("one", 1), ("two", 2)):
        DATA.write_text(text)
        with mode(name):
            assert (fresh(read) if is_fresh else read)("data.txt") == (text, run)
    assert entries(cache) == before


@pytest.mark.parametrize("is_fresh", [False, True])
def test_offline_refuses_an_outdated_result_and_writes_nothing(cache: Path, is_fresh: bool) -> None:
    read = make()
    read("data.txt")
    before = entries(cache)
    DATA.write_text("two")
    with mode("offline"), pytest.raises(CacheMissError):
        (fresh(read) if is_fresh else read)("data.txt")
    assert entries(cache) == before
    DATA.write_text("one")
    assert read("data.txt") == ("one", 1)


@pytest.mark.parametrize("is_fresh", [False, True])
def test_readonly_computes_an_outdated_result_and_writes_nothing(
    cache: Path, is_fresh: bool
) -> None:
    read = make()
    read("data.txt")
    before = entries(cache)
    DATA.write_text("two")
    with mode("readonly"):
        assert (fresh(read) if is_fresh else read)("data.txt") == ("two", 2)
        assert read("data.txt") == ("two", 3)
    assert entries(cache) == before
    DATA.write_text("one")
    assert read("data.txt") == ("one", 1)


@pytest.mark.parametrize("name", ["off", "readonly"])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_outer_call_counts_the_files_of_uncached_calls(name: Any, is_async: bool) -> None:
    read = make()

    @memorious
    async def read_async(path: str) -> tuple[str, int]:
        noted().append(path)
        await asyncio.sleep(0)
        return Path(path).read_text(), len(noted())

    @memorious
    def outer() -> tuple[str, int]:
        with mode(name):
            if is_async:
                return asyncio.run(read_async("data.txt"))
            result: tuple[str, int] = read("data.txt")
            return result

    assert outer() == outer() == ("one", 1)
    DATA.write_text("two")
    assert outer() == ("two", 2)
    DATA.write_text("one")
    assert outer() == ("one", 1)


@pytest.mark.parametrize("name", [None, "off", "readonly"])
def test_ignored_files_do_not_count_for_an_outer_call_in_any_mode(name: Any) -> None:
    read = make(files="ignore")

    @memorious
    def outer() -> str:
        if name is None:
            return str(read("data.txt")[0])
        with mode(name):
            return str(read("data.txt")[0])

    assert outer() == "one"
    DATA.write_text("two")
    assert outer() == "one"


# Expiry


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_function_whose_results_expire_checks_its_files(is_fresh: bool) -> None:
    read = make(max_age=3600)
    assert read("data.txt") == read("data.txt") == ("one", 1)
    DATA.write_text("two")
    read = fresh(read) if is_fresh else read
    assert read("data.txt") == read("data.txt") == ("two", 2)
    DATA.write_text("one")
    assert read("data.txt") == read("data.txt") == ("one", 1)


def test_an_expired_result_is_replaced_and_not_found_again(cache: Path) -> None:
    read = make(max_age=3600)
    read("data.txt")
    DATA.write_text("two")
    read("data.txt")
    make_old(cache)
    assert fresh(read)("data.txt") == ("two", 3)
    DATA.write_text("one")
    assert not read.is_cached("data.txt")
    assert read("data.txt") == ("one", 4)  # the earlier result is expired
    DATA.write_text("two")
    assert read("data.txt") == ("two", 3)
    DATA.write_text("one")
    assert fresh(read)("data.txt") == ("one", 4)
    assert len(list(cache.rglob("*.dill"))) == 2


def test_an_earlier_result_in_memory_expires(cache: Path) -> None:
    read = make(max_age=3600)
    read("data.txt")
    make_old(cache, 3600 - 0.7)
    DATA.write_text("two")
    read("data.txt")
    DATA.write_text("one")
    start = time.monotonic()
    if fresh(read)("data.txt") == ("one", 1):
        time.sleep(max(0, 0.75 - (time.monotonic() - start)))
    assert read("data.txt") == ("one", 3)


def test_an_expired_earlier_result_is_computed_again_in_a_sweep(cache: Path) -> None:
    read = make(max_age=3600)
    for text in ("one", "two"):
        DATA.write_text(text)
        read("data.txt")
    for path in cache.rglob("*-*.dill"):
        os.utime(path, (0, 0))
    for text, run in (("two", 2), ("one", 3)):
        DATA.write_text(text)
        assert list(fresh(read).map(["data.txt"])) == [(text, run)]


@pytest.mark.parametrize("name", ["readonly", "offline"])
def test_modes_that_write_nothing_use_an_expired_result_only_for_unchanged_files(
    cache: Path, name: Any
) -> None:
    read = make(max_age=3600)
    for text in ("one", "two"):
        DATA.write_text(text)
        read("data.txt")
    make_old(cache)
    before = entries(cache)
    for text, run in (("two", 2), ("one", 1)):
        DATA.write_text(text)
        with mode(name), warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            assert fresh(read)("data.txt") == (text, run)
    DATA.write_text("three")
    with mode(name), warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        if name == "offline":
            with pytest.raises(CacheMissError):
                fresh(read)("data.txt")
        else:
            assert fresh(read)("data.txt") == ("three", 3)
    assert entries(cache) == before


# Rechecks


@pytest.fixture
def _rechecks() -> Any:
    set_recheck_share(1)
    yield
    set_recheck_share(0)


@pytest.mark.usefixtures("_rechecks")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_recheck_leaves_recorded_files_as_they_are(is_async: bool) -> None:
    @memorious
    def read() -> str:
        noted().append(1)
        if len(noted()) > 1:
            OTHER.read_text()  # only when it is computed again
        return DATA.read_text()

    @memorious
    async def read_async() -> str:
        noted().append(1)
        await asyncio.sleep(0)
        if len(noted()) > 1:
            OTHER.read_text()
        return DATA.read_text()

    outer_runs: list[int] = []

    @memorious(ignore=["runs"])
    def outer(runs: list[int]) -> str:
        runs.append(1)
        return asyncio.run(read_async()) if is_async else read()

    if is_async:
        asyncio.run(read_async())
    else:
        read()
    assert runs() == 1
    assert outer(outer_runs) == "one"
    assert runs() == 2  # the hit was computed again
    set_recheck_share(0)
    OTHER.write_text("changed")
    assert outer(outer_runs) == "one"
    assert len(outer_runs) == 1
    DATA.write_text("two")
    assert outer(outer_runs) == "two"
    assert len(outer_runs) == 2


@pytest.mark.usefixtures("_rechecks")
def test_a_recheck_does_not_happen_for_a_result_of_changed_files() -> None:
    read = make()
    assert read("data.txt") == ("one", 1)
    DATA.write_text("two")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CacheWarning)
        assert read("data.txt") == ("two", 2)
    assert runs() == 2


# Sweeps


@pytest.mark.parametrize("executor", [None, 2])
def test_a_sweep_in_refresh_mode_keeps_earlier_results(executor: int | None) -> None:
    read = make()
    assert read("data.txt")[0] == "one"
    DATA.write_text("two")
    with mode("refresh"):
        assert [value for value, _ in read.map(["data.txt"])] == ["two"]
    before = runs()
    assert read("data.txt")[0] == "two"
    DATA.write_text("one")
    assert read("data.txt") == ("one", 1)
    assert runs() == before
