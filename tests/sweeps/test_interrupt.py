"""Ctrl-C and SIGTERM at any time end a sweep, and leave nothing locked."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_functions import fails_at, square

from funes._sweeps import dispatch
from funes._sweeps.interrupt import restore_unused

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any]]:
    """Returns the list of the handlers that are set from now on."""
    gc.collect()  # iterations of other tests, which the tracebacks of their exceptions keep
    restore_unused()
    found: list[tuple[int, Any]] = []
    before = signal.signal

    def note(number: int, handler: Any) -> Any:
        found.append((number, handler))
        return before(number, handler)

    monkeypatch.setattr(signal, "signal", note)
    return found


@pytest.mark.parametrize("executor", [None, 2])
def test_handlers_are_set_once_and_restored(executor: int | None, changes: list[Any]) -> None:
    kinds = 1 if executor is None else 2
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def check() -> None:
        assert len(changes) <= 2 * kinds
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
        changes.clear()

    assert len(list(square.map(range(100), executor=executor))) == 100
    assert changes
    check()
    assert len(list(square.map(range(100, 200), executor=executor).as_completed())) == 100
    check()
    with pytest.raises(ValueError, match="no value for 5"):
        list(fails_at.map(range(10), [(5,)] * 10, executor=executor))
    check()
    iteration = iter(square.map(range(200, 300), executor=executor))
    next(iteration)
    del iteration
    check()


@posix
def test_handlers_of_the_program_stay(changes: list[Any]) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    try:
        for _ in square.map(range(3), executor=1):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert calls == [signal.SIGTERM] * 3


def test_other_threads_set_no_handlers(changes: list[Any]) -> None:
    thread = threading.Thread(target=lambda: list(square.map(range(20), executor=2)))
    thread.start()
    thread.join()
    assert changes == []


@posix
@pytest.mark.parametrize("number", range(1, 8))
def test_interrupt_right_after_a_lock_was_taken(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython may raise KeyboardInterrupt between the last instruction of `__enter__` and the block."""
    conditions: list[threading.Condition] = []
    countdown = number

    class Interrupted(threading.Condition):
        def __enter__(self) -> bool:
            nonlocal countdown
            entered = super().__enter__()
            conditions.append(self)
            if threading.current_thread() is threading.main_thread():
                countdown -= 1
                if countdown == 0:
                    signal.raise_signal(signal.SIGINT)
            return entered

    names = SimpleNamespace(Condition=Interrupted, Thread=threading.Thread)
    monkeypatch.setattr(dispatch, "threading", names)

    def sweep() -> None:
        for start in range(0, 1000, 5):
            list(square.map(range(start, start + 5), executor=1))

    with pytest.raises(KeyboardInterrupt):
        sweep()
    free: list[bool] = []

    def take() -> None:
        for condition in set(conditions):
            free.append(condition.acquire(timeout=5))
            condition.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert all(free)
    assert free


BETWEEN = """
import os, signal, sys
from sweep_functions import waits
for result in waits.map(range(50), [0.02] * 50, executor={executor}):
    if result == 5:
        os.kill(os.getpid(), signal.{name})
"""

STORM = """
import os, random, signal, threading, time
from sweep_functions import square

# Ctrl-C during an import may leave a lock of the interpreter taken (`_get_module_lock` of importlib).
list(square.map([-4, -5, -6], executor=2))
random.seed(1)
caught = 0
for number in range(150):
    seconds = random.random() / 50
    def interrupt():
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        list(square.map(range(40 * number, 40 * number + 40), executor=2))
        thread.join()
        time.sleep(1)
    except KeyboardInterrupt:
        caught += 1
    thread.join()
print(caught, list(square.map([-1, -2, -3], executor=2)))
"""


def run(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "FUNES_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@posix
@pytest.mark.parametrize("executor", [None, 2])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_between_two_points(name: str, executor: int | None, tmp_path: Path) -> None:
    done = run(BETWEEN.format(executor=executor, name=name), tmp_path)
    if name == "SIGTERM":
        assert done.returncode == 143, done.stderr
    else:
        assert done.returncode == -signal.SIGINT, done.stderr
        assert "KeyboardInterrupt" in done.stderr


@posix
def test_interrupts_at_any_time_leave_nothing_locked(tmp_path: Path) -> None:
    done = run(STORM, tmp_path)
    assert done.stdout == "150 [1, 4, 9]\n", done.stderr
    assert "RuntimeError" not in done.stderr
