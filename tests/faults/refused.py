"""A process whose children each make one call while the system refuses something: `refuse.c` does it.

Reads a line for each child: a cache folder; what is refused, as `refuse` in `refuse.c` takes it (name, number, errno);
and words that say how: "named" if files without a name are not to be had, "later" if another call is to come before.
Tells how many calls of that name the child made, and how it ended.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from pathlib import Path

from victim import is_right, prepared, remembered


def child(folder: str, name: str, number: str, error: str, how: str) -> int:
    """One call; 0 if it returned what the function computes, and left at most its lock file open."""
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
    """Forks a child for each line."""
    if sys.argv[1] != "cold":
        # What a first call imports and finds out is tried apart.
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
