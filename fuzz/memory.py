"""Hashes one value of every kind that the extension reads through raw memory, for valgrind.

It includes values that are refused.

make memcheck
"""

import array
import collections
import threading

import numpy as np

from funes import UnhashableArgumentError, hash_value


class Plain:
    """An object with attributes."""

    def __init__(self, part):
        self.part = part


class Reduced(Plain):
    """An object with its own reduction."""

    def __reduce__(self):
        return Reduced, (self.part,)


def nested(depth):
    """Makes a deeply nested list."""
    value = [1]
    for _ in range(depth):
        value = [value]
    return value


cycle = [1]
cycle.append(cycle)

VALUES = [
    *(
        1,
        1 << 100,
        1.5,
        1j,
        "a",
        "\ud800",
        "x" * 300,
        "x" * 100_000,
        b"y",
        b"y" * 100_000,
        ...,
        None,
    ),
    *(
        bytearray(b"z"),
        bytearray(100_000),
        [1.5] * 50,
        (1, "2"),
        {1: 2, "a": [3]},
        {1, 2},
        frozenset("ab"),
    ),
    *(
        Plain(1),
        Reduced([2]),
        cycle,
        collections.OrderedDict(a=1),
        range(3),
        len,
        Plain,
        nested(100),
    ),
    *(
        array.array("d", [1, 2]),
        memoryview(b"abc")[::-1],
        memoryview(b"abcd")[::2],
        memoryview(b""),
    ),
    *(np.arange(1000.0)[::3], np.arange(12).reshape(3, 4).T, np.zeros(0), np.array(3)),
    *(np.zeros((300, 300)).T, np.zeros((2, 0, 3)), np.arange(1 << 18)[::-1], np.zeros(1 << 18)),
]
REFUSED = [nested(2000), {"a": threading.Lock()}, Plain([iter([])])]

if __name__ == "__main__":
    for value in VALUES:
        assert hash_value(value) == hash_value(value)
    for value in REFUSED:
        try:
            hash_value(value)
        except UnhashableArgumentError:
            continue
        raise AssertionError(f"{value!r} was not refused")
