"""Claims of very many keys at once: most of them are written into a table instead of locked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from funes import hash_value
from funes._funes import KeyLock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such list of locks")

#: More keys than a process locks by bytes.
KEYS = 500

#: Prints which of the keys a process can claim.
ASK = """
import sys
from funes import hash_value
from funes._funes import KeyLock
locks = [KeyLock(sys.argv[1], hash_value(number)) for number in range(int(sys.argv[2]))]
print([number for number, lock in enumerate(locks) if lock.acquire()])
"""


def key_lock(folder: Path, number: int) -> KeyLock:
    return KeyLock(str(folder), hash_value(number))


def free(folder: Path, keys: int = KEYS) -> list[int]:
    """Returns the keys that another process can claim."""
    ask = [sys.executable, "-c", ASK, str(folder), str(keys)]
    found = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
    return [int(number) for number in found.strip("[]\n").split(", ") if number]


def byte_locks(folder: Path) -> int:
    inode = (folder / ".lock").stat().st_ino
    return Path("/proc/locks").read_text().count(f":{inode} ")


@pytest.fixture
def folder(cache: Path) -> Path:
    return cache / "f"


@pytest.fixture
def held(folder: Path) -> Iterator[list[KeyLock]]:
    locks = [key_lock(folder, number) for number in range(KEYS)]
    for lock in locks:
        assert lock.acquire()
    yield locks
    for lock in locks:
        lock.release()


def test_many_claims_exclude_other_processes(folder: Path, held: list[KeyLock]) -> None:
    assert free(folder, KEYS + 3) == [KEYS, KEYS + 1, KEYS + 2]
    for lock in held[::2]:
        lock.release()
    assert free(folder) == list(range(0, KEYS, 2))
    for lock in held[::2]:
        assert lock.acquire()
    assert free(folder) == []


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="a list of locks")
def test_many_claims_hold_few_locks(folder: Path, held: list[KeyLock]) -> None:
    assert byte_locks(folder) <= 33


def test_holder_of_a_listed_claim_is_known(
    folder: Path, held: list[KeyLock], run_python: Callable[..., str]
) -> None:
    ask = (
        "from funes._funes import KeyLock\n"
        f"lock = KeyLock({str(folder)!r}, {hash_value(0)!r})\n"
        "print(lock.acquire(), lock.is_listed(), lock.holder())"
    )
    assert run_python(ask) == f"False True {os.getpid()}\n"
    held[0].release()
    assert run_python(ask) == "True False None\n"


def test_claims_of_a_killed_process_are_free(folder: Path, held: list[KeyLock]) -> None:
    code = ASK.replace("enumerate(locks)", "enumerate(locks[500:], 500)")
    code += "import os, signal\nsys.stdout.flush()\nos.kill(os.getpid(), signal.SIGKILL)"
    for _ in range(3):
        killed = subprocess.run(
            [sys.executable, "-c", code, str(folder), "1000"], capture_output=True, text=True
        )
        assert killed.stdout == f"{list(range(500, 1000))}\n"
    # The next owner of the table begins with an empty one.
    for lock in held:
        lock.release()
    assert free(folder, 1000) == list(range(1000))


def test_forked_child_holds_nothing_and_releases_nothing(folder: Path, held: list[KeyLock]) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            claimed = [lock.acquire() for lock in held]
            for lock in held:
                lock.release()
            others = [key_lock(folder, number) for number in range(KEYS, 2 * KEYS)]
            code = 0 if not any(claimed) and all(lock.acquire() for lock in others) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert free(folder) == []


def test_deleted_lock_file_makes_the_next_claims_elsewhere(
    folder: Path, held: list[KeyLock]
) -> None:
    (folder / ".lock").unlink()
    time.sleep(0.01)  # its place is checked once per millisecond
    others = [key_lock(folder, number) for number in range(KEYS, 2 * KEYS)]
    assert all(lock.acquire() for lock in others)
    for lock in held:
        lock.release()
    assert free(folder, 2 * KEYS) == list(range(KEYS))


WORK = """
import asyncio, os, sys
from funes import memorious

@memorious(files="ignore")
async def work(x):
    with open(f"ran-{x}", "a") as file:
        file.write("+")
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return x

async def main(start, count):
    results = await asyncio.gather(*(work(x) for x in range(start, start + count)))
    assert results == list(range(start, start + count))

asyncio.run(main(*map(int, sys.argv[1:])))
"""


@pytest.mark.slow
def test_processes_with_many_tasks_compute_each_key_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("work.py").write_text(WORK, encoding="utf-8")
    processes = []
    for start in (0, 100, 200):
        processes.append(subprocess.Popen([sys.executable, "work.py", str(start), "200"]))
        end = time.monotonic() + 60
        while not Path(f"ran-{start + 199}").exists():
            assert time.monotonic() < end
            time.sleep(0.005)
    Path("go").touch()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert {path.name: path.stat().st_size for path in Path().glob("ran-*")} == {
        f"ran-{x}": 1 for x in range(400)
    }


HOLD = """
import asyncio, os
from work import work

async def main():
    first = asyncio.ensure_future(work(0))
    while not os.path.exists("more"):
        await asyncio.sleep(0.01)
    await asyncio.gather(first, *(work(x) for x in range(1, 200)))

asyncio.run(main())
"""

WAIT = """
import asyncio, os, threading, time
from funes._call import single_flight
from work import work

def tell():
    while not single_flight._lock_waiters:
        time.sleep(0.002)
    time.sleep(0.1)  # from here on it waits in the system
    open(f"waits-{os.getpid()}", "w").close()

threading.Thread(target=tell).start()
assert asyncio.run(work(0)) == 0
"""


@pytest.mark.slow
def test_waiting_processes_keep_waiting_when_a_claim_moves_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("work.py").write_text(WORK.rpartition("asyncio.run")[0], encoding="utf-8")

    def start(code: str, told: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", code])
        end = time.monotonic() + 60
        while not Path(told.format(process.pid)).exists():
            assert time.monotonic() < end
            time.sleep(0.005)
        return process

    processes = [start(HOLD, "ran-0"), start(WAIT, "waits-{}"), start(WAIT, "waits-{}")]
    Path("more").touch()
    processes.append(start(WAIT, "ran-199"))
    time.sleep(0.5)  # longer than a call waits for a lock that seems to be free
    Path("go").touch()
    assert [process.wait(60) for process in processes] == [0] * 4
    assert Path("ran-0").stat().st_size == 1
