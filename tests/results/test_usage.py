"""`stats.json`: each process adds its hits and saved seconds when it ends."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import hash_value, memorious
from funes._funes import KeyLock
from funes._results import usage
from funes._results.usage import Stats

RunPython = Callable[..., str]

DOUBLE = """
import time
from funes import memorious

@memorious
def double(x):
    time.sleep(0.01)
    return 2 * x
"""


def files_in(cache: Path, function: str = "double") -> list[Path]:
    return sorted((cache / function).glob("*/stats.json"))


def the_stats(cache: Path, function: str = "double") -> Stats | None:
    (folder,) = (cache / function).iterdir()
    return usage.read(folder)


def a_memo_with_hits(hits: int) -> Any:
    @memorious
    def double(x: int) -> int:
        return 2 * x

    for _ in range(hits + 1):
        double(1)
    return double


def test_each_process_adds_its_hits_and_saved_seconds(cache: Path, run_python: RunPython) -> None:
    run_python(DOUBLE + "double(1), double(1), double(1)")
    first = the_stats(cache)
    assert first is not None
    assert first.hits == 2
    assert first.saved_seconds > 0.02
    run_python(DOUBLE + "double(1)")
    second = the_stats(cache)
    assert second is not None
    assert second.hits == 3
    assert second.saved_seconds == pytest.approx(first.saved_seconds * 3 / 2)


def test_process_without_hits_writes_nothing(cache: Path, run_python: RunPython) -> None:
    run_python(DOUBLE + "double(1)")
    (folder,) = (cache / "double").iterdir()
    before = os.stat(folder).st_mtime_ns, sorted(os.listdir(folder))
    run_python(DOUBLE + "print(double.is_cached(1))")
    assert (os.stat(folder).st_mtime_ns, sorted(os.listdir(folder))) == before
    assert usage.read(folder) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_child_counts_only_its_own_hits(cache: Path, run_python: RunPython) -> None:
    run_python(
        "import os, sys\n"
        + DOUBLE
        + "double(1), double(1), double(1)\n"
        + "if os.fork() == 0:\n    double(1)\n    sys.exit()\n"
        + "os.wait()\ndouble(1)"
    )
    found = the_stats(cache)
    assert found is not None
    assert found.hits == 2 + 1 + 1


# Without those that joblib and loky add to a process that imports them.
METHODS = {"fork", "spawn", "forkserver"} & set(multiprocessing.get_all_start_methods())


@pytest.mark.parametrize("method", sorted(METHODS))
def test_pool_workers_count_with_every_start_method(
    method: str, cache: Path, run_python: RunPython
) -> None:
    run_python(
        f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
{DOUBLE}
if __name__ == "__main__":
    double(1), double(1)
    context = multiprocessing.get_context({method!r})
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(double, [1] * 8))
"""
    )
    found = the_stats(cache)
    assert found is not None
    assert found.hits == 1 + 8


def test_killed_process_does_not_count(cache: Path, run_python: RunPython) -> None:
    run_python(DOUBLE + "import os\ndouble(1), double(1)\nos._exit(0)")
    assert files_in(cache) == []


def test_hits_count_for_their_definition(cache: Path) -> None:
    space: dict[str, Any] = {"memorious": memorious, "RATE": 1}
    exec("@memorious\ndef scaled(x):\n    return RATE * x", space)
    scaled = space["scaled"]
    folders = []
    for rate, hits in (1, 2), (2, 3), (1, 4):
        space["RATE"] = rate
        folders.append(scaled.cache_path)
        if not scaled.is_cached(1):
            scaled(1)
        for _ in range(hits):
            scaled(1)
    usage.save()
    found = [usage.read(folder) for folder in folders[:2]]
    assert [each and each.hits for each in found] == [2 + 4, 3]


def test_hits_before_cache_clear_and_of_deleted_functions_count(cache: Path) -> None:
    double = a_memo_with_hits(2)
    double.cache_clear()
    double(1)
    del double
    usage.save()
    found = the_stats(cache)
    assert found is not None
    assert found.hits == 3
    usage.save()
    assert the_stats(cache) == found


def test_file_matches_documented_format(cache: Path) -> None:
    double = a_memo_with_hits(1)
    usage.save()
    (path,) = files_in(cache)
    assert path.parent == double.cache_path
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == {"format": 1, "hits": 1, "saved_seconds": content["saved_seconds"]}
    assert content["saved_seconds"] > 0
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        path.parent.chmod(0o770)
        double(1)
        usage.save()
        assert path.stat().st_mode & 0o777 == 0o660
    assert not list(path.parent.glob(".tmp-*"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"format": 1}',
        b'{"format": 1, "hits": -1, "saved_seconds": 0}',
        b'{"format": 1, "hits": 1, "saved_seconds": NaN}',
        b'{"format": "1", "hits": 1, "saved_seconds": 0}',
        b" " * 5000 + b'{"format": 1, "hits": 1, "saved_seconds": 0}',
    ],
)
def test_invalid_file_is_replaced(content: bytes, cache: Path) -> None:
    double = a_memo_with_hits(1)
    (double.cache_path / "stats.json").write_bytes(content)
    assert usage.read(double.cache_path) is None
    usage.save()
    assert the_stats(cache) is not None


def test_file_of_later_version_is_unchanged(cache: Path) -> None:
    double = a_memo_with_hits(1)
    path = double.cache_path / "stats.json"
    path.write_bytes(b'{"format": 2, "hits": {}}')
    usage.save()
    assert usage.read(double.cache_path) is None
    assert path.read_bytes() == b'{"format": 2, "hits": {}}'


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
def test_link_is_not_followed_and_pipe_does_not_block(cache: Path, tmp_path: Path) -> None:
    double = a_memo_with_hits(1)
    path = double.cache_path / "stats.json"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b'{"format": 1, "hits": 7, "saved_seconds": 7}')
    path.symlink_to(elsewhere)
    assert usage.read(double.cache_path) is None
    usage.save()
    assert json.loads(elsewhere.read_bytes())["hits"] == 7
    path.unlink()
    os.mkfifo(path)
    double(1)
    assert usage.read(double.cache_path) is None
    usage.save()
    found = the_stats(cache)
    assert found is not None
    assert found.hits == 1


def test_deleted_folder_is_not_created_again(cache: Path) -> None:
    double = a_memo_with_hits(1)
    folder = double.cache_path
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    usage.save()
    assert not folder.exists()


def test_held_lock_does_not_block(cache: Path, run_python: RunPython) -> None:
    double = a_memo_with_hits(0)
    lock = KeyLock(str(double.cache_path), hash_value("stats.json"))
    assert lock.acquire()
    script = f"""
from funes._results import usage
from funes._funes import KeyLock
usage._add({str(double.cache_path)!r}, usage.Stats(1, 1.0))
"""
    try:
        run_python(script)
        assert usage.read(double.cache_path) is None
    finally:
        lock.release()
    run_python(script)
    assert usage.read(double.cache_path) == Stats(1, 1.0)


def test_largest_savings_are_written_first_within_the_time_limit(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage.save()
    monkeypatch.setattr(usage, "take_usage", lambda: [("a", 1, 1.0), ("b", 1, 3.0), ("c", 1, 2.0)])
    moments = iter([0.0, 0.0, 0.5, 1.5])
    monkeypatch.setattr(usage, "monotonic", lambda: next(moments))
    added: list[str] = []
    monkeypatch.setattr(usage, "_add", lambda folder, _: added.append(folder))
    usage.save()
    assert added == ["b", "c"]


def test_running_process_still_hits_after_stats_are_written(
    cache: Path, run_python: RunPython
) -> None:
    out = run_python(
        DOUBLE
        + "from funes._results import usage\n"
        + "double(1), double(1)\nusage.save()\ntime.sleep(1.1)\ndouble(1), double(1)\n"
        + "print(double.cache_info().misses, double.cache_info().memory_hits)"
    )
    assert out.split() == ["1", "3"]


def test_stats_file_is_no_entry(cache: Path) -> None:
    from funes import load_cached_results

    double = a_memo_with_hits(1)
    usage.save()
    assert [result["output"] for result in load_cached_results(double)] == [2]
