"""A process that forks a child for each call, while `refuse.c` lets a system call of the child fail.

Reads a line for each child: a cache folder; the name, number and errno for `refuse` in `refuse.c`;
and words: "named" if unnamed files are not supported, "later" for an earlier call. Prints how many
calls of that name the child made, and how it ended.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from pathlib import Path

from victim import is_right, prepared, remembered


def child(folder: str, name: str, number: str, error: str, how: str) -> int:
    """Make one call; returns 0 if it is correct, and left at most its lock file open."""
    system = ctypes.CDLL(None)
    repeat = prepared(folder, how)
    before = descriptors()
    if "named" in how.split():
        system.refuse_unnamed()
    system.refuse(name.encode(), int(number), int(error))
    trouble, right = "", False
    try:
        right = is_right(repeat)
    except BaseException:
        trouble = traceback.format_exc()
    made = system.counted()
    system.refuse(b"", 0, 0)
    if len(opened := descriptors() - before) > 1:
        trouble += f"left open: {opened}"
        right = False
    os.write(2, trouble.encode())
    os.write(1, f"{made}\n".encode())
    return 0 if right else 1


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def main() -> None:
    """Fork a child for each line."""
    if sys.argv[1] != "cold":
        # The imports and set-up of a first call are tested separately.
        is_right(remembered(Path(sys.argv[1])))
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                folder, *fault = line.rstrip("\n").split("\t")
                code = child(folder, *fault)
            finally:
                os._exit(code)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
