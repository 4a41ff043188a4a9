"""Takes a snapshot of a call's arguments: their values before the call."""

from __future__ import annotations

from typing import Any

from funes._entries import c_pickler, dill_pickler, signing
from funes._entries.atoms import ATOMS
from funes._entries.pickler import Pickled, attempt, dump
from funes._entries.unpickler import load_named
from funes._funes import LONG
from funes._warnings import one_line


class ArgumentSnapshot:
    """The values of a call's arguments before the call, even if the function changes the arguments.

    Attributes:
        not_stored: Maps the name of each argument that could not be pickled to the reason. In place
            of such an argument, `restore` returns a short string.
    """

    __slots__ = ("_immutable", "_pickled", "not_stored")

    def __init__(self, immutable: dict[str, Any], pickled: dict[str, bytes]) -> None:
        self._immutable = immutable
        self._pickled = pickled
        self.not_stored: dict[str, str] = {}

    def restore(self) -> dict[str, Any]:
        """Returns the arguments: the same objects if they are immutable, else copies."""
        values = dict(self._immutable)
        for name, data in self._pickled.items():
            value, error = attempt(load_named, data)
            values[name] = value if error is None else self._replace(name, error)
        return values

    def take_large(self, limit: int) -> dict[str, Pickled]:
        """Removes and returns the arguments whose pickles have more than `limit` bytes.

        `restore` returns None in place of a removed argument.
        """
        large = {}
        for name, value in self._immutable.items():
            data = self._pickled.get(name)
            if data is None and isinstance(value, (str, bytes)) and len(value) > limit:
                large[name] = Pickled(c_pickler.dump(value))
            elif data is not None and len(data) > limit:
                pickled, error = attempt(_portable, data)
                if error is None:
                    large[name] = pickled
        for name in large:
            self._pickled.pop(name, None)
            self._immutable[name] = None
        return large

    def _replace(self, name: str, error: BaseException) -> str:
        self.not_stored[name] = one_line(error)
        return f"<not stored: {self.not_stored[name]}>"


def take_snapshot(inputs: dict[str, Any]) -> ArgumentSnapshot:
    """Takes a snapshot of the arguments of a call.

    The cost is negligible for None, bool, int, float, complex, str, bytes, and for tuples and
    frozensets of these. All other values are pickled immediately, each argument separately.

    Example:
        >>> rows = [1, 2]
        >>> snapshot = take_snapshot({"rows": rows, "n": 3})
        >>> rows.clear()
        >>> snapshot.restore()
        {'rows': [1, 2], 'n': 3}
    """
    # The dict has all names from the start, in the order of the signature.
    snapshot = ArgumentSnapshot(dict(inputs), {})
    for name, value in inputs.items():
        if not _is_immutable(value):
            with signing.withheld():
                data, error = attempt(_dump_for_restore, value)
            if error is None:
                snapshot._pickled[name] = data
                snapshot._immutable[name] = None
            else:
                snapshot._immutable[name] = snapshot._replace(name, error)
    return snapshot


def _portable(data: bytes) -> Pickled:
    """Converts a pickle that this program can read to a pickle that other programs can read."""
    if not c_pickler.names_main(data) and b"dill" not in data:
        return Pickled(data)
    value = load_named(data)
    with signing.withheld():
        pickled = dump(value, value)
    fast = pickled.fast if pickled.fast is not None and pickled.fast[1] is None else None
    return Pickled(bytes(pickled.body), fast)


def _dump_for_restore(value: object) -> bytes:
    data, error = attempt(c_pickler.dump, value)
    if data is not None and c_pickler.may_have_sentinels(data):
        data = attempt(c_pickler.dump_carefully, value)[0] or data
    if data is None and not isinstance(error, (RecursionError, MemoryError)):
        # Prefer references by name, since the entry is written from the restored value.
        data, error = attempt(dill_pickler.dump, value, by_name=True)
        if data == b"":
            data, error = attempt(dill_pickler.dump, value, by_name=False)
    if error is not None:
        raise error
    return bytes(data)


#: The types whose instances never change. A bare `object()` is one of them.
_UNCHANGING = ATOMS | {object}
_CONTAINERS = frozenset({tuple, frozenset})
_TEXTS = frozenset({str, bytes})


def _is_immutable(value: object) -> bool:
    if type(value) in _UNCHANGING:
        return True
    if type(value) not in _CONTAINERS:
        return False
    # Use no recursion, and visit each part once: (x, x) nested sixty times has 2**60 leaves.
    seen = {id(value)}
    todo: list[Any] = [value]
    while todo:
        for part in todo.pop():
            if type(part) in _CONTAINERS:
                if id(part) not in seen:
                    seen.add(id(part))
                    todo.append(part)
            elif type(part) not in _UNCHANGING or (type(part) in _TEXTS and len(part) > LONG):
                return False
    return True
