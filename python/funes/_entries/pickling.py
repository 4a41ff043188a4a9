"""The bytes of an entry: an ordinary pickle of ``{'input': dict, 'output': ..., 'time': seconds}``."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from funes._entries import secret, tensors
from funes._entries.pickles import Pickled, Readable, dump, load, load_body, load_second
from funes._funes import Entry
from funes.errors import DamagedEntryError, UnpicklableResultError

__all__ = ["dump_entry", "load_entry", "load_head"]


def dump_entry(
    inputs: dict[str, Any],
    output: object,
    seconds: float,
    objects: dict[str, str] | None = None,
    is_drawn: bool = False,
) -> Pickled:
    """Write an entry.

    Args:
        inputs: The arguments by name, as they were before the call.
        output: What the function returned.
        seconds: How long it ran.
        objects: The hashes of those arguments that are stored elsewhere, by name.
        is_drawn: Whether the result was drawn from the global random generators, without a seed.

    Returns:
        The body, which `pickle.load` or `dill.load` reads in any program that has the modules of
        the classes in it; and None, or a second reading of the same entry, in which classes and
        functions of ``__main__`` are named instead of contained, and large arrays left out.

    Raises:
        UnpicklableResultError: Neither pickle nor dill can write the result, or it has a tensor in it that leads
            back to those that it was computed from, which no pickle has.

    Example:
        >>> import pickle
        >>> pickled = dump_entry({"x": 21}, 42, 0.5)
        >>> pickle.loads(pickled.body), pickled.second
        ({'input': {'x': 21}, 'output': 42, 'time': 0.5}, None)
    """
    entry = {"input": inputs, "output": output, "time": float(seconds)}
    if objects:
        entry["objects"] = objects
    if is_drawn:
        entry["drawn"] = True
    with secret.withheld():
        pickled = dump(entry, output)
        if _may_have_tensors(pickled) and tensors.has_graph(output):
            raise UnpicklableResultError(
                "a tensor in it leads back to the parameters that it was computed from, and a stored one would not;"
                " return it detached: tensor.detach()"
            )
    return pickled


def _may_have_tensors(pickled: Pickled) -> bool:
    """Returns whether a pickle names torch: a search at the speed of memory."""
    data = pickled.body if pickled.second is None else pickled.second
    return not isinstance(data, bytes) or b"torch" in data


def load_entry(
    body: Readable,
    second: bytes | None = None,
    buffers: Iterable[Readable] | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Read an entry; the opposite of `dump_entry`.

    Args:
        body: The first reading.
        second: The second, which is tried first.
        buffers: What the second reading asks for. Arrays that it makes lie in them.
        home: The module of the memorious function: its classes are those of the result, see `mains`.

    Returns:
        A dict with the keys ``input``, ``output`` and ``time``; a new one at each call.

    Raises:
        DamagedEntryError: The body is a pickle of something else.
        Exception: Whatever comes up when the objects are made again, such as ImportError and
            AttributeError for a class that is gone.
    """
    entry = load(body, second, buffers, home)
    if not isinstance(entry, dict) or not entry.keys() >= {"input", "output", "time"}:
        raise DamagedEntryError("the file holds a pickle, but not that of an entry")
    return entry


def load_head(entry: Entry) -> dict[str, Any]:
    """Read an entry without its output, which is not even unpickled where the pickle is understood.

    Returns:
        A dict with the keys ``input``, ``time`` and, if there are any, ``objects``.

    Raises:
        As `load_entry`.
    """
    if entry.second is not None:
        head = entry.second_head()
        if head is not None:
            with suppress(Exception):  # as `load`
                return load_second(head, entry.buffers)  # type: ignore[no-any-return]
    head = entry.head()
    if head is not None:
        return load_body(head)  # type: ignore[no-any-return]
    whole = load_entry(entry.body, entry.second, entry.buffers)
    del whole["output"]
    whole.pop("drawn", None)
    return whole
