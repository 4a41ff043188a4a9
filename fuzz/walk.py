"""Fuzzes the walk with random Python values: it must not crash, and equal values have equal hashes.

make fuzz
"""

import copy
import pickle
import sys

import atheris

with atheris.instrument_imports(include=["funes"]):
    from funes import UnhashableArgumentError, hash_value

SCALARS = (None, True, False, 0, -1, 1 << 70, 1.5, float("nan"), "", "a" * 300, "\ud800", b"x", ...)


class Thing:
    """An object with attributes, which may be part of cycles."""


class Hostile:
    """An object whose reduction misbehaves."""

    def __init__(self, container, act):
        self.container, self.act = container, act

    def __reduce__(self):
        if self.act == 0:
            raise RuntimeError("hostile")
        if self.act == 1 and isinstance(self.container, (list, dict, set)):
            self.container.clear()
        if self.act == 2:
            return self.act
        return Hostile, (None, 3)


def build(data, made, depth=0):
    """Makes a value, which may contain earlier parts again; this makes cycles."""
    kind = data.ConsumeIntInRange(0, 11 if depth < 6 else 3)
    if kind <= 1:
        return SCALARS[data.ConsumeIntInRange(0, len(SCALARS) - 1)]
    if kind == 2:
        return data.ConsumeUnicode(data.ConsumeIntInRange(0, 20))
    if kind == 3 and made:
        return made[data.ConsumeIntInRange(0, len(made) - 1)]
    parts = data.ConsumeIntInRange(0, 4)
    if kind <= 5:
        value = []
        made.append(value)
        value.extend(build(data, made, depth + 1) for _ in range(parts))
        return value
    if kind <= 7:
        value = {}
        made.append(value)
        for index in range(parts):
            value[data.ConsumeUnicode(3) or index] = build(data, made, depth + 1)
        return value
    if kind == 8:
        return tuple(build(data, made, depth + 1) for _ in range(parts))
    if kind == 9:
        return {data.ConsumeInt(9) for _ in range(parts)}
    if kind == 10:
        value = Thing()
        made.append(value)
        value.part, value.other = build(data, made, depth + 1), build(data, made, depth + 1)
        return value
    return Hostile(made[-1] if made else None, data.ConsumeIntInRange(0, 3))


def one(buffer):
    """Runs the fuzzer once."""
    value = build(atheris.FuzzedDataProvider(buffer), [])
    try:
        first = hash_value(value)
        if hash_value(value) != first:
            return  # what is hostile in it changed another part of it
    except UnhashableArgumentError:
        return
    try:
        copies = [copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    except Exception:
        return
    for copied in copies:
        if hash_value(copied) != first:
            raise AssertionError(f"a copy of {value!r} has another hash")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
