"""Pickles entries.

An entry is an ordinary pickle of ``{'input': dict, 'output': ..., 'time': seconds}``, with a head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from funes._entries import c_pickler, signing, tensors
from funes._entries.pickler import FooterPickle, dump, dump_for_footer
from funes._funes import InlinedPickle
from funes.errors import UnpicklableResultError

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
    *,
    links: list[tuple[BaseException, dict[str, Any]]] | None = None,
) -> PickledEntry:
    """Pickles an entry.

    Args:
        inputs: The arguments by name, as they were before the call.
        output: The return value of the function.
        seconds: The run time in seconds.
        objects: Maps the names of large arguments, which are stored elsewhere, to their hashes.
        is_drawn: True if the result was drawn from the global random generators without a seed.
        links: For a remembered error, which then is the output: see `funes._entries.remembered_errors`.

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
    entry: dict[str, Any] = {"input": inputs}
    if links is None:
        entry["output"] = output
    else:
        entry.update(error=output, links=links)
    entry["time"] = float(seconds)
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
