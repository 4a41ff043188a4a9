"""Results in memory: ownership, bounds, and when they are forgotten."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from funes import memorious
from funes.types import CacheInfo

pytestmark = pytest.mark.usefixtures("cache")

RunPython = Callable[..., str]

# Statistics


def test_cache_info_counts_hits_and_misses() -> None:
    @memorious
    def slow(x: int) -> int:
        time.sleep(0.02)
        return x

    assert slow.cache_info() == CacheInfo(0, 0, 0, 0.0, 0.0, 0, 0, {})
    assert [slow(1), slow(1), slow(2), slow(1)] == [1, 1, 2, 1]
    info = slow.cache_info()
    assert (info.memory_hits, info.disk_hits, info.misses) == (2, 0, 2)
    assert 0.04 <= info.computed_seconds < 1
    assert info.saved_seconds == pytest.approx(info.computed_seconds, rel=0.9)
    assert info.memory_bytes > 0

    slow.cache_clear()
    assert slow.cache_info() == CacheInfo(0, 0, 0, 0.0, 0.0, 0, 0, {})
    assert [slow(1), slow(1)] == [1, 1]
    info = slow.cache_info()
    assert (info.memory_hits, info.disk_hits, info.misses) == (1, 1, 0)
    assert info.saved_seconds >= 0.04
    assert info.computed_seconds == 0


@pytest.mark.parametrize("result", [1.5, [1, {"a": b"b"}], Fraction(1, 3), Counter("abb")])
def test_disk_hit_is_kept_in_memory(result: Any) -> None:
    @memorious
    def made() -> Any:
        return result

    made()
    made.cache_clear()
    assert [made(), made(), made()] == [result] * 3
    assert made.cache_info()[:3] == (2, 1, 0)


def test_failed_and_unhashable_calls_count_as_misses() -> None:
    @memorious
    def fail(x: Any) -> None:
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError):
            fail(1)
    with pytest.warns(UserWarning, match="ran uncached"), pytest.raises(KeyError):
        fail(iter(()))
    assert fail.cache_info()[:3] == (0, 0, 3)


async def _later(x: int) -> int:
    return x


def test_coroutine_results_are_kept_in_memory() -> None:
    import asyncio

    later = memorious(_later)
    assert [asyncio.run(later(1)) for _ in range(3)] == [1, 1, 1]
    assert later.cache_info()[:3] == (2, 0, 1)


@pytest.mark.parametrize("spelling", range(6))
def test_all_spellings_of_a_call_hit_in_memory(spelling: int) -> None:
    @memorious
    def f(a: int, b: float = 2.5, *, c: str = "c", d: Any = None) -> int:
        return a

    f(1, d=True)
    spellings: list[Callable[[], int]] = [
        lambda: f(1, d=True),
        lambda: f(1, 2.5, d=True),
        lambda: f(a=1, d=True, b=2.5),
        lambda: f(1, c="c", d=True),
        lambda: f(**{"".join(["d"]): True, "a": 1, "".join(["c"]): "c"}),
        lambda: f(*[1], d=True),
    ]
    assert spellings[spelling]() == 1
    assert f.cache_info()[:3] == (1, 0, 1)


# The caller owns the result

MUTABLE: list[Callable[[], Any]] = [
    lambda: [1.5, 2.5],
    lambda: [[1], [2], [3]],
    lambda: {"a": [1], "b": {"c": {1, 2}}},
    lambda: ([1],),
    lambda: {1, 2, 3},
    lambda: bytearray(b"abc"),
    lambda: {"key": (1, [2, {"deep": [3]}])},
    lambda: Counter("abracadabra"),
    lambda: [object, len],
    lambda: [{}] * 3,
]


def change(value: Any) -> None:
    """Changes every container in a value."""
    if isinstance(value, dict):
        for part in list(value.values()):
            change(part)
        value.clear()
    elif isinstance(value, (list, tuple)):
        for part in value:
            change(part)
        if isinstance(value, list):
            value.append("spoilt")
    elif isinstance(value, (set, bytearray)):
        value.clear()


@pytest.mark.parametrize("make", MUTABLE)
def test_changing_a_result_does_not_affect_later_callers(make: Callable[[], Any]) -> None:
    @memorious
    def f(x: int) -> Any:
        return make()

    expected = make()
    for _ in range(4):
        result = f(1)
        assert result == expected
        assert type(result) is type(expected)
        change(result)
    info = f.cache_info()
    assert (info.memory_hits, info.misses) == (3, 1)


def test_shared_references_and_cycles_survive_in_memory() -> None:
    @memorious
    def f(kind: str) -> Any:
        part: list[Any] = [1]
        if kind == "shared":
            return [part, part]
        part.append(part)
        return part

    for _ in range(3):
        shared = f("shared")
        assert shared[0] is shared[1]
        cycle = f("cycle")
        assert cycle[1] is cycle


@pytest.mark.parametrize("value", [1, 1.5, "text", b"bytes", None, True, 2**100, (1, ("a", None))])
def test_immutable_results_are_shared(value: Any) -> None:
    @memorious
    def f(x: int) -> Any:
        return copy.deepcopy(value)

    f(1)
    assert f(1) is f(1)
    assert f(1) == value


def test_arrays_from_memory_are_copies() -> None:
    np = pytest.importorskip("numpy")

    @memorious
    def f(n: int) -> Any:
        return np.arange(n)

    for n in (10, 1_000_000):
        for _ in range(3):
            array = f(n)
            assert array.flags.writeable
            assert (array == np.arange(n)).all()
            array[:] = -1


# Bounds


@pytest.mark.slow
def test_the_memory_of_one_function_is_bounded() -> None:
    @memorious(memory=100_000)
    def f(x: int) -> str:
        return str(x) * 50

    for x in range(2000):
        f(x)
    held = f.cache_info().memory_bytes
    assert 50_000 < held <= 100_000
    for x in range(2000):
        assert f(x) == str(x) * 50
    assert f.cache_info().misses == 2000


@pytest.mark.parametrize(("memory", "hits"), [(1024, 0), ("1K", 0), ("1M", 1), (2**20, 1)])
def test_size_of_memory_may_have_a_unit(memory: int | str, hits: int) -> None:
    @memorious(memory=memory)
    def f(x: int) -> bytes:
        return bytes(x)

    f(5000)
    f(5000)
    assert f.cache_info().memory_hits == hits


@pytest.mark.parametrize(
    ("memory", "error", "text"),
    [("1X", ValueError, "memory: '1X' is not a size"), (1.5, TypeError, "such as 64M")],
)
def test_size_of_memory_that_is_none(memory: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        memorious(memory=memory)


@pytest.mark.parametrize("memory", [0, "0"])
def test_memory_zero_keeps_nothing(memory: int | str) -> None:
    @memorious(memory=memory)
    def f(x: int) -> int:
        return x

    assert [f(1), f(1), f(1)] == [1, 1, 1]
    assert f.cache_info()[:3] == (0, 2, 1)
    assert f.cache_info().memory_bytes == 0


def test_result_larger_than_the_memory_bound_is_not_kept() -> None:
    @memorious(memory=100_000)
    def f(x: int) -> bytes:
        return bytes(x)

    f(1)
    f(90_000)
    f(90_000)
    f(1)
    assert f.cache_info()[:3] == (1, 1, 2)


@pytest.mark.parametrize(
    ("setting", "hits"), [("0", (0, 1)), ("64K", (1, 0)), ("1g", (1, 0)), ("nonsense", (1, 0))]
)
def test_memory_bound_of_the_process(run_python: RunPython, setting: str, hits: Any) -> None:
    script = """if True:
        from funes import memorious

        @memorious
        def f(x):
            return x

        f(1), f(1)
        print(*f.cache_info()[:2])
    """
    assert run_python(script, FUNES_MEMORY=setting).split() == [str(number) for number in hits]


@pytest.mark.slow
def test_memory_bound_counts_actual_bytes(run_python: RunPython) -> None:
    """The bound limits the memory that is really used, not an estimate far from it."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how much memory a process has")
    script = """if True:
        import ctypes, gc, os
        from funes import memorious

        @memorious(durability="never")
        def f(x):
            return x + 0.5

        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        for x in range(1000):
            f(x)
        gc.collect()
        # Otherwise the results go into memory that the start of the process has freed.
        getattr(ctypes.CDLL(None), "malloc_trim", bool)(0)
        before, held = resident(), f.cache_info().memory_bytes
        for x in range(1000, 21000):
            f(x)
        print((resident() - before) / (f.cache_info().memory_bytes - held))
    """
    ratio = float(run_python(script))
    assert 0.4 < ratio <= 1.1


# Forgetting


def test_manually_deleted_entry_is_forgotten_within_a_second() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1), f(2)
    path, other = f.key(1).path, f.key(2).path
    assert [f(1), f(2)] == [1, 2]
    path.unlink()
    deadline = time.monotonic() + 1.5
    while not path.exists():
        assert time.monotonic() < deadline
        f(1)
        time.sleep(0.01)
    f(2)
    info = f.cache_info()
    assert info.misses == 3
    assert info.disk_hits == 0, "what was not deleted is still in memory"
    assert other.exists()


def test_deleted_cache_is_recomputed(cache: Path) -> None:
    import shutil

    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    shutil.rmtree(cache)
    time.sleep(1.1)
    assert f(1) == 1
    assert f.cache_info().misses == 2
    assert f.key(1).path.exists()


def test_forgotten_result_is_recomputed() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    assert f.forget(1)
    f(1)
    assert f.cache_info().misses == 2


def test_reverted_code_finds_its_results_in_memory() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    old, new = f.__wrapped__.__code__, (lambda x: x + 1).__code__
    for code, expected in [(old, 1), (new, 2), (old, 1), (new, 2), (old, 1)]:
        f.__wrapped__.__code__ = code
        assert f(1) == expected
    assert f.cache_info()[:3] == (3, 0, 2)


def test_functions_with_equal_definitions_do_not_share_memory(tmp_path: Path) -> None:
    def f(x: int) -> int:
        return x

    one, other = (memorious(cache_dir=tmp_path / name)(f) for name in ("one", "other"))
    assert [one(1), other(1)] == [1, 1]
    assert [one.cache_info().misses, other.cache_info().misses] == [1, 1]
    one.cache_clear()
    assert one.cache_info().memory_bytes == 0
    assert other.cache_info().memory_bytes > 0


# Threads, forks and other processes


def test_concurrent_hits_misses_and_clears() -> None:
    @memorious(memory=20_000)
    def f(x: int) -> list[int]:
        return [x]

    wrong: list[Any] = []
    end = time.monotonic() + 1.0

    def work(seed: int) -> None:
        x = seed
        while time.monotonic() < end:
            x = (x * 31 + 7) % 64
            result = f(x)
            if result != [x]:
                wrong.append((x, result))
            result.append(-1)
            if x == seed:
                f.cache_clear()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("remove", [lambda f: f.cache_clear(), lambda f: f.forget(1)])
def test_results_that_one_thread_removes_are_removed_for_all(
    cache: Path, remove: Callable[[Any], object]
) -> None:
    @memorious
    def f(x: int) -> int:
        return x

    removed, seen = (threading.Barrier(2, timeout=60) for _ in range(2))
    infos = []

    def call() -> None:
        for _ in range(3):
            assert [f(1) for _ in range(5)] == [1] * 5
            seen.wait()
            removed.wait()
            before = f.cache_info()
            f(1)
            infos.append((before, f.cache_info()))

    thread = threading.Thread(target=call)
    thread.start()
    for _ in range(3):
        seen.wait()
        remove(f)
        removed.wait()
    thread.join()
    # The call did not find the result in memory: it read the entry, or computed it again.
    assert [after.memory_hits - before.memory_hits for before, after in infos] == [0] * 3


def test_hits_of_all_threads_are_counted() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    threads = [threading.Thread(target=lambda: [f(1) for _ in range(100)]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert f.cache_info().memory_hits == 2000
    f.cache_clear()
    assert f.cache_info().memory_hits == 0


@pytest.mark.slow
def test_fork_during_hits_of_other_threads(run_python: RunPython) -> None:
    script = """if True:
        import os, threading, time
        from funes import memorious

        @memorious
        def f(x):
            return [x]

        for x in range(50):
            f(x)
        stop = False

        def work():
            while not stop:
                for x in range(50):
                    f(x)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(0 if [f(x) for x in range(60)] == [[x] for x in range(60)] else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0, status
        stop = True
        for thread in threads:
            thread.join()
        print("done")
    """
    assert run_python(script) == "done\n"


def test_other_processes_find_results(cache: Path) -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    assert f.cache_info().misses == 1
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.unlink({str(f.key(1).path)!r})"], check=True
    )
    assert done.returncode == 0
    time.sleep(1.1)
    f(1)
    assert f.cache_info().misses == 2
