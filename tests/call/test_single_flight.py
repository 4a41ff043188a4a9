"""Single flight among the threads and tasks of one process."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from funes import load_cached_results, memorious
from funes._call import liveness, single_flight
from funes._funes import KeyLock
from funes._memo.options import WAIT_SECONDS

#: Seconds: longer than any step here takes, and short enough to notice a hang.
SOON = 60

# Tests control the functions below by values that are not inputs of them: names in os.environ, and
# objects in this namespace, which is found in a way that the definition does not follow.
OUTSIDE: dict[str, Any] = {}


def outside(name: str) -> Any:
    return getattr(__import__(__name__), "OUTSIDE")[name]  # noqa: B009


@pytest.fixture(autouse=True)
def _outside(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(single_flight, "_PAUSES_SECONDS", (0.05, 0.05))
    OUTSIDE.clear()
    OUTSIDE.update(ran=[], act=lambda x: x)
    yield
    assert not single_flight._in_flight
    assert not single_flight._lock_waiters


def make(**options: Any) -> Any:
    """Returns a function that calls `OUTSIDE["act"]`."""

    @memorious(**options)
    def work(x: Any) -> Any:
        outside("ran").append(x)
        return outside("act")(x)

    return work


def make_async() -> Any:
    @memorious
    async def work(x: Any) -> Any:
        outside("ran").append(x)
        return await outside("act")(x)

    return work


def runs() -> int:
    return len(OUTSIDE["ran"])


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)


def waiters() -> int:
    """Returns how many threads and tasks wait for a call of this process."""
    return sum(len(claim.wakers) for claim in list(single_flight._in_flight.values()))


def in_threads(*calls: Callable[[], Any]) -> list[Future[Any]]:
    """Runs each call in its own thread. Daemon threads, so that a hang does not block the tests."""
    futures: list[Future[Any]] = [Future() for _ in calls]

    def run(future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    for future, call in zip(futures, calls, strict=True):
        threading.Thread(target=run, args=(future, call), daemon=True).start()
    return futures


# Threads


def test_sixteen_threads_compute_each_of_fifty_keys_once() -> None:
    work = make()
    OUTSIDE["act"] = lambda x: time.sleep(0.001) or [x]

    def all_keys(shift: int) -> list[Any]:
        return [work((number + shift) % 50) for number in range(50)]

    results = in_threads(*(lambda shift=shift: all_keys(shift) for shift in range(0, 48, 3)))
    for shift, result in zip(range(0, 48, 3), results, strict=True):
        assert result.result(SOON) == [[(number + shift) % 50] for number in range(50)]
    assert sorted(OUTSIDE["ran"]) == list(range(50))


def test_waiting_calls_get_separate_copies() -> None:
    work = make()
    go = threading.Event()
    OUTSIDE["act"] = lambda x: go.wait(SOON) and [x]
    calls = in_threads(*[lambda: work(1)] * 3)
    until(lambda: waiters() == 2)
    go.set()
    first, second, third = (call.result(SOON) for call in calls)
    assert first == second == third == [1]
    assert first is not second is not third
    assert runs() == 1


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_next_call_computes_if_the_first_raises(error: BaseException) -> None:
    work = make()
    go = threading.Event()

    def act(x: int) -> str:
        go.wait(SOON)
        if runs() == 1:
            raise error
        return "computed"

    OUTSIDE["act"] = act
    calls = in_threads(*[lambda: work(1)] * 4)
    until(lambda: waiters() == 3)
    go.set()
    until(lambda: all(call.done() for call in calls))
    assert [call.exception() for call in calls if call.exception()] == [error]
    assert [call.result() for call in calls if not call.exception()] == ["computed"] * 3
    assert runs() == 2


def test_waiting_calls_compute_after_an_unstorable_result(monkeypatch: pytest.MonkeyPatch) -> None:
    # No call computes because the holder seems idle.
    monkeypatch.setattr(liveness.Watch, "is_over", lambda _: False)
    work = make()
    go = threading.Event()
    both = threading.Barrier(3)

    def act(x: int) -> Any:
        if runs() == 1:
            go.wait(SOON)
        else:
            both.wait(SOON)  # passes only if all run at the same time
        return threading.Lock()

    OUTSIDE["act"] = act
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = in_threads(*[lambda: work(1)] * 4)
        until(lambda: waiters() == 3)
        go.set()
        for call in calls:
            call.result(SOON)
    assert runs() == 4


def test_single_flight_false_never_waits() -> None:
    work = make(single_flight=False)
    both = threading.Barrier(2)
    OUTSIDE["act"] = lambda x: both.wait(SOON) and x
    for call in in_threads(lambda: work(1), lambda: work(1)):
        call.result(SOON)
    assert runs() == 2
    assert not list(work.cache_path.glob(".lock"))


@pytest.mark.skipif(os.name == "nt", reason="the signals of Unix")
def test_ctrl_c_ends_the_wait_and_only_that() -> None:
    work = make()
    go = threading.Event()
    OUTSIDE["act"] = lambda x: go.wait(SOON) and x
    (call,) = in_threads(lambda: work(1))
    until(lambda: runs() == 1)

    def interrupt() -> None:
        until(lambda: waiters() == 1)
        os.kill(os.getpid(), signal.SIGINT)

    (interrupted,) = in_threads(interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(1)
    interrupted.result(SOON)
    assert waiters() == 0
    go.set()
    assert call.result(SOON) == 1
    assert runs() == 1


# Wait cycles and idle holders


def test_a_function_that_calls_itself_with_the_same_argument_computes() -> None:
    work = make()
    OUTSIDE["act"] = lambda x: work(x) + 1 if runs() < 3 else 1
    (call,) = in_threads(lambda: work(1))
    assert call.result(SOON) in (1, 2, 3)
    assert runs() == 3


def test_nested_calls_compute_each_key_once() -> None:
    work = make()
    OUTSIDE["act"] = lambda x: x if x < 2 else work(x - 1) + work(x - 2)
    calls = in_threads(*[lambda: work(20)] * 4)
    assert {call.result(SOON) for call in calls} == {6765}
    assert runs() == 21


def test_threads_waiting_for_each_other_compute() -> None:
    work = make()
    both = threading.Barrier(2)

    def act(x: int) -> int:
        if runs() > 2:
            return x
        both.wait(SOON)
        return x + work(3 - x)

    OUTSIDE["act"] = act
    start = time.monotonic()
    calls = in_threads(lambda: work(1), lambda: work(2))
    assert all(call.result(SOON) in (3, 4, 5) for call in calls)
    assert runs() in (3, 4)
    assert time.monotonic() - start < WAIT_SECONDS / 2


def test_a_pool_within_the_function_may_ask_for_the_same_key() -> None:
    work = make(wait=0.3)

    def act(x: int) -> str:
        if runs() > 1:
            return "inner"
        with ThreadPoolExecutor(1) as pool:
            return str(pool.submit(work, x).result())

    OUTSIDE["act"] = act
    (call,) = in_threads(lambda: work(1))
    assert call.result(SOON) == "inner"


def test_idle_holder_is_not_waited_for() -> None:
    work = make(wait=0.3)
    ours = threading.RLock()

    def act(x: int) -> int:
        with ours:
            return x

    OUTSIDE["act"] = act
    with ours:
        (call,) = in_threads(lambda: work(1))
        until(lambda: runs() == 1)
        assert work(1) == 1
    assert call.result(SOON) == 1


def test_busy_holder_is_waited_for() -> None:
    work = make(wait=0.3)

    def act(x: int) -> int:
        end = time.thread_time() + 0.6
        while time.thread_time() < end or not waiters():
            sum(range(100))
        return x

    OUTSIDE["act"] = act
    for call in in_threads(lambda: work(1), lambda: work(1)):
        assert call.result(SOON) == 1
    assert runs() == 1


@pytest.mark.skipif(not liveness._SHOWS_CHILDREN, reason="the processor time of children")
def test_a_thread_whose_child_works_is_waited_for() -> None:
    work = make(wait=0.3, files="ignore")
    busy = "import time\nwhile time.process_time() < 0.8: pass"

    def act(x: int) -> int:
        subprocess.run([sys.executable, "-c", busy], check=True)
        until(waiters)
        return x

    OUTSIDE["act"] = act
    for call in in_threads(lambda: work(1), lambda: work(1)):
        assert call.result(SOON) == 1
    assert runs() == 1


@pytest.mark.parametrize("wait", [-1, float("nan"), "300", True, None])
def test_invalid_wait_is_refused(wait: Any) -> None:
    with pytest.raises(ValueError, match="wait must be"):
        memorious(wait=wait)


def test_unobservable_process_is_waited_for_twelve_times_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, used, children = [1000.0], [5.0], [2.0]
    monkeypatch.setattr(liveness.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(liveness, "_time_of", lambda pid: None if pid is None else used[0])
    monkeypatch.setattr(liveness, "_time_of_children", lambda _: children[0])
    unseen, seen, parent = (liveness.Watch(pid, wait=10) for pid in (None, 1, 2))
    for _ in range(8):
        now[0] += 1.25
        is_over = unseen.is_over(), seen.is_over(), parent.is_over()
    assert is_over == (False, True, True)
    used[0] += 1.0
    now[0] += 1.25
    assert not seen.is_over()
    now[0] += 2
    assert not seen.is_over()  # it is idle, and its children are checked
    children[0] += 1.0
    now[0] += 10
    assert not seen.is_over()  # a child has worked meanwhile
    assert not unseen.is_over()
    now[0] += 120
    assert unseen.is_over()


def test_waiting_seeded_run_yields_the_generators() -> None:
    inner = make()
    has_turn = threading.Event()

    @memorious
    def outer(x: int) -> int:
        outside("has_turn").set()
        until(outside("both_in_flight"))
        return int(outside("inner")(x, global_seed=1))

    # `other` computes the inner key, and waits for the generators, which the seeded run owns that
    # waits for the inner key.
    OUTSIDE.update(
        inner=inner, has_turn=has_turn, both_in_flight=lambda: len(single_flight._in_flight) == 2
    )
    first, other = in_threads(
        lambda: outer(5, global_seed=1),
        lambda: (has_turn.wait(SOON), inner(5, global_seed=1))[1],
    )
    assert first.result(SOON) == other.result(SOON) == 5
    assert runs() == 1


# Tasks


def test_waiting_tasks_do_not_block_the_event_loop() -> None:
    work = make_async()

    async def main() -> list[Any]:
        go = asyncio.Event()

        async def act(x: int) -> list[int]:
            await go.wait()
            return [x]

        OUTSIDE["act"] = act
        tasks = [asyncio.ensure_future(work(1)) for _ in range(16)]
        while waiters() < 15:
            await asyncio.sleep(0)
        go.set()
        return await asyncio.wait_for(asyncio.gather(*tasks), SOON)

    assert asyncio.run(main()) == [[1]] * 16
    assert runs() == 1


def test_cancelled_task_releases_the_key() -> None:
    work = make_async()

    async def main() -> None:
        go = asyncio.Event()

        async def act(x: int) -> int:
            await go.wait()
            return x

        OUTSIDE["act"] = act
        first, second, third = (asyncio.ensure_future(work(1)) for _ in range(3))
        while waiters() < 2:
            await asyncio.sleep(0)
        second.cancel()
        while waiters() > 1:
            await asyncio.sleep(0)
        first.cancel()
        while runs() < 2:
            await asyncio.sleep(0)
        go.set()
        assert await asyncio.wait_for(third, SOON) == 1
        assert first.cancelled()
        assert second.cancelled()

    asyncio.run(main())
    assert runs() == 2


def test_loops_in_several_threads_share_one_computation() -> None:
    work = make_async()
    go = threading.Event()

    async def act(x: int) -> int:
        while not go.is_set():
            await asyncio.sleep(0.005)
        return x

    OUTSIDE["act"] = act
    calls = in_threads(*[lambda: asyncio.run(work(1))] * 4)
    until(lambda: waiters() == 3)
    go.set()
    assert [call.result(SOON) for call in calls] == [1] * 4
    assert runs() == 1


def test_tasks_and_threads_that_the_function_starts_may_ask_for_the_same_key() -> None:
    work = make_async()

    async def act(x: int) -> int:
        if runs() == 1:
            first, second = await asyncio.gather(work(x), asyncio.ensure_future(work(x)))
            return int(first + second)
        if runs() == 2:
            return await asyncio.to_thread(asyncio.run, work(x))
        return 1

    OUTSIDE["act"] = act
    start = time.monotonic()
    assert asyncio.run(asyncio.wait_for(work(1), SOON)) == 2
    assert time.monotonic() - start < WAIT_SECONDS / 2


def test_abandoned_coroutine_is_not_waited_for() -> None:
    work = make_async()

    async def never(x: int) -> None:
        await asyncio.get_running_loop().create_future()

    OUTSIDE["act"] = never
    left: list[Any] = []

    def begin_and_leave() -> None:
        async def main() -> None:
            left.append(work(1))
            left[0].send(None)

        asyncio.run(main())

    (call,) = in_threads(begin_and_leave)
    call.result(SOON)
    until(lambda: threading.active_count() == 1 or not left[0].cr_running)

    async def act(x: int) -> int:
        return x

    OUTSIDE["act"] = act
    assert asyncio.run(asyncio.wait_for(work(1), SOON)) == 1
    left[0].close()


# Lock files


def test_lock_file_is_private_and_not_an_entry() -> None:
    work = make()
    work(1)
    path = work.cache_path / ".lock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name == "nt"
    assert path.stat().st_size == 0
    assert len(list(load_cached_results(work))) == 1


def test_a_hit_touches_no_lock() -> None:
    work = make()
    work(1)
    (work.cache_path / ".lock").unlink()
    assert work(1) == 1
    assert runs() == 1
    assert not (work.cache_path / ".lock").exists()


def test_a_lock_file_that_is_deleted_is_made_again() -> None:
    work = make()
    for number in range(3):
        work(number)
        (work.cache_path / ".lock").unlink()
    work(3)
    assert (work.cache_path / ".lock").exists()


def test_threads_wait_without_a_lock_file_and_without_warning() -> None:
    work = make()
    (work.cache_path / ".lock").mkdir(parents=True)
    go = threading.Event()
    OUTSIDE["act"] = lambda x: go.wait(SOON) and x
    calls = in_threads(*[lambda: work(1)] * 4)
    until(lambda: waiters() == 3)
    go.set()
    assert [call.result(SOON) for call in calls] == [1] * 4
    assert runs() == 1


@pytest.fixture
def link(cache: Path, tmp_path: Path) -> Path:
    """Returns another name of the cache folder."""
    cache.mkdir()
    link = tmp_path / "link"
    try:
        link.symlink_to(cache, target_is_directory=True)
    except OSError:
        pytest.skip("Windows needs a privilege to create links")
    return link


@pytest.mark.skipif(os.name == "nt", reason="each name has its own lock on Windows")
def test_two_names_of_a_folder_share_single_flight(link: Path) -> None:
    one, other = make(), make(cache_dir=link)
    # The second time both have had a miss before, and take the fast path.
    for number in range(2):
        go = threading.Event()
        OUTSIDE["act"] = lambda x, go=go: go.wait(SOON) and [x]
        calls = in_threads(*[partial(work, number) for work in (one, other)])
        until(lambda: waiters() == 1)
        go.set()
        assert [call.result(SOON) for call in calls] == [[number]] * 2
    assert runs() == 2
    assert other.cache_path.is_relative_to(link)


@pytest.mark.parametrize("moves", [False, True])
def test_a_lock_is_kept_when_the_same_file_is_closed_under_another_name(
    link: Path, cache: Path, tmp_path: Path, run_python: Callable[..., str], moves: bool
) -> None:
    ours = KeyLock(str(link / "f"), "0" * 40)
    assert ours.acquire()
    if moves:  # the place of the file is checked once per millisecond
        link.unlink()
        link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "elsewhere").mkdir()
        time.sleep(0.01)
    # More folders than lock files stay open, so that the file of the other name is closed.
    for folder in (link / "f", cache / "f", *(cache / str(number) for number in range(20))):
        another = KeyLock(str(folder), "1" * 40)
        assert another.acquire()
        another.release()
    ask = f"from funes._funes import KeyLock\nprint(KeyLock({str(cache / 'f')!r}, '0' * 40).acquire())"
    assert run_python(ask) == "False\n"
    ours.release()
    assert run_python(ask) == "True\n"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a list of descriptors")
def test_deleted_lock_file_is_closed_after_its_last_lock(cache: Path) -> None:
    def deleted() -> int:
        paths = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        return sum(
            os.readlink(path).endswith(".lock (deleted)") for path in paths if os.path.lexists(path)
        )

    before = deleted()
    for _ in range(5):
        ours = KeyLock(str(cache / "f"), "0" * 40)
        assert ours.acquire()
        (cache / "f" / ".lock").unlink()
        time.sleep(0.01)
        another = KeyLock(str(cache / "f"), "1" * 40)
        assert another.acquire()
        assert deleted() > before
        ours.release()
        another.release()
    KeyLock(str(cache / "g"), "0" * 40).acquire()
    assert deleted() == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a list of descriptors")
def test_number_of_open_descriptors_is_limited() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for number in range(60):
        make(depends_on=number)(1)
    assert descriptors() - before <= 20
    assert runs() == 60


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a list of descriptors")
def test_kept_contexts_hold_no_descriptors() -> None:
    def asks_for_itself(x: int) -> Any:
        OUTSIDE["act"] = lambda x: x
        return work(x)

    before = len(os.listdir("/proc/self/fd"))
    contexts = []
    for number in range(60):
        work, context = make(depends_on=number), contextvars.copy_context()
        OUTSIDE["act"] = asks_for_itself
        assert context.run(work, 1) == 1
        contexts.append(context)
    assert len(os.listdir("/proc/self/fd")) - before <= 20


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a list of descriptors")
def test_descriptors_opened_after_closing_all_are_untouched(tmp_path: Path) -> None:
    work = make()
    work(1)
    lock = str(work.cache_path / ".lock")
    numbers = [int(name) for name in os.listdir("/proc/self/fd") if name.isdecimal()]
    (ours,) = (
        n
        for n in numbers
        if os.path.exists(f"/proc/self/fd/{n}") and os.readlink(f"/proc/self/fd/{n}") == lock
    )
    # Like a daemon, which then opens its own file with this number.
    with open(tmp_path / "letter", "w+") as letter:
        os.dup2(letter.fileno(), ours)
        work(2)
        work(3)
        os.write(ours, b"still the program's")
        assert (tmp_path / "letter").read_text() == "still the program's"
    os.close(ours)
    work(4)
    assert [work(x) for x in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert runs() == 4
