"""Each system call of a call fails in turn, or kills the process.

strace injects the faults once the child continues. So this covers the real file system, the
extension, and the calls of the interpreter.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import victim

STRACE = shutil.which("strace")

#: What each call may be told by a disk, a quota, a server or an administrator.
OPENING = ("EMFILE", "EACCES", "EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE")
FAILURES = {
    "open": OPENING,
    "openat": OPENING,
    "write": ("ENOSPC", "EDQUOT", "EIO", "ESTALE"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "ESTALE"),
    "link": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE"),
    "linkat": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE"),
    "mkdir": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE"),
    "fcntl": ("ENOLCK", "EIO", "ESTALE"),
    "read": ("EIO", "ESTALE"),
    "pread64": ("EIO", "ESTALE"),
    "fstat": ("EIO", "ESTALE"),
    "newfstatat": ("EIO", "EACCES", "ESTALE"),
    "statx": ("EIO", "EACCES", "ESTALE"),
    "mmap": ("ENOMEM",),
    "getdents64": ("EIO", "ESTALE"),
    "lseek": ("EIO",),
    "fstatfs": ("EIO", "ESTALE"),
    "unlink": ("EIO", "EACCES", "EROFS"),
}


class Harness:
    """Makes calls in forked children, so that each saves the start of an interpreter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py")), str(folder / "warm")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def new(self) -> Path:
        """Create a new cache folder."""
        return self.folder / f"cache-{next(self.numbers)}"

    def call(self, cache: Path, *strace: str, how: str = "") -> int:
        """Run a call under strace; returns 0 if it was correct, negative if a signal killed it."""
        assert self.process.stdin
        assert self.process.stdout
        assert STRACE
        print(cache, how, sep="\t", file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        wait_for(child, "State:\tT")
        log = self.folder / "log"
        tracer = subprocess.Popen(
            [STRACE, "-f", "-qq", "-o", str(log), *strace, "-p", str(child)],
            stderr=subprocess.DEVNULL,
        )
        wait_for(child, f"TracerPid:\t{tracer.pid}\n")
        os.kill(child, signal.SIGCONT)
        try:
            tracer.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.kill(child, signal.SIGKILL)
            pytest.fail(f"stuck with {strace}")
        return int(self.process.stdout.readline())

    def calls(self, cache: Path, how: str = "") -> Counter[str]:
        """Count the system calls of a call without faults."""
        assert self.call(cache, how=how) == 0
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return Counter(found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line)))


def wait_for(process: int, sign: str) -> None:
    for _ in range(2000):
        if sign in Path(f"/proc/{process}/status").read_text(encoding="utf-8"):
            return
        time.sleep(0.005)
    pytest.fail(f"{process} does not come to {sign!r}")


def check(cache: Path, what: str, may_leave: bool = False) -> int:
    """Check every entry; returns the number of entries except that of an earlier call.

    Checks that no temporary file is left, unless `may_leave`: a killed process may leave a
    `definition.json` that it was writing, or whose second name could not be deleted.
    """
    count = victim.entries(cache, what)
    names = [path.name for path in cache.rglob("*")]
    assert may_leave or not [name for name in names if name.startswith(".tmp-")], what
    return count


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    if STRACE is None:
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("faults")
    tried = subprocess.run([STRACE, "-o", folder / "log", "true"], capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace here")
    harness = Harness(folder)
    yield harness
    assert harness.process.stdin
    harness.process.stdin.close()
    assert harness.process.wait(timeout=60) == 0
    assert harness.process.stdout
    harness.process.stdout.close()


def places(calls: Counter[str], full: bool) -> Iterator[tuple[str, int]]:
    """Yield system calls by name and number; in the short form the first, middle and last of a name."""
    for name, times in sorted(calls.items()):
        numbers = range(1, times + 1)
        chosen = numbers if full else sorted({1, (times + 1) // 2, times})
        for number in chosen:
            yield name, number


@pytest.mark.parametrize("how", ["", "later"])
def test_kill_at_any_system_call_of_a_miss_leaves_no_torn_entry(
    harness: Harness, full: bool, how: str
) -> None:
    published = 0
    for name, number in places(harness.calls(harness.new(), how), full):
        cache = harness.new()
        what = f"SIGKILL at {name} {number}"
        injected = f"inject={name}:signal=KILL:when={number}"
        ended = harness.call(cache, "-e", injected, how=how)
        assert ended in {-signal.SIGKILL, 0}, what
        published += check(cache, what, may_leave=True)
        # The next call is not delayed by files of the killed process; it is a hit or computes.
        assert harness.call(cache) == 0, what
        assert check(cache, what, may_leave=True) == 1, what
    # Some kills came after the entry had its name, and lost nothing.
    assert published


@pytest.mark.parametrize("how", ["", "later", "hit"])
def test_error_of_any_system_call_leaves_result_correct(
    harness: Harness, full: bool, how: str
) -> None:
    fresh, is_hit = harness.new(), how == "hit"
    if is_hit:
        assert harness.call(fresh) == 0
    calls = Counter({name: n for name, n in harness.calls(fresh, how).items() if name in FAILURES})
    assert calls["open"] or calls["openat"]
    assert not is_hit or not calls["linkat"], "that was no hit"
    for turn, (name, number) in enumerate(places(calls, full)):
        failures = FAILURES[name]
        for failure in failures if full else failures[turn % len(failures) :][:1]:
            cache = harness.new()
            if is_hit:
                shutil.copytree(fresh, cache)
            what = f"{failure} of {name} {number}"
            injected = f"inject={name}:error={failure}:when={number}"
            assert harness.call(cache, "-e", injected, how=how) == 0, what
            there = check(cache, what, may_leave=name == "unlink")
            # A file that could not be read once is not damaged: it stays.
            assert there == 1 or not is_hit, what
            assert not (cache / "damaged").exists(), what
            assert harness.call(cache) == 0, what
            assert check(cache, what, may_leave=name == "unlink") == 1, what


def make_packed(harness: Harness) -> Path:
    """Make a cache with a closed segment, one of a killed process, and a single file."""
    cache, other = harness.new(), harness.new()
    for how in ("packed seal 5", "packed 6", "7"):
        assert harness.call(cache, how=how) == 0
    assert harness.call(other, how="packed seal 8") == 0
    (segment,) = other.rglob("*.seg")
    (folder,) = cache.rglob("packed")
    shutil.copy(segment, folder)
    return cache


def stored(cache: Path, what: str) -> list[int]:
    """Return how often the text is repeated in each result; checks that nothing is damaged."""
    found = []
    for version in victim.versions(cache) if cache.exists() else ():
        assert not any(damage for _, _, damage in version.verify_packed()), what
        for entry in version.entries():
            output = entry.load()["output"]
            assert output == [victim.TEXT] * len(output), what
            found.append(len(output))
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["packed seal", "pack", "unpack"])
def test_kill_at_any_system_call_of_packed_results_loses_none(
    harness: Harness, full: bool, how: str
) -> None:
    before = make_packed(harness)
    assert stored(before, "") == [5, 6, 7, 8]
    shutil.copytree(before, fresh := harness.new())
    with_call = [3, 5, 6, 7, 8] if how == "packed seal" else [5, 6, 7, 8]
    for name, number in places(harness.calls(fresh, how), full):
        shutil.copytree(before, cache := harness.new())
        what = f"SIGKILL at {name} {number} of {how}"
        injected = f"inject={name}:signal=KILL:when={number}"
        assert harness.call(cache, "-e", injected, how=how) in {-signal.SIGKILL, 0}, what
        assert stored(cache, what) in ([5, 6, 7, 8], with_call), what
        if "seal" in how:
            # The next process goes on.
            assert harness.call(cache, how="packed seal") == 0, what
            assert stored(cache, what) == with_call, what
        left = stored(cache, what)
        for version in victim.versions(cache):
            version.pack()
        assert stored(cache, what) == left, what
        assert len(list(cache.rglob("*.pack"))) == 1, what
        assert not [*cache.rglob("*.seg"), *cache.rglob("*.dill")], what


@pytest.mark.parametrize("failure", ["ENOSPC", "EDQUOT", "EIO", "EROFS"])
def test_disk_that_refuses_all_writes_costs_no_result(harness: Harness, failure: str) -> None:
    cache = harness.new()
    refused = "write,fsync,linkat,mkdir"
    assert harness.call(cache, "-e", f"inject={refused}:error={failure}") == 0
    assert check(cache, failure) == 0
    # The next call stores again.
    assert harness.call(cache) == 0
    assert check(cache, failure) == 1
