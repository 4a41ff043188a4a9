"""Writes and reads entries.

An entry is an ordinary pickle of ``{'input': dict, 'output': ..., 'time': seconds}``, with a head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from funes._entries import c_pickler, signing, tensors
from funes._entries.pickler import Buffered, FooterPickle, Readable, dump, dump_for_footer, load
from funes._funes import Entry, InlinedPickle
from funes.errors import DamagedEntryError, UnpicklableResultError

#: The run time in seconds; the pickled inputs; and the inputs with objects of ``__main__`` pickled
#: by name, if that pickle differs.
Head = tuple[float, FooterPickle, FooterPickle | None]


class PickledEntry(NamedTuple):
    """The pickles of which the file of an entry consists."""

    #: The portable pickle. `pickle.load` or `dill.load` reads it in any program that has the
    #: modules of its classes.
    body: bytes | InlinedPickle
    #: The fast pickle, which names classes of ``__main__`` and leaves large arrays out; None if it
    #: equals the portable pickle.
    fast: FooterPickle | None
    #: The head, which listings read.
    head: Head


def dump_entry(
    inputs: dict[str, Any],
    output: object,
    seconds: float,
    objects: dict[str, str] | None = None,
    is_drawn: bool = False,
) -> PickledEntry:
    """Pickles an entry.

    Args:
        inputs: The arguments by name, as they were before the call.
        output: The return value of the function.
        seconds: The run time in seconds.
        objects: Maps the names of large arguments, which are stored elsewhere, to their hashes.
        is_drawn: True if the result was drawn from the global random generators without a seed.

    Raises:
        UnpicklableResultError: Neither pickle nor dill can write the result, or it contains a
            tensor with a computation graph, which no pickle keeps.

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
                "a tensor in it has the computation graph that leads to its parameters, and a stored tensor has none:"
                " return tensor.detach()"
            )
        if is_plain:
            return PickledEntry(body, fast, (float(seconds), (c_pickler.dump(head), None), None))
        return PickledEntry(body, fast, (float(seconds), *dump_for_footer(head, output, body)))


def _may_have_tensors(body: bytes | InlinedPickle, fast: FooterPickle | None) -> bool:
    """Returns whether a pickle contains the name torch. The search runs at the speed of memory."""
    data = body if fast is None else fast[0]
    return not isinstance(data, bytes) or b"torch" in data


def load_entry(
    body: Readable,
    fast: Buffered | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Unpickles an entry; the inverse of `dump_entry`.

    Args:
        body: The portable pickle.
        fast: The fast pickle, which is tried first, and its buffers. Arrays share the memory of
            the buffers.
        home: The module of the memorious function. Classes of the program's own module are looked
            for there first, see `main_module`.

    Returns:
        A new dict with the keys ``input``, ``output`` and ``time``.

    Raises:
        DamagedEntryError: The body is the pickle of an object that is no entry.
        Exception: Unpickling failed, for example with ImportError or AttributeError for a class
            that no longer exists.
    """
    entry = load(body, fast, home)
    if not isinstance(entry, dict) or not entry.keys() >= {"input", "output", "time"}:
        raise DamagedEntryError("the file holds a pickle of something that is not an entry")
    return entry


def head_of(entry: Entry) -> tuple[float, Buffered, Buffered | None]:
    """Returns the head of an entry without unpickling it.

    Raises:
        DamagedEntryError: The entry has no head.
    """
    if entry.head is None:
        raise DamagedEntryError("the file has no head, which every entry has")
    return entry.head


def load_head(entry: Entry) -> dict[str, Any]:
    """Unpickles the head of an entry. Of the body, it reads only large arrays of the inputs.

    Returns:
        A dict with the keys ``input`` and ``time``, and ``objects`` if there are large arguments.

    Raises:
        DamagedEntryError, Exception: See `load_entry`.
    """
    seconds, (inputs, buffers), main = head_of(entry)
    head = load(inputs, main, buffers=buffers)
    if not isinstance(head, dict) or not isinstance(head.get("input"), dict):
        raise DamagedEntryError("the head of the file is not a head of an entry")
    return {"input": head.pop("input"), "time": seconds, **head}
