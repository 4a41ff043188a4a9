"""A process that forks a child for each call, while system calls of the child fail or kill it.

Reads lines with a cache folder, and "later" if an earlier call must create the files beside the
entries. Each child stops itself until it is continued. Prints the process id of the child, then how
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

#: Long enough for a file of several sectors.
TEXT = "what the function computes " * 40
#: That of the call before.
EARLIER = "before"


def remembered(folder: Path) -> Callable[[str, int], list[str]]:
    """Define the function that is called, with a cache folder."""

    @memorious(cache_dir=folder, durability="always", memory=0)
    def repeat(text: str, times: int) -> list[str]:
        return [text] * times

    return repeat


def is_right(repeat: Callable[[str, int], list[str]]) -> bool:
    """Make one call; returns whether its result is correct."""
    warnings.simplefilter("ignore")
    return repeat(TEXT, 3) == [TEXT] * 3


def prepared(folder: str, how: str) -> Callable[[str, int], list[str]]:
    """Define the function; makes an earlier call if `how` contains "later"."""
    repeat = remembered(Path(folder))
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
                repeat = prepared(folder, how)
                os.kill(os.getpid(), signal.SIGSTOP)
                right = is_right(repeat)
            finally:
                os._exit(0 if right else 1)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
