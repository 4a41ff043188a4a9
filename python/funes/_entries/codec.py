"""The bytes of an entry: an ordinary pickle of ``{'input': dict, 'output': ..., 'time': seconds}``, and its head."""

from __future__ import annotations

from typing import Any, NamedTuple

from funes._entries import c_pickler, signing, tensors
from funes._entries.pickler import Beside, Buffered, Readable, dump, dump_beside, load
from funes._funes import Entry, InlinedPickle
from funes.errors import DamagedEntryError, UnpicklableResultError

#: The seconds that a function ran, its inputs, and the same with names for what belongs to ``__main__``.
Head = tuple[float, Beside, Beside | None]


class PickledEntry(NamedTuple):
    """An entry as it goes into a file."""

    #: The portable pickle, which `pickle.load` or `dill.load` reads in any program that has the modules of its classes.
    body: bytes | InlinedPickle
    #: The fast pickle, if that is another one: it names classes of ``__main__``, and leaves large arrays out.
    fast: Beside | None
    #: What listings read.
    head: Head


def dump_entry(
    inputs: dict[str, Any],
    output: object,
    seconds: float,
    objects: dict[str, str] | None = None,
    is_drawn: bool = False,
) -> PickledEntry:
    """Write an entry.

    Args:
        inputs: The arguments by name, as they were before the call.
        output: What the function returned.
        seconds: How long it ran.
        objects: The hashes of those arguments that are stored elsewhere, by name.
        is_drawn: Whether the result was drawn from the global random generators, without a seed.

    Raises:
        UnpicklableResultError: Neither pickle nor dill can write the result, or it has a tensor in it that leads
            back to those that it was computed from, which no pickle has.

    Example:
        >>> import pickle
        >>> pickled = dump_entry({"x": 21}, 42, 0.5)
        >>> pickle.loads(pickled.body), pickled.fast
        ({'input': {'x': 21}, 'output': 42, 'time': 0.5}, None)
    """
    head: dict[str, Any] = {"input": inputs}
    entry = {"input": inputs, "output": output, "time": float(seconds)}
    if objects:
        head["objects"] = entry["objects"] = objects
    if is_drawn:
        entry["drawn"] = True
    with signing.withheld():
        body, fast, is_plain = dump(entry, output)
        if _may_have_tensors(body, fast) and tensors.has_graph(output):
            raise UnpicklableResultError(
                "a tensor in it leads back to the parameters that it was computed from, and a stored one would not;"
                " return it detached: tensor.detach()"
            )
        if is_plain:
            return PickledEntry(body, fast, (float(seconds), (c_pickler.dump(head), None), None))
        return PickledEntry(body, fast, (float(seconds), *dump_beside(head, output, body)))


def _may_have_tensors(body: bytes | InlinedPickle, fast: Beside | None) -> bool:
    """Returns whether a pickle names torch: a search at the speed of memory."""
    data = body if fast is None else fast[0]
    return not isinstance(data, bytes) or b"torch" in data


def load_entry(
    body: Readable,
    fast: Buffered | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Read an entry; the opposite of `dump_entry`.

    Args:
        body: The portable pickle.
        fast: The fast pickle, which is tried first, and what it asks for. Arrays that it makes lie in that.
        home: The module of the memorious function: its classes are those of the result, see `mains`.

    Returns:
        A dict with the keys ``input``, ``output`` and ``time``; a new one at each call.

    Raises:
        DamagedEntryError: The body is a pickle of something else.
        Exception: Whatever comes up when the objects are made again, such as ImportError and
            AttributeError for a class that is gone.
    """
    entry = load(body, fast, home)
    if not isinstance(entry, dict) or not entry.keys() >= {"input", "output", "time"}:
        raise DamagedEntryError("the file holds a pickle, but not that of an entry")
    return entry


def head_of(entry: Entry) -> tuple[float, Buffered, Buffered | None]:
    """Return the head of an entry as it is stored; nothing is unpickled.

    Raises:
        DamagedEntryError: It has none.
    """
    if entry.head is None:
        raise DamagedEntryError("the file has no head, which every entry has")
    return entry.head


def load_head(entry: Entry) -> dict[str, Any]:
    """Read an entry without its output: nothing of the body but large arrays of the inputs is looked at.

    Returns:
        A dict with the keys ``input``, ``time`` and, if there are any, ``objects``.

    Raises:
        As `load_entry`.
    """
    seconds, (inputs, buffers), main = head_of(entry)
    head = load(inputs, main, buffers=buffers)
    if not isinstance(head, dict) or not isinstance(head.get("input"), dict):
        raise DamagedEntryError("the head of the file is not that of an entry")
    return {"input": head.pop("input"), "time": seconds, **head}
