"""`memorious(max_bytes=...)` and `FUNES_MAX_BYTES`: a cache stays below a size."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import funes
from funes import CacheWarning, memorious
from funes._funes import KeyLock, close_segments, hash_value, size_of
from funes._results import size_bound
from funes.types import Memo

KB = 1024


@pytest.fixture(autouse=True)
def _forget_bounds() -> Iterator[None]:
    yield
    wait()
    size_bound._bounds.clear()


def wait() -> None:
    """Waits until no thread measures or deletes."""
    for bound in size_bound._bounds.values():
        if bound._thread is not None:
            bound._thread.join()


def make(folder: Path, max_bytes: Any = 100 * KB, **options: Any) -> Memo[..., Any]:
    @memorious(cache_dir=folder, memory=0, max_bytes=max_bytes, **options)
    def fill(x: int, size: int = 2000) -> bytes:
        return hashlib.shake_128(str(x).encode()).digest(size)

    return fill


def account(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "size.json").read_text())
    return content


@pytest.mark.parametrize("packed", [False, True])
def test_cache_stays_below_the_bound(tmp_path: Path, packed: bool) -> None:
    fill = make(tmp_path, 50 * KB, packed=packed)
    largest = 0
    for x in range(80):
        assert len(fill(x)) == 2000
        wait()
        largest = max(largest, size_of(str(tmp_path)))
    assert 45 * KB < largest < 55 * KB
    assert sum(fill.is_cached(x) for x in range(80)) > 15
    assert account(tmp_path)["bytes"] <= 52 * KB
    assert not (tmp_path / "fill" / fill.definition / "damaged").exists()


def test_nothing_is_deleted_or_written_without_a_bound(tmp_path: Path) -> None:
    fill = make(tmp_path, None)
    for x in range(100):
        fill(x)
    assert sum(fill.is_cached(x) for x in range(100)) == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fill", "runs"]
    assert not size_bound._bounds


@pytest.mark.parametrize("packed", [False, True])
def test_run_records_without_results_are_deleted(tmp_path: Path, packed: bool) -> None:
    # Jobs in containers have a new host name each: their records must not fill the cache.
    runs = tmp_path / "runs"
    runs.mkdir(parents=True)
    unused, young = runs / f"{'0' * 32}.json", runs / f"{'1' * 32}.json"
    unused.write_bytes(bytes(5 * KB))
    young.write_bytes(bytes(KB))
    before = time.time() - 2 * 86400
    os.utime(unused, (before, before))
    fill = make(tmp_path, 50 * KB, packed=packed)
    for x in range(30):
        fill(x)
        if not x:
            [used] = set(runs.iterdir()) - {unused, young}
        os.utime(used, (before, before))
        wait()
    assert {young, used} <= set(runs.iterdir())
    assert not unused.exists()


def test_least_valuable_results_are_deleted(tmp_path: Path) -> None:
    @memorious(cache_dir=tmp_path, max_bytes=60 * KB, memory=0)
    def slow(x: int) -> bytes:
        time.sleep(0.02)
        return bytes(2000)

    for x in range(10):
        slow(x)
    fill = make(tmp_path, 60 * KB)
    for x in range(60):
        fill(x)
        wait()
    assert all(slow.is_cached(x) for x in range(10))
    assert sum(fill.is_cached(x) for x in range(60)) < 25
    assert fill.cache_path.exists()


def test_result_larger_than_the_bound_is_returned_and_deleted(tmp_path: Path) -> None:
    fill = make(tmp_path)
    for x in range(10):
        fill(x)
    assert len(fill(10, 300_000)) == 300_000
    wait()
    assert not fill.is_cached(10, 300_000)
    assert all(fill.is_cached(x) for x in range(10))


def test_environment_variable_sets_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_MAX_BYTES", "50K")
    fill = make(tmp_path, None)
    for x in range(60):
        fill(x)
        wait()
    assert size_of(str(tmp_path)) < 55 * KB
    # The option counts before the variable.
    other = make(tmp_path / "other", "1M")
    for x in range(60):
        other(x)
    assert all(other.is_cached(x) for x in range(60))


@pytest.mark.parametrize("value", ["10X", "-3", "much"])
def test_invalid_variable_gives_one_warning(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_MAX_BYTES", value)
    fill = make(tmp_path, None)
    with pytest.warns(CacheWarning, match="FUNES_MAX_BYTES is ignored: it must be a size"):
        fill(1)
    assert fill.is_cached(1)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("10X", ValueError, "max_bytes: '10X' is not a size"),
        (0, ValueError, "max_bytes must be at least one byte"),
        ("0", ValueError, "max_bytes must be at least one byte"),
        (-1, ValueError, "max_bytes must be at least one byte"),
        (True, TypeError, "max_bytes must be a size such as 64M or a number of bytes"),
        (1.5, TypeError, "max_bytes must be a size such as 64M or a number of bytes"),
    ],
)
def test_invalid_bound_is_refused(value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(Path("cache"), value)


def test_equal_sizes_are_equal_bounds() -> None:
    bounds = [make(Path("cache"), value)._options.max_bytes for value in (2048, "2K", "2kiB")]
    assert bounds == [2048] * 3


def test_no_call_waits_for_another_process_that_deletes(tmp_path: Path) -> None:
    fill = make(tmp_path, 20 * KB)
    fill(0)
    wait()
    holder = """
import sys
from funes._funes import KeyLock, hash_value
lock = KeyLock(sys.argv[1], hash_value("size.json"))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", holder, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        for x in range(1, 30):
            fill(x)
            wait()
        assert all(fill.is_cached(x) for x in range(30)), "the other process deletes"
        process.communicate(b"")
    fill(30)
    wait()
    assert size_of(str(tmp_path)) < 20 * KB


def test_failures_do_not_reach_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(5, "the disk is on fire")

    for name in ("write_json", "plan", "size_of"):
        with monkeypatch.context() as patch:
            patch.setattr(size_bound, name, refuse)
            fill = make(tmp_path / name, 20 * KB)
            for x in range(30):
                fill(x)
                wait()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        fill = make(tmp_path / "thread", 20 * KB)
        for x in range(30):
            fill(x)
        assert all(fill.is_cached(x) for x in range(30))


def test_interrupt_during_the_report_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    fill = make(tmp_path)
    monkeypatch.setattr(threading.Thread, "start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fill(1)
    monkeypatch.undo()
    assert len(fill(1)) == 2000
    assert fill.is_cached(1)


def test_modes_that_store_nothing_delete_nothing(tmp_path: Path) -> None:
    for x in range(30):
        make(tmp_path, None)(x)
    fill = make(tmp_path, 20 * KB)
    with funes.mode("readonly"):
        for x in range(40):
            fill(x)
    with funes.mode("offline"):
        assert len(fill(3)) == 2000
    wait()
    assert all(fill.is_cached(x) for x in range(30))
    assert not (tmp_path / "size.json").exists()


def test_array_in_use_stays_readable(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    @memorious(cache_dir=tmp_path, max_bytes=3 << 20, memory=0)
    def ones(x: int) -> Any:
        return numpy.ones(1 << 17) * x

    ones(1)
    mapped = ones(1)
    for x in range(2, 12):
        ones(x)
        wait()
    assert not all(ones.is_cached(x) for x in range(1, 12))
    assert mapped.sum() == 1 << 17


def test_account_that_is_old_damaged_or_missing_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "size.json"
    make(tmp_path, None)(99)  # which writes definition.json
    written: list[int] = []
    for content in (
        None,
        "{",
        "[]",
        '{"format": 1, "bytes": "x", "measured_bytes": 0, "measured": 0}',
        json.dumps({"format": 1, "bytes": 7, "measured_bytes": 7, "measured": time.time() - 2e5}),
        json.dumps({"format": 1, "bytes": 7, "measured_bytes": 7, "measured": time.time() + 2e5}),
    ):
        if content is not None:
            path.write_text(content)
        size_bound._bounds.clear()
        make(tmp_path)(len(written))
        wait()
        written.append(account(tmp_path)["bytes"])
        assert abs(size_of(str(tmp_path)) - written[-1]) < 300
    newer = '{"format": 2}'
    path.write_text(newer)
    size_bound._bounds.clear()
    fill = make(tmp_path, 5 * KB)
    for x in range(10, 20):
        fill(x)
        wait()
    assert path.read_text() == newer
    assert all(fill.is_cached(x) for x in range(10, 20))


def test_bound_that_cannot_be_reached_is_not_tried_at_each_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @memorious(cache_dir=tmp_path, max_bytes=200 * KB, memory=0, large_argument=1000)
    def length(data: bytes) -> int:
        return len(data)

    plans = []
    plan = size_bound.plan
    monkeypatch.setattr(size_bound, "plan", lambda *a, **k: plans.append(1) or plan(*a, **k))
    length(bytes(400 * KB))
    wait()
    for size in range(1, 41):
        length(bytes(size))
        wait()
    assert length.is_cached(bytes(400 * KB)), "a new large argument stays for a day"
    assert 1 <= len(plans) <= 5


SCRIPT = """
import hashlib, sys
from funes import memorious

@memorious(cache_dir=sys.argv[1], max_bytes="100K")
def fill(x):
    return hashlib.shake_128(str(x).encode()).digest(2000)

for x in range(int(sys.argv[2]), int(sys.argv[3])):
    fill(x)
"""


@pytest.mark.slow
def test_short_processes_keep_the_cache_below_the_bound(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for start in range(0, 150, 10):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(cache), str(start), str(start + 10)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert size_of(str(cache)) < 125 * KB
        # What was stored while the cache was measured may be counted twice.
        assert -3 * KB < account(cache)["bytes"] - size_of(str(cache)) < 25 * KB


@pytest.mark.slow
def test_several_processes_delete_in_turn(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(cache), str(start), str(start + 500)],
            stderr=subprocess.PIPE,
        )
        for start in range(0, 2000, 500)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, b"")
    # They stored faster than one of them could delete.
    subprocess.run([sys.executable, "-c", SCRIPT, str(cache), "2000", "2001"], check=True)
    assert size_of(str(cache)) < 105 * KB
    done = subprocess.run([sys.executable, "-m", "funes", "verify", "--cache", str(cache)])
    assert done.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_children_count_their_own_results(tmp_path: Path) -> None:
    fill = make(tmp_path, 60 * KB)
    for x in range(10):
        fill(x)

    def child(start: int) -> None:
        for x in range(start, start + 20):
            fill(x)

    context = multiprocessing.get_context("fork")
    size_bound._working.acquire()  # as if the thread were at work during the fork
    try:
        processes = [context.Process(target=child, args=(start,)) for start in (100, 200, 300)]
        for process in processes:
            process.start()
    finally:
        size_bound._working.release()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    fill(10)
    wait()
    assert size_of(str(tmp_path)) < 75 * KB


def test_exit_waits_for_the_thread_and_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    pack = size_bound.rewritten

    def block(*args: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return pack(*args)

    monkeypatch.setattr(size_bound, "rewritten", block)
    monkeypatch.setattr(size_bound, "_EXIT_SECONDS", 0.01)
    fill = make(tmp_path, 20 * KB)
    x = 0
    while not begun.is_set():
        fill(x)
        x += 1
    (bound,) = size_bound._bounds.values()
    threading.Timer(0.05, go_on.set).start()
    bound.end()
    assert bound._ends
    assert bound._thread is not None
    assert not bound._thread.is_alive()
    assert len(fill(x)) == 2000


def test_lock_of_the_account_is_free_afterwards(tmp_path: Path) -> None:
    make(tmp_path)(1)
    wait()
    lock = KeyLock(str(tmp_path), hash_value("size.json"))
    assert lock.acquire() is True
    lock.release()


def test_compression_comes_before_deletion(tmp_path: Path) -> None:
    @memorious(cache_dir=tmp_path, max_bytes=100 * KB, memory=0, packed=True)
    def repeat(x: int) -> str:
        return f"{x:04}" * 300

    for x in range(150):
        repeat(x)
        wait()
    assert all(repeat.is_cached(x) for x in range(150))
    close_segments()
    assert list(repeat.cache_path.glob("packed/*.pack"))


def test_log_line_says_how_many_results_were_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="funes")
    fill = make(tmp_path, 20 * KB)
    for x in range(12):
        fill(x)
        wait()
    lines = [line for line in caplog.messages if " deleted to keep it below " in line]
    assert lines
    assert lines[0].startswith(f"{tmp_path}: ")
    assert lines[0].endswith("to keep it below 20.0 KiB")
