"""A process whose children each make one call while system calls fail or kill them.

Reads a folder a line, and "later" if another call is to come before: then the first has seen to what lies beside the
entries. Forks a child that stops itself until it is continued, and tells first its number, then how it ended. A child
ends with 0 if its call returned what the function computes.
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
    """What is called, with this cache folder."""

    @memorious(cache_dir=folder, durability="always", memory=0)
    def repeat(text: str, times: int) -> list[str]:
        return [text] * times

    return repeat


def is_right(repeat: Callable[[str, int], list[str]]) -> bool:
    """One call; whether its result is right."""
    warnings.simplefilter("ignore")
    return repeat(TEXT, 3) == [TEXT] * 3


def prepared(folder: str, how: str) -> Callable[[str, int], list[str]]:
    """What is called, after an earlier call if "later" is among the words."""
    repeat = remembered(Path(folder))
    if "later" in how.split():
        repeat(EARLIER, 1)
    return repeat


def entries(cache: Path, what: str) -> int:
    """How many entries there are, but for that of an earlier call; each is whole and right."""
    outputs = [pickle.loads(entry.read_bytes())["output"] for entry in cache.rglob("*.dill")]
    if [EARLIER] in outputs:
        outputs.remove([EARLIER])
    for output in outputs:
        assert output == [TEXT] * 3, what
    return len(outputs)


def main() -> None:
    """Forks a child for each line."""
    # What a first call imports and finds out is not what is tried here.
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
