"""Results in memory: whose they are, how many there are, and when they are forgotten."""

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

# What is told, and where a result comes from


def test_the_numbers_of_a_function() -> None:
    @memorious
    def slow(x: int) -> int:
        time.sleep(0.02)
        return x

    assert slow.cache_info() == CacheInfo(0, 0, 0, 0.0, 0.0, 0)
    assert [slow(1), slow(1), slow(2), slow(1)] == [1, 1, 2, 1]
    info = slow.cache_info()
    assert (info.memory_hits, info.disk_hits, info.misses) == (2, 0, 2)
    assert 0.04 <= info.computed_seconds < 1
    assert info.saved_seconds == pytest.approx(info.computed_seconds, rel=0.9)
    assert info.memory_bytes > 0

    slow.cache_clear()
    assert slow.cache_info() == CacheInfo(0, 0, 0, 0.0, 0.0, 0)
    assert [slow(1), slow(1)] == [1, 1]
    info = slow.cache_info()
    assert (info.memory_hits, info.disk_hits, info.misses) == (1, 1, 0)
    assert info.saved_seconds >= 0.04
    assert info.computed_seconds == 0


@pytest.mark.parametrize("result", [1.5, [1, {"a": b"b"}], Fraction(1, 3), Counter("abb")])
def test_what_is_found_on_disk_is_kept_in_memory(result: Any) -> None:
    @memorious
    def made() -> Any:
        return result

    made()
    made.cache_clear()
    assert [made(), made(), made()] == [result] * 3
    assert made.cache_info()[:3] == (2, 1, 0)


def test_a_call_that_raises_or_cannot_be_remembered_is_a_miss() -> None:
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


def test_coroutine_functions_too() -> None:
    import asyncio

    later = memorious(_later)
    assert [asyncio.run(later(1)) for _ in range(3)] == [1, 1, 1]
    assert later.cache_info()[:3] == (2, 0, 1)


@pytest.mark.parametrize("spelling", range(6))
def test_every_spelling_of_a_call_hits_in_memory(spelling: int) -> None:
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
    """Spoil every container in a value."""
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
def test_nobody_sees_what_another_caller_does_to_a_result(make: Callable[[], Any]) -> None:
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


def test_what_is_one_object_twice_stays_so_and_cycles_too() -> None:
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
def test_what_cannot_change_is_shared(value: Any) -> None:
    @memorious
    def f(x: int) -> Any:
        return copy.deepcopy(value)

    f(1)
    assert f(1) is f(1)
    assert f(1) == value


def test_arrays_are_the_caller_s_own() -> None:
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


# How many there are


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


def test_no_memory_at_all() -> None:
    @memorious(memory=0)
    def f(x: int) -> int:
        return x

    assert [f(1), f(1), f(1)] == [1, 1, 1]
    assert f.cache_info()[:3] == (0, 2, 1)
    assert f.cache_info().memory_bytes == 0


def test_a_result_that_would_push_out_all_others_is_not_kept() -> None:
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
def test_the_bound_of_the_process(run_python: RunPython, setting: str, hits: Any) -> None:
    script = """if True:
        from funes import memorious

        @memorious
        def f(x):
            return x

        f(1), f(1)
        print(*f.cache_info()[:2])
    """
    assert run_python(script, FUNES_MEMORY=setting).split() == [str(number) for number in hits]


def test_what_a_result_takes_is_what_is_counted(run_python: RunPython) -> None:
    """The bound is one of memory, not of a number that has little to do with it."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not say how much memory a process has")
    script = """if True:
        import os
        from funes import memorious

        @memorious(durability="never")
        def f(x):
            return x + 0.5

        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        for x in range(1000):
            f(x)
        before, held = resident(), f.cache_info().memory_bytes
        for x in range(1000, 21000):
            f(x)
        print((resident() - before) / (f.cache_info().memory_bytes - held))
    """
    ratio = float(run_python(script))
    assert 0.4 < ratio <= 1.1


# When they are forgotten


def test_what_is_deleted_by_hand_is_forgotten_within_a_second() -> None:
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


def test_a_whole_cache_that_is_deleted_is_computed_anew(cache: Path) -> None:
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


def test_what_is_forgotten_is_computed_again() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    f(1)
    assert f.forget(1)
    f(1)
    assert f.cache_info().misses == 2


def test_old_code_that_comes_back_finds_its_results_in_memory() -> None:
    @memorious
    def f(x: int) -> int:
        return x

    old, new = f.__wrapped__.__code__, (lambda x: x + 1).__code__
    for code, expected in [(old, 1), (new, 2), (old, 1), (new, 2), (old, 1)]:
        f.__wrapped__.__code__ = code
        assert f(1) == expected
    assert f.cache_info()[:3] == (3, 0, 2)


def test_two_functions_of_one_definition_do_not_share_memory(tmp_path: Path) -> None:
    def f(x: int) -> int:
        return x

    one, other = (memorious(cache_dir=tmp_path / name)(f) for name in ("one", "other"))
    assert [one(1), other(1)] == [1, 1]
    assert [one.cache_info().misses, other.cache_info().misses] == [1, 1]
    one.cache_clear()
    assert one.cache_info().memory_bytes == 0
    assert other.cache_info().memory_bytes > 0


# Threads, forks, and other company


def test_threads_that_hit_and_miss_and_clear() -> None:
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
def test_a_fork_while_other_threads_hit(run_python: RunPython) -> None:
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


def test_other_processes_see_what_was_computed(cache: Path) -> None:
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
