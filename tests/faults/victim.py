"""A process that forks a child for each call, while system calls of the child fail or kill it.

Reads lines with a cache folder, and words. "later": an earlier call must create the files beside the
entries. "packed": the function is packed. "seal": the segment is closed after the call. "pack", "unpack":
all results are packed or unpacked instead of a call. A number: how often the text is repeated.

Each child stops itself until it is continued. Prints the process id of the child, then how
it ended: with 0 if its call returned the correct result.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from funes import memorious
from funes._funes import close_segments
from funes._results.cache import open_cache
from funes._results.stored import StoredVersion

#: Long enough for a file of several sectors.
TEXT = "what the function computes " * 40
#: That of the call before.
EARLIER = "before"


def remembered(folder: Path, packed: bool = False) -> Callable[[str, int], list[str]]:
    """Define the function that is called, with a cache folder."""

    @memorious(cache_dir=folder, durability="always", memory=0, packed=packed)
    def repeat(text: str, times: int) -> list[str]:
        return [text] * times

    return repeat


def is_right(repeat: Callable[[str, int], list[str]], times: int = 3) -> bool:
    """Make one call; returns whether its result is correct."""
    warnings.simplefilter("ignore")
    return repeat(TEXT, times) == [TEXT] * times


def versions(folder: Path) -> list[StoredVersion]:
    return [version for each in open_cache(folder).functions() for version in each.versions()]


def work(folder: str, how: str) -> Callable[[], bool]:
    """Prepare what a child does, which returns whether it went well."""
    words = how.split()
    times = next((int(word) for word in words if word.isdigit()), 3)
    repeat = prepared(folder, how)
    if "pack" in words:
        return lambda: all(version.pack() for version in versions(Path(folder)))
    if "unpack" in words:
        return lambda: all(version.unpack() for version in versions(Path(folder)))

    def call() -> bool:
        right = is_right(repeat, times)
        if "seal" in words:
            close_segments()
        return right

    return call


def prepared(folder: str, how: str) -> Callable[[str, int], list[str]]:
    """Define the function; makes an earlier call if `how` contains "later"."""
    repeat = remembered(Path(folder), packed="packed" in how.split())
    if "later" in how.split():
        repeat(EARLIER, 1)
    return repeat


def entries(cache: Path, what: str) -> int:
    """Count the entries except that of an earlier call; checks each."""
    outputs = [pickle.loads(entry.read_bytes())["output"] for entry in cache.rglob("*.dill")]
    if [EARLIER] in outputs:
        outputs.remove([EARLIER])
    for output in outputs:
        assert output == [TEXT] * 3, what
    return len(outputs)


def main() -> None:
    """Fork a child for each line."""
    # The imports and set-up of a first call are not tested here.
    is_right(remembered(Path(sys.argv[1])))
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            right = False
            try:
                folder, how = line.rstrip("\n").split("\t")
                call = work(folder, how)
                os.kill(os.getpid(), signal.SIGSTOP)
                right = call()
            finally:
                os._exit(0 if right else 1)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
