"""Writes a value as one pickle or two: a portable one, and a fast one.

The C pickler writes it; where that cannot (lambdas, closures, local classes), dill does. The portable
pickle holds a class of ``__main__`` by value, so that another program can read the file, and the fast
one names it, so that a hit in the program itself gives an instance of its own class. The portable
pickle holds large arrays, and the fast one asks for them, so that they come straight from the file.
"""

from __future__ import annotations

import functools
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from funes._entries import c_pickler, dill_pickler, main_module
from funes._entries.main_module import MAINS
from funes._funes import PROTOCOL, BufferCollector, BufferSpans, InlinedPickle
from funes._warnings import one_line
from funes.errors import UnpicklableResultError

#: What a pickle can be read from.
Readable = bytes | memoryview

#: A pickle in the footer of an entry, and where the buffers that it asks for lie in the body.
Beside = tuple[bytes, BufferSpans | None]

#: A pickle that was read from there, and its buffers.
Buffered = tuple[bytes, Iterable[Readable] | None]


class Pickled(NamedTuple):
    """A value as it goes into a file."""

    #: The portable pickle, of which ``bytes()`` makes one piece.
    body: bytes | InlinedPickle
    #: The fast pickle, if that is another one.
    fast: Beside | None = None
    #: Whether the C pickler wrote it, with no large buffer and nothing that it should not have written: so any part of
    #: the value can be pickled without a second look.
    is_plain: bool = False


def dump(value: object, culprit: object) -> Pickled:
    """Pickle a value; `culprit` is the part of it that the error names."""
    by_value, by_name = _streams(value, culprit)
    if not len(by_value.collector):
        fast = None if by_name is None else by_name.beside(by_value.data)
        return Pickled(by_value.data, fast, by_value.is_plain)
    body = by_value.in_band()
    if by_name is not None:
        return Pickled(body, by_name.beside(body))
    if len(by_value.data) > body.buffered:
        return Pickled(body)  # most of it is no buffer, and need not be stored twice
    return Pickled(body, (by_value.data, body.spans))


def dump_beside(
    value: object, culprit: object, body: bytes | InlinedPickle
) -> tuple[Beside, Beside | None]:
    """Pickle a part of what a body holds, whose large buffers stay there.

    Returns:
        The pickle; and one with names for what belongs to ``__main__``, if that is another one.
    """
    by_value, by_name = _streams(value, culprit)
    return by_value.beside(body), None if by_name is None else by_name.beside(body)


def _streams(value: object, culprit: object) -> tuple[_Stream, _Stream | None]:
    """Pickle a value for any program; and for this one, if that is something else."""
    by_c: _Stream | None
    by_value: _Stream | None
    by_c, error = attempt(_stream_plain, value)
    if by_c is not None:
        is_plain = not c_pickler.names_main(by_c.data)
        if is_plain and not c_pickler.may_have_sentinels(by_c.data):
            return by_c, None
        careful, error = attempt(_stream_careful, value)
        if careful is None:
            raise _refusal(culprit, error) from error
        by_c, has_named = careful
        if not has_named and is_plain:
            return by_c, None
    if isinstance(error, (RecursionError, MemoryError)):
        raise _refusal(culprit, error) from error  # dill, written in Python, gets less far
    by_value, error = attempt(_stream_dill, value, by_name=False)
    if by_value is None:
        if by_c is not None:
            return by_c, None  # better an entry for this program alone than none
        raise _refusal(culprit, error) from error
    by_name: _Stream | None = by_c or attempt(_stream_dill, value, by_name=True)[0]
    return by_value, by_name if by_name is not None and by_name.data else None


class _Stream(NamedTuple):
    """What a pickler wrote, and the large buffers that it left out."""

    data: bytes
    collector: BufferCollector
    is_plain: bool = False

    def in_band(self) -> InlinedPickle:
        """The pickle with its buffers in it. They are given away."""
        body = self.collector.body(self.data)
        if body is None:
            raise pickle.PicklingError("the pickler wrote what funes does not understand")
        return body

    def beside(self, body: bytes | InlinedPickle) -> Beside:
        """The pickle with its buffers where a body has them; in it if that has not all of them."""
        if not len(self.collector):
            return self.data, None
        spans = self.collector.within(body) if isinstance(body, InlinedPickle) else None
        if spans is None:  # arrays that are made while they are pickled lie elsewhere each time
            return bytes(self.in_band()), None
        return self.data, spans


def _stream_plain(value: object) -> _Stream:
    collector = BufferCollector()
    return _Stream(pickle.dumps(value, PROTOCOL, buffer_callback=collector), collector, True)


def _stream_careful(value: object) -> tuple[_Stream, bool]:
    collector = BufferCollector()
    pickler = c_pickler.Careful(collector)
    pickler.dump(value)
    return _Stream(pickler.file.getvalue(), collector), pickler.has_named


def _stream_dill(value: object, *, by_name: bool) -> _Stream:
    collector = BufferCollector()
    return _Stream(dill_pickler.dump(value, by_name=by_name, buffer_callback=collector), collector)


def load(
    body: Readable,
    fast: Buffered | None = None,
    home: str | None = None,
    buffers: Iterable[Readable] | None = None,
) -> Any:
    """Read a value; the opposite of `dump`.

    Args:
        body: The portable pickle.
        fast: The fast pickle, which is tried first, and what it asks for. Arrays that it makes lie in that.
        home: The module of the memorious function, see `main_module`.
        buffers: What `body` asks for, if that is a part of an entry.

    Raises:
        Exception: Whatever comes up when the objects are made again, such as ImportError and
            AttributeError for a class that is gone.
    """
    try:
        if fast is not None:
            # A class of another program's __main__: the body has it by value.
            with suppress(Exception):
                return _load_fast(*fast, home)
        try:
            return load_body(body, home, buffers)
        except Exception:
            if "torch" not in sys.modules:
                raise
            with suppress(Exception):
                on_processor = _OnProcessor(io.BytesIO(body), buffers=buffers)
                on_processor.home = home
                return on_processor.load()
            raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        # A library written in Rust (polars, given what another version of it has written) raises what is no Exception.
        raise pickle.UnpicklingError(one_line(error)) from error


def attempt(
    work: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Any, BaseException | None]:
    """The outcome and None, or None and what was raised: `__reduce__` may raise anything at all."""
    try:
        return work(*args, **kwargs), None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return None, error


def _refusal(output: object, error: BaseException | None) -> UnpicklableResultError:
    reason = "" if error is None else one_line(error)
    for note in getattr(error, "__notes__", ()):  # from Python 3.14 on: where in the result
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


#: The name of `main_module` in stored files: one of the format, see docs/format.md.
_FINDERS = main_module.__name__


class _Unpickler(pickle.Unpickler):
    """Finds the program's own classes whether it is run as a script, imported, or started by spawn."""

    home: str | None = None

    def find_class(self, module: str, name: str) -> Any:
        if module == _FINDERS:
            return functools.partial(getattr(main_module, name), home=self.home)
        if module in MAINS:
            for candidate in (module, *MAINS):
                with suppress(ImportError, AttributeError):
                    return super().find_class(candidate, name)
            if self.home is not None:
                with suppress(ImportError, AttributeError):
                    return super().find_class(self.home, name)
            found = main_module.arrived(name)
            if found is not None:
                return found
        elif module.partition(".")[0] == "dill":
            dill_pickler.imported()
        elif main_module.is_own(module, self.home):
            with suppress(AttributeError):
                return super().find_class("__main__", name)
        return super().find_class(module, name)


def _unpickle(data: Readable, buffers: Iterable[Readable] | None, home: str | None) -> Any:
    unpickler = _Unpickler(io.BytesIO(data), buffers=buffers)
    unpickler.home = home
    return unpickler.load()


class _OnProcessor(_Unpickler):
    """Puts the tensors of a device that this host lacks into the memory of its processor."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda data: _load_storage(found, data)
        if (module, name) == ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"):
            return lambda *args: _rebuild_tensor(found, *args)
        return found


def _load_storage(load: Callable[[bytes], Any], data: bytes) -> Any:
    import torch

    try:
        return load(data)
    except Exception:  # each backend of torch has errors of its own
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)


def _rebuild_tensor(rebuild: Callable[..., Any], tensor: Any, *args: Any) -> Any:
    try:
        return rebuild(tensor, *args)
    except Exception:  # as above
        return tensor


def load_named(data: bytes) -> Any:
    return _unpickle(data, None, None)


def _load_fast(data: bytes, buffers: Iterable[Readable] | None, home: str | None) -> Any:
    if b"main" in data or b"dill" in data or _may_name_own(data):
        return _unpickle(data, buffers, home)
    return pickle.loads(data, buffers=buffers)


def _may_name_own(data: Readable) -> bool:
    """Whether a pickle may name the program's own module as the module that it is where it is imported."""
    last = main_module.last_name()
    if last is None:
        return False
    return _names_of(last).search(data) is not None


@functools.lru_cache(maxsize=1)
def _names_of(module: str) -> re.Pattern[bytes]:
    """What a pickle has that names something of a module."""
    name = re.escape(module.encode())
    # A text that is remembered and another one: an object of the module. dill names the globals of a module by lines.
    return re.compile(name + rb"(?:\x94\x8c|\n__dict__\n)")


def load_body(
    body: Readable, home: str | None = None, buffers: Iterable[Readable] | None = None
) -> Any:
    was_there = "dill" in sys.modules
    try:
        if _may_name_own(body):
            return _unpickle(body, buffers, home)
        return pickle.loads(body, buffers=buffers)
    except ModuleNotFoundError as error:
        if error.name != "__builtin__":
            raise
        # Names that only dill knows, such as that of the type of None.
        return dill_pickler.imported().loads(body, buffers=buffers)
    finally:
        if not was_there and "dill" in sys.modules:
            sys.modules["dill"].extend(False)
