"""Writes a value as a portable pickle and, if that differs, a fast pickle.

The C pickler writes most values; dill writes those that the C pickler cannot (lambdas, closures, local
classes).

The portable pickle contains classes of ``__main__`` by value, so that another program can read the
file. The fast pickle refers to these classes by name, so that a hit in the program itself returns an
instance of the program's own class.

The portable pickle contains large arrays. The fast pickle leaves large arrays out of band, so that
they are read straight from the file.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

from funes._entries import c_pickler, dill_pickler
from funes._funes import PROTOCOL, BufferCollector, BufferSpans, InlinedPickle
from funes._warnings import one_line
from funes.errors import UnpicklableResultError

#: A pickle in the footer of an entry, and the positions of its buffers in the body.
FooterPickle = tuple[bytes, BufferSpans | None]


class Pickled(NamedTuple):
    """The pickles of a value."""

    #: The portable pickle; ``bytes()`` joins its pieces.
    body: bytes | InlinedPickle
    #: The fast pickle, if it differs.
    fast: FooterPickle | None = None
    #: True if the C pickler wrote the value, without large buffers and without objects that must be
    #: written by name. Then parts of the value can be pickled without checking this again.
    is_plain: bool = False


def dump(value: object, blamed: object) -> Pickled:
    """Pickles a value. An error message names the type of `blamed`, which is a part of the value."""
    by_value, by_name = _streams(value, blamed)
    if not len(by_value.collector):
        fast = None if by_name is None else by_name.for_footer(by_value.data)
        return Pickled(by_value.data, fast, by_value.is_plain)
    body = by_value.in_band()
    if by_name is not None:
        return Pickled(body, by_name.for_footer(body))
    if len(by_value.data) > body.buffered:
        return Pickled(body)  # a fast pickle would store most of the bytes a second time
    return Pickled(body, (by_value.data, body.spans))


def dump_for_footer(
    value: object, blamed: object, body: bytes | InlinedPickle
) -> tuple[FooterPickle, FooterPickle | None]:
    """Pickles a part of the value in a body, without the large buffers, which the body contains already.

    Returns:
        The pickle; and the pickle with objects of ``__main__`` written by name, if that differs.
    """
    by_value, by_name = _streams(value, blamed)
    return by_value.for_footer(body), None if by_name is None else by_name.for_footer(body)


def _streams(value: object, blamed: object) -> tuple[_Stream, _Stream | None]:
    """Pickles a value so that any program can read it; and so that this program can, if that differs."""
    by_c: _Stream | None
    by_value: _Stream | None
    by_c, error = attempt(_stream_plain, value)
    if by_c is not None:
        is_plain = not c_pickler.names_main(by_c.data)
        if is_plain and not c_pickler.needs_care(by_c.data):
            return by_c, None
        naming, error = attempt(_stream_naming, value)
        if naming is None:
            raise _refusal(blamed, error) from error
        by_c, has_named = naming
        if not has_named and is_plain:
            return by_c, None
    if isinstance(error, (RecursionError, MemoryError)):
        raise _refusal(
            blamed, error
        ) from error  # dill is written in Python, and would fail earlier
    by_value, error = attempt(_stream_dill, value, by_name=False)
    if by_value is None:
        if by_c is not None:
            return by_c, None  # an entry that only this program can read
        raise _refusal(blamed, error) from error
    by_name: _Stream | None = by_c or attempt(_stream_dill, value, by_name=True)[0]
    return by_value, by_name if by_name is not None and by_name.data else None


class _Stream(NamedTuple):
    """The output of a pickler, and the large buffers that it left out."""

    data: bytes
    collector: BufferCollector
    is_plain: bool = False

    def in_band(self) -> InlinedPickle:
        """Returns the pickle with its buffers in band. Removes the buffers from the collector."""
        body = self.collector.body(self.data)
        if body is None:
            raise pickle.PicklingError("the pickler wrote opcodes that funes does not know")
        return body

    def for_footer(self, body: bytes | InlinedPickle) -> FooterPickle:
        """Returns the pickle without the buffers that the body contains. If any is missing there, all are in band."""
        if not len(self.collector):
            return self.data, None
        spans = self.collector.within(body) if isinstance(body, InlinedPickle) else None
        if spans is None:  # arrays that `__reduce__` makes have a new address each time
            return bytes(self.in_band()), None
        return self.data, spans


def _stream_plain(value: object) -> _Stream:
    collector = BufferCollector()
    return _Stream(pickle.dumps(value, PROTOCOL, buffer_callback=collector), collector, True)


def _stream_naming(value: object) -> tuple[_Stream, bool]:
    collector = BufferCollector()
    pickler = c_pickler.NamingPickler(collector)
    pickler.dump(value)
    return _Stream(pickler.file.getvalue(), collector), pickler.has_named


def _stream_dill(value: object, *, by_name: bool) -> _Stream:
    collector = BufferCollector()
    return _Stream(dill_pickler.dump(value, by_name=by_name, buffer_callback=collector), collector)


def attempt(
    work: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Any, BaseException | None]:
    """Calls `work`. Returns its result and None, or None and the error: `__reduce__` may raise any exception."""
    try:
        return work(*args, **kwargs), None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return None, error


def is_raised_again(load: Callable[[], object], error: BaseException) -> bool:
    """Return whether loading the object raises by itself what could also come from a signal."""
    try:
        load()
    except BaseException as again:
        return type(again) is type(error)
    return False


def _refusal(output: object, error: BaseException | None) -> UnpicklableResultError:
    reason = "" if error is None else one_line(error)
    # Python 3.14+ adds the position in the entry. Both picklers add it if the same error left both.
    for note in dict.fromkeys(getattr(error, "__notes__", ())):
        if note != "when serializing dict item 'output'":
            reason += f", {note}"
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    kind = type(output)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    return UnpicklableResultError(
        f"neither pickle nor dill can write a result of type {name} ({reason})"
    )


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
