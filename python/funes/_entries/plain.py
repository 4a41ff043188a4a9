"""What the C pickler writes, and whether that refers to the program's own module."""

from __future__ import annotations

import pickle
import re

from funes._funes import PROTOCOL

__all__ = ["ATOMS", "MAINS", "PROTOCOL", "dump", "names_main"]

#: The types whose values never change and hold nothing else.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})

#: The names that the program's own module may have; a process started by spawn has the second.
MAINS = ("__main__", "__mp_main__")

_MAIN_STRING = re.compile(rb"\x8c(?:\x08__main__|\x0b__mp_main__)")  # as SHORT_BINUNICODE
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"FRAME", "PROTO"})


def dump(value: object) -> bytes:
    return pickle.dumps(value, PROTOCOL)


def names_main(data: bytes) -> bool:
    """Whether a pickle of the C pickler refers to a class or function of ``__main__``."""
    if b"main__" not in data:  # a search at the speed of memory
        return False
    found = list(_MAIN_STRING.finditer(data))
    if not found:
        return False
    for match in found:
        # The usual form: the module's name, memoized, the object's name, memoized, STACK_GLOBAL.
        at = match.end()
        if data[at : at + 2] == b"\x94\x8c":
            end = at + 3 + data[at + 2]
            if data[end : end + 2] == b"\x94\x93":
                return True
    # A text that says "__main__", most likely. Only reading the opcodes tells.
    import pickletools

    memo: list[object] = []
    before = last = None
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STACK_GLOBAL" and before in MAINS:
            return True
        if name == "MEMOIZE":
            memo.append(last)
        elif name in _STRINGS:
            before, last = last, argument
        elif name in _GETS:
            before, last = last, memo[argument]  # type: ignore[index]
        elif name not in _NOTHING:
            before, last = last, None
    return False
