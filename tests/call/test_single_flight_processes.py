"""Single flight among processes, however they are started and however they end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Seconds: longer than any step here takes, and short enough to notice a hang.
SOON = 60

#: The module that the processes run. They signal progress by files in the working directory, which
#: no definition sees: `work` notes that it runs, and executes the code in the file `act`.
MODULE = """
import asyncio, multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from funes import memorious
from funes._call import single_flight
from funes._call import liveness

def patience(seconds):
    work._options = work._options._replace(wait=seconds)

def note(name):
    with open(name, "a") as file:
        file.write("+")

def until(name):
    while not os.path.exists(name):
        time.sleep(0.002)

@memorious(files="ignore")
def work(x):
    note(f"ran-{x}")
    exec(Path("act").read_text())
    return threading.Lock() if os.path.exists("unstorable") else [x]

@memorious(files="ignore")
async def work_async(x):
    note(f"ran-{x}")
    while not os.path.exists("go"):
        await asyncio.sleep(0.002)
    return [x]

def tell_when_waiting():
    def look():
        while not any(lock_waiter.waker for lock_waiter in list(single_flight._lock_waiters.values())):
            time.sleep(0.002)
        time.sleep(0.05)  # from here on it only sleeps
        note(f"waits-{os.getpid()}")
    threading.Thread(target=look, daemon=True).start()

def all_keys(shift):
    for number in range(50):
        assert work((number + shift) % 50) == [(number + shift) % 50]

def in_threads(shift):
    threads = [threading.Thread(target=all_keys, args=(shift + n,)) for n in range(0, 16, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def wait_and_tell(x):
    tell_when_waiting()
    print(work(x))
"""

Start = Callable[[str], "subprocess.Popen[str]"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the signals and forks of Unix"),
]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Returns ``act(text)``, which sets the code of `work`; at first it waits for the file `go`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "module.py").write_text(MODULE, encoding="utf-8")

    def say(text: str) -> None:
        (tmp_path / "act.new").write_text(text, encoding="utf-8")
        (tmp_path / "act.new").replace(tmp_path / "act")

    say("until('go')")
    return say


@pytest.fixture
def start(act: object) -> Iterator[Start]:
    """Yields ``start(code)``, which runs code in the module above, in a new process."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        # Imported, not run as a script, so that spawned children find the same functions.
        launch = (
            "import sys, module; module.single_flight._PAUSES_SECONDS = 0.05, 0.05;"
            "exec(sys.argv[1], vars(module))"
        )
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", launch, code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=SOON)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def until(*names: str) -> None:
    end = time.monotonic() + SOON
    while not all(Path(name).exists() for name in names):
        assert time.monotonic() < end, f"{names} did not come"
        time.sleep(0.002)


def runs(x: int = 1) -> int:
    try:
        return os.stat(f"ran-{x}").st_size
    except FileNotFoundError:
        return 0


def started_waiter(start: Start, code: str = "wait_and_tell(1)") -> subprocess.Popen[str]:
    process = start(code)
    until(f"waits-{process.pid}")
    return process


FAN = """
def main(method, count, target):
    context = multiprocessing.get_context(method)
    children = [context.Process(target=target, args=(3 * n,)) for n in range(count)]
    for child in children: child.start()
    for child in children: child.join()
    assert all(child.exitcode == 0 for child in children)
"""


@pytest.mark.parametrize(
    ("method", "count", "target"),
    [
        ("fork", 16, "all_keys"),
        ("fork", 16, "in_threads"),
        ("spawn", 3, "all_keys"),
        ("forkserver", 3, "in_threads"),
    ],
)
def test_each_of_fifty_keys_is_computed_once(
    act: Callable[[str], None], start: Start, method: str, count: int, target: str
) -> None:
    act("time.sleep(0.001)")
    output(start(f"{FAN}\nmain({method!r}, {count}, {target})"))
    assert [runs(number) for number in range(50)] == [1] * 50


def test_waiting_uses_no_processor_time(start: Start) -> None:
    holder = start("work(1)")
    until("ran-1")
    waiter = started_waiter(
        start,
        "tell_when_waiting()\n"
        "used = time.process_time(); begun = time.monotonic()\n"
        "single_flight._PAUSES_SECONDS = 0.25, 2.0\n"
        "work(1)\n"
        "print((time.process_time() - used) / (time.monotonic() - begun))",
    )
    time.sleep(2)
    Path("go").touch()
    # The remainder is the work before and after, and the polling of `tell_when_waiting`.
    assert float(output(waiter)) < 0.1
    output(holder)
    assert runs() == 1


def test_a_killed_holder_is_replaced_while_a_forked_child_of_it_lives(
    act: Callable[[str], None], start: Start
) -> None:
    act("if os.fork() == 0: note('child'); time.sleep(600)\nuntil('never')")
    holder = start("work(1)")
    until("child")
    waiter = started_waiter(start)
    act("")
    os.kill(holder.pid, signal.SIGKILL)
    killed = time.monotonic()
    assert output(waiter) == "[1]"
    assert time.monotonic() - killed < 1
    os.killpg(holder.pid, 0)  # the child lives
    assert runs() == 2


def test_next_call_computes_if_the_first_raises(act: Callable[[str], None], start: Start) -> None:
    act("until('go')\nif os.path.getsize('ran-1') == 1: raise ValueError('mine')")
    holder = start("work(1)")
    until("ran-1")
    waiters = [started_waiter(start) for _ in range(3)]
    Path("go").touch()
    assert [output(waiter) for waiter in waiters] == ["[1]"] * 3
    assert "ValueError: mine" in holder.communicate()[1]
    assert runs() == 2


def test_unstorable_result_bounds_serial_recomputation(
    act: Callable[[str], None], start: Start
) -> None:
    # The second run does not end before the other processes have begun, so these do not wait for
    # it.
    act("until('go')\nif os.path.getsize('ran-1') > 1: until('all')")
    Path("unstorable").touch()
    waiter = "single_flight._MAX_TURNS_WITHOUT_RESULT = 1; wait_and_tell(1)"
    holder = start("print(work(1))")
    until("ran-1")
    waiters = [started_waiter(start, waiter) for _ in range(4)]
    Path("go").touch()
    end = time.monotonic() + SOON
    while runs() < 5:
        assert time.monotonic() < end, runs()
        time.sleep(0.002)
    Path("all").touch()
    for process in [holder, *waiters]:
        out, err = process.communicate(timeout=SOON)
        assert process.returncode == 0, err
        assert "lock" in out
        assert "the result was not stored" in err
    assert runs() == 5


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the time of a process")
@pytest.mark.parametrize(
    "busy",
    [
        "end = time.process_time() + 1.5\nwhile time.process_time() < end: pass",
        "import subprocess\nsubprocess.run([sys.executable, '-c',"
        " 'import time\\nwhile time.process_time() < 1.5: pass'], check=True)",
    ],
    ids=["itself", "by a child"],
)
def test_long_computation_is_computed_once_by_sixteen_processes(
    act: Callable[[str], None], start: Start, busy: str
) -> None:
    act(busy)
    output(start(f"{FAN}\npatience(1)\ndef same(_): work(1)\nmain('fork', 16, same)"))
    assert runs() == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the state of a process")
def test_a_stopped_holder_is_not_waited_for(act: Callable[[str], None], start: Start) -> None:
    holder = start("work(1)")
    until("ran-1")
    waiter = started_waiter(start, "patience(0.3); wait_and_tell(1)")
    act("")
    os.kill(holder.pid, signal.SIGSTOP)
    assert output(waiter) == "[1]"
    os.kill(holder.pid, signal.SIGCONT)
    Path("go").touch()
    output(holder)
    assert runs() == 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the state of a process")
def test_a_child_that_its_parent_waits_for_computes(
    act: Callable[[str], None], start: Start
) -> None:
    act(
        "if os.path.getsize('ran-1') == 1:"
        " import subprocess;"
        " subprocess.run([sys.executable, '-c',"
        " 'import module; module.single_flight._PAUSES_SECONDS = 0.1, 0.1;"
        " module.patience(0.3); module.work(1)'], check=True)"
    )
    output(start("work(1)"))
    assert runs() == 2


def test_ctrl_c_ends_the_wait_of_one_process_only(start: Start) -> None:
    holder = start("work(1)")
    until("ran-1")
    interrupted, patient = started_waiter(start), started_waiter(start)
    os.kill(interrupted.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in interrupted.communicate(timeout=SOON)[1]
    assert holder.poll() is patient.poll() is None
    Path("go").touch()
    output(holder)
    assert output(patient) == "[1]"
    assert runs() == 1


def test_interrupted_process_may_wait_again(start: Start) -> None:
    holder = start("work(1)")
    until("ran-1")
    waiter = started_waiter(
        start,
        "tell_when_waiting()\n"
        "try:\n"
        "    work(1)\n"
        "except KeyboardInterrupt:\n"
        "    note('interrupted')\n"
        "    print(work(1))",
    )
    os.kill(waiter.pid, signal.SIGINT)
    until("interrupted")
    Path("go").touch()
    output(holder)
    assert output(waiter) == "[1]"
    assert runs() == 1


def test_a_thread_that_waits_does_not_keep_a_process_from_ending(start: Start) -> None:
    start("work(1)")
    until("ran-1")
    leaving = start(
        "single_flight._PAUSES_SECONDS = 60, 60\n"
        "threading.Thread(target=work, args=(1,), daemon=True).start()\n"
        "tell_when_waiting()\n"
        "until(f'waits-{os.getpid()}')"
    )
    assert output(leaving) == ""


def test_a_fork_within_the_function_may_ask_for_the_same_key(
    act: Callable[[str], None], start: Start
) -> None:
    act(
        "child = os.fork() if os.path.getsize('ran-1') == 1 else None\n"
        "if child == 0: work(1); os._exit(7)\n"
        "if child: note(str(os.waitpid(child, 0)[1] >> 8))"
    )
    assert output(start("print(work(1))")) == "[1]"
    assert Path("7").exists()
    assert runs() == 2


def test_a_child_forked_while_a_thread_computes_waits_for_its_parent(start: Start) -> None:
    process = start(
        "thread = threading.Thread(target=work, args=(1,)); thread.start(); until('ran-1')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    wait_and_tell(1); sys.stdout.flush(); os._exit(0)\n"
        "note(f'child-{child}'); thread.join(); assert os.waitpid(child, 0)[1] == 0"
    )
    end = time.monotonic() + SOON
    while not list(Path().glob("waits-*")):
        assert time.monotonic() < end
        time.sleep(0.002)
    Path("go").touch()
    assert output(process) == "[1]"
    assert runs() == 1


def test_processes_waiting_for_each_other_compute(act: Callable[[str], None], start: Start) -> None:
    act(
        "depth = os.environ.get('DEPTH')\n"
        "os.environ['DEPTH'] = '1'\n"
        "if not depth: until(f'ran-{3 - x}'); work(3 - x)"
    )
    begun = time.monotonic()
    processes = [start("print(work(1))"), start("print(work(2))")]
    assert [output(process) for process in processes] == ["[1]", "[2]"]
    assert time.monotonic() - begun < 30
    assert runs(1) + runs(2) in (3, 4)


def test_a_task_waits_for_another_process_and_its_loop_goes_on(start: Start) -> None:
    holder = start("asyncio.run(work_async(1))")
    until("ran-1")
    waiter = start(
        "async def main():\n"
        "    tasks = [asyncio.ensure_future(work_async(1)) for _ in range(3)]\n"
        "    while not single_flight._lock_waiters: await asyncio.sleep(0)\n"
        "    note('ticks'); print(await asyncio.gather(*tasks))\n"
        "asyncio.run(main())"
    )
    until("ticks")
    Path("go").touch()
    output(holder)
    assert output(waiter) == "[[1], [1], [1]]"
    assert runs() == 1


def test_deleting_the_lock_file_allows_at_most_two_computations(start: Start) -> None:
    holder = start("work(1)")
    until("ran-1")
    (lock,) = Path("cache").glob("*/*/.lock")
    lock.unlink()
    second = start("print(work(1))")
    end = time.monotonic() + SOON
    while runs() < 2:
        assert time.monotonic() < end
        time.sleep(0.002)
    third = started_waiter(start)
    Path("go").touch()
    output(holder)
    assert output(second) == output(third) == "[1]"
    assert runs() == 2
