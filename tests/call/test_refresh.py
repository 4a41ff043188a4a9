"""`f.refresh` computes a result again and replaces the stored one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import load_cached_results, memorious

#: The number that `current` reads from outside of its definition.
STATE = Path("state")


@pytest.fixture(autouse=True)
def _state(cache: Path) -> None:
    # After `cache`, which changes the working directory.
    assert cache.parent == Path.cwd()
    set_state(1)


def set_state(number: int) -> None:
    STATE.write_text(str(number))


def note(name: str = "runs") -> None:
    with open(name, "a") as file:
        file.write("+")


def runs(name: str = "runs") -> int:
    return len(Path(name).read_text()) if os.path.exists(name) else 0


@memorious(files="ignore")
def current(x: int) -> int:
    note()
    return x + int(STATE.read_text())


@memorious(files="ignore")
def current_list(x: int) -> list[int]:
    return [x, int(STATE.read_text())]


@memorious(files="ignore")
async def current_async(x: int) -> int:
    note()
    await asyncio.sleep(0)
    return x + int(STATE.read_text())


@memorious(files="ignore")
def draw() -> float:
    return random.random() + int(STATE.read_text())


@memorious(files="ignore")
def outer(x: int) -> int:
    return current(x) * 100


class Model:
    def __init__(self, scale: int) -> None:
        self.scale = scale

    @memorious(files="ignore")
    def value(self, x: int) -> int:
        return self.scale * x + int(STATE.read_text())

    @memorious(files="ignore")
    @classmethod
    def named(cls, x: int) -> tuple[str, int]:
        return cls.__name__, x + int(STATE.read_text())


@pytest.fixture(autouse=True)
def _fresh_memos(cache: Path) -> None:
    for memo in (
        current,
        current_list,
        current_async,
        draw,
        outer,
        Model.value,
        Model.named.__func__,
    ):
        memo._move(str(cache))


def test_refresh_replaces_the_result_in_memory_and_on_disk() -> None:
    for _ in range(100):
        assert current(1) == 2  # so that the direct table has it
    set_state(5)
    assert current(1) == 2
    assert current.refresh(1) == 6
    assert current(1) == 6
    current.cache_clear()
    assert current(1) == 6
    assert runs() == 2
    assert [each["output"] for each in load_cached_results(current)] == [6]


def test_refresh_of_a_mutable_result_replaces_the_copy_in_memory() -> None:
    assert current_list(1) == [1, 1]
    assert current_list(1) == [1, 1]
    set_state(5)
    first = current_list.refresh(1)
    first.append(0)
    assert current_list(1) == [1, 5]


def test_refresh_of_an_absent_result_stores_it() -> None:
    assert current.refresh(1) == 2
    set_state(5)
    assert current(1) == 2


def test_refresh_by_keyword_and_default_has_the_same_key() -> None:
    assert current.refresh(x=1) == 2
    assert current.is_cached(1)


def test_refresh_leaves_inner_results() -> None:
    assert outer(1) == 200
    set_state(5)
    assert outer.refresh(1) == 200
    assert current.refresh(1) == 6
    assert outer(1) == 200
    assert outer.refresh(1) == 600


def test_refresh_of_bound_methods() -> None:
    model = Model(3)
    assert model.value(1) == 4
    assert Model.named(1) == ("Model", 2)
    set_state(5)
    assert model.value.refresh(1) == 8
    assert Model(3).value(1) == 8
    assert Model.named.refresh(1) == ("Model", 6)
    assert Model.named(1) == ("Model", 6)


def test_refresh_with_a_seed_draws_the_same_numbers_and_restores_generators() -> None:
    first = draw(global_seed=7)
    before = random.getstate()
    set_state(2)
    assert draw.refresh(global_seed=7) == first + 1
    assert random.getstate() == before
    assert draw(global_seed=7) == first + 1


def test_refresh_of_a_coroutine_function() -> None:
    async def main() -> None:
        assert await current_async(1) == 2
        set_state(5)
        awaitable = current_async.refresh(1)
        assert runs() == 1, "nothing runs before it is awaited"
        assert await awaitable == 6
        assert await current_async(1) == 6

    asyncio.run(main())


def test_failed_refresh_leaves_the_result() -> None:
    assert current(1) == 2
    STATE.write_text("no number")
    with pytest.raises(ValueError, match="no number"):
        current.refresh(1)
    assert current(1) == 2
    assert current.is_cached(1)


def test_refresh_with_wrong_arguments_raises_the_error_of_the_function() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        current.refresh()
    with pytest.raises(TypeError, match="unexpected keyword"):
        current.refresh(1, y=2)


def test_refresh_replaces_a_damaged_entry() -> None:
    assert current(1) == 2
    path = current.key(1).path
    path.write_bytes(path.read_bytes()[:-30] + bytes(30))
    assert current.refresh(1) == 2
    assert current.is_cached(1)


def test_refresh_replaces_signed_entries(cache: Path) -> None:
    @memorious(files="ignore", signing_key="secret")
    def signed(x: int) -> int:
        return x + int(STATE.read_text())

    assert signed(1) == 2
    set_state(5)
    assert signed.refresh(1) == 6
    signed.cache_clear()
    assert signed(1) == 6
    assert signed.is_cached(1)


def test_refresh_leaves_no_other_file(cache: Path) -> None:
    current(1)
    names = sorted(path.name for path in cache.rglob("*"))
    current.refresh(1)
    assert sorted(path.name for path in cache.rglob("*")) == names


@memorious(files="ignore")
def waits(x: int) -> int:
    note()
    while not os.path.exists("go"):
        time.sleep(0.002)
    return x + int(STATE.read_text())


def test_refresh_beside_a_running_computation_computes_after_it(cache: Path) -> None:
    waits._move(str(cache))
    with ThreadPoolExecutor() as pool:
        running = pool.submit(waits, 1)
        while runs() < 1:
            time.sleep(0.002)
        time.sleep(0.05)
        refreshed = pool.submit(waits.refresh, 1)
        time.sleep(0.05)
        Path("go").touch()
        assert running.result() == 2
        assert refreshed.result() == 2
    assert runs() == 2, "the computation had begun before the refresh"


def test_simultaneous_refreshes_share_a_computation(cache: Path) -> None:
    waits._move(str(cache))
    Path("go").touch()
    waits(1)
    Path("go").unlink()
    set_state(5)
    with ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8)

        def refresh() -> int:
            barrier.wait()
            return waits.refresh(1)

        waiting = [pool.submit(refresh) for _ in range(8)]
        while runs() < 2:
            time.sleep(0.002)
        time.sleep(0.2)
        assert waits(1) == 2, "other calls get the former result meanwhile"
        Path("go").touch()
        assert {each.result() for each in waiting} == {6}
    # A refresh that begins after a computation began needs another one. When the threads run is up to the system.
    assert runs() < 8


READER = """
import sys, time
import test_refresh
from pathlib import Path
assert test_refresh.current(1) == 2
assert test_refresh.current(1) == 2
print("ready", flush=True)
assert sys.stdin.readline()
time.sleep(1.2)
print(test_refresh.current(1), flush=True)
"""


def in_process(code: str) -> subprocess.Popen[str]:
    folder = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": folder},
    )


@pytest.mark.slow
def test_another_process_sees_the_new_result_within_a_second() -> None:
    with in_process(READER) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        set_state(5)
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import test_refresh; assert test_refresh.current.refresh(1) == 6",
            ],
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "6\n"


@memorious(files="ignore")
def large(x: int) -> Any:
    return np.full(1_000_000, float(STATE.read_text()) + x)


def test_refresh_of_a_mapped_array_leaves_the_array_of_a_reader(cache: Path) -> None:
    large._move(str(cache))
    large(0)
    large.cache_clear()
    mapped = large(0)
    set_state(5)
    large.refresh(0)
    assert (mapped == 1).all()
    assert (large(0) == 5).all()


KILLED = """
import os, test_refresh
for number in range(10 ** 9):
    test_refresh.set_state(number)
    test_refresh.current_list.refresh(1)
    if number == 0:
        print("ready", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.slow
def test_killing_a_process_that_replaces_leaves_an_entry(cache: Path) -> None:
    for delay in range(5):
        with in_process(KILLED) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay / 100)
            os.kill(process.pid, signal.SIGKILL)
        found = list(load_cached_results(current_list))
        assert len(found) == 1
        assert found[0]["output"][0] == 1


def test_readers_see_only_whole_results_while_a_result_is_replaced() -> None:
    current_list(1)
    is_over = threading.Event()

    def read() -> int:
        count = 0
        while not is_over.is_set():
            current_list.cache_clear()
            assert current_list(1)[0] == 1
            count += 1
        return count

    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        for number in range(100):
            set_state(number)
            assert current_list.refresh(1) == [1, number]
            assert current_list(1) == [1, number]
        is_over.set()
        assert reader.result() > 0
