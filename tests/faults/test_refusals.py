"""The k-th open, read, write, sync, link, rename or lock of a call fails, for every k: the call is correct.

A shim between the process and the C library does it. This needs a C compiler, but no tracer.
`test_system_calls.py` covers system calls that bypass the C library.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import victim
from shims import NEEDED, built

pytestmark = NEEDED

#: What a disk, a quota, a server or an administrator may say to each call.
REFUSALS = {
    "open": ("EMFILE", "EACCES", "EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE"),
    "read": ("EIO", "ESTALE"),
    "stat": ("EIO", "EACCES", "ESTALE"),
    "statfs": ("EIO", "ESTALE"),
    "write": ("ENOSPC", "EDQUOT", "EIO", "ESTALE"),
    "fsync": ("EIO", "ENOSPC", "EDQUOT", "ESTALE"),
    "link": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE", "EXDEV"),
    "rename": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE"),
    "mkdir": ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EROFS", "ESTALE"),
    "chmod": ("EPERM", "EIO", "EROFS"),
    "unlink": ("EIO", "EACCES", "EROFS"),
    "fcntl": ("ENOLCK", "EIO", "ESTALE"),
}
KILL = "-1"


class Refused:
    """Makes calls in forked children, so that each saves the start of an interpreter."""

    def __init__(self, folder: Path, shim: Path, warm: str) -> None:
        self.folder = folder
        self.numbers = count()
        self.errors = folder / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("refused.py")), warm],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "LD_PRELOAD": str(shim)},
                encoding="utf-8",
            )

    def new(self) -> Path:
        """Create a new cache folder."""
        return self.folder / f"cache-{next(self.numbers)}"

    def call(
        self,
        cache: Path,
        name: str = "",
        number: int = 0,
        error: str = "0",
        how: str = "",
    ) -> tuple[int, int]:
        """Return how a call ended, and how often it made a system call, if it ended."""
        assert self.process.stdin
        assert self.process.stdout
        code = error if error in {"0", KILL} else str(getattr(errno, error))
        print(
            cache,
            name,
            number,
            code,
            how,
            sep="\t",
            file=self.process.stdin,
            flush=True,
        )
        made = 0
        while not (line := self.process.stdout.readline()).startswith("ended"):
            assert line, "the process has died"
            made = int(line)
        return int(line.split()[1]), made

    def right(self, cache: Path, *fault: object, what: str) -> None:
        """Check that a call is correct."""
        ended, _ = self.call(cache, *fault)  # type: ignore[arg-type]
        assert ended == 0, f"{what}: {self.errors.read_text(encoding='utf-8')}"

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


def entries(cache: Path, what: str) -> int:
    """Count the entries except that of an earlier call; checks entries and definition files."""
    for description in cache.glob("*/*/definition.json"):
        assert json.loads(description.read_bytes())["definition"] == description.parent.name, what
    return victim.entries(cache, what)


def left_over(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob(".tmp-*")]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Refused]]:
    folder = tmp_path_factory.mktemp("refusals")
    shim = built("refuse", folder)
    started: dict[str, Refused] = {}

    def refused(kind: str) -> Refused:
        if kind not in started:
            own = folder / kind
            own.mkdir()
            started[kind] = Refused(own, shim, "cold" if kind == "cold" else str(own / "warm"))
        return started[kind]

    yield refused
    for process in started.values():
        process.close()


def faults(refused: Refused, prepare: Callable[[], Path], how: str) -> Iterator[tuple[str, int]]:
    """Yield each system call that a call makes, by name and number."""
    for name in REFUSALS:
        ended, times = refused.call(prepare(), name, how=how)
        assert ended == 0
        for number in range(1, times + 1):
            yield name, number


@pytest.mark.parametrize("how", ["", "named", "later", "later named", "hit"])
def test_any_failing_system_call_leaves_result_correct(
    start: Callable[[str], Refused], how: str, full: bool
) -> None:
    refused, is_hit = start("warm"), how == "hit"
    sound = refused.new()
    refused.right(sound, what="nothing")

    def prepare() -> Path:
        cache = refused.new()
        if is_hit:
            shutil.copytree(sound, cache)
        return cache

    tried = set()
    for turn, (name, number) in enumerate(faults(refused, prepare, how)):
        refusals = REFUSALS[name]
        for refusal in refusals if full else refusals[turn % len(refusals) :][:1]:
            cache, what = prepare(), f"{refusal} of {name} {number}"
            refused.right(cache, name, number, refusal, how, what=what)
            there = entries(cache, what)
            assert there == 1 or not is_hit, what
            assert name == "unlink" or not left_over(cache), what
            assert not list(cache.rglob("damaged")), what
            # The next call stores again.
            refused.right(cache, what=what)
            assert entries(cache, what) == 1, what
        tried.add(name)
    # Otherwise the shim is not loaded.
    named = "rename" if "named" in how else "link"
    miss = {
        "open",
        "stat",
        "write",
        "fsync",
        "fcntl",
        named,
        *(() if "later" in how else ("mkdir",)),
    }
    assert ({"open", "read"} if is_hit else miss) <= tried
    # At the first call, definition.json gets its name by a link, too.
    assert ("link" in tried) is (how not in {"hit", "later named"})


def test_first_call_is_correct_if_any_file_cannot_be_opened(
    start: Callable[[str], Refused], full: bool
) -> None:
    # Most opened files are imported modules.
    refused = start("cold")
    ended, times = refused.call(refused.new(), "open")
    assert ended == 0
    assert times > 20
    for number in range(1, times + 1, 1 if full else times // 5):
        cache, what = refused.new(), f"EMFILE of open {number}"
        refused.right(cache, "open", number, "EMFILE", what=what)
        entries(cache, what)
        assert not left_over(cache), what


@pytest.mark.parametrize("kind", ["warm", "cold"])
def test_process_that_can_open_no_file_computes(start: Callable[[str], Refused], kind: str) -> None:
    # A process without the modules cannot even import funes.
    refused = start(kind)
    for refusal in ("EMFILE", "EIO"):
        cache = refused.new()
        refused.right(cache, "open", 0, refusal, what=refusal)
        refused.right(cache, what="afterwards")
        assert entries(cache, "afterwards") == 1


@pytest.mark.parametrize("how", ["", "named", "later", "later named"])
def test_kill_at_any_system_call_leaves_no_torn_entry(
    start: Callable[[str], Refused], how: str
) -> None:
    refused = start("warm")
    killed = 0
    for name, number in faults(refused, refused.new, how):
        cache, what = refused.new(), f"SIGKILL at {name} {number}"
        ended, made = refused.call(cache, name, number, KILL, how)
        if ended == 0 and made < number:
            continue  # some looks at the folder are made only after a time
        assert ended == -signal.SIGKILL, what
        entries(cache, what)
        refused.right(cache, what=what)
        assert entries(cache, what) == 1, what
        killed += 1
    assert killed > 10


@pytest.mark.parametrize("refusal", ["ENOSPC", "EDQUOT", "EIO", "EROFS"])
@pytest.mark.parametrize("name", ["write", "fsync", "mkdir", "link"])
def test_permanently_failing_system_call_costs_no_result(
    start: Callable[[str], Refused], name: str, refusal: str
) -> None:
    refused = start("warm")
    cache = refused.new()
    for how in ("", "named"):
        refused.right(cache, name, 0, refusal, how, what=refusal)
        assert not left_over(cache)
    refused.right(cache, what="afterwards")
    assert entries(cache, "afterwards") == 1
