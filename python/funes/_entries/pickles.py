"""A value as one pickle or two.

The C pickler writes it; where that cannot (lambdas, closures, local classes), dill does. A class of
``__main__`` has two readings: the body holds it by value, so that another program can read the
file, and a second pickle names it, so that a hit in the program itself gives an instance of its own
class. So has what holds large arrays: the body has them in it, and the second pickle asks for them,
so that they come straight from the file.
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

from funes._entries import dill, mains, plain
from funes._entries.plain import MAINS, PROTOCOL
from funes._funes import Collector, InBand, Spans
from funes._warn import one_line
from funes.errors import UnpicklableResultError

__all__ = [
    "Pickled",
    "Readable",
    "attempt",
    "dump",
    "load",
    "load_body",
    "load_named",
    "load_second",
]

#: What a pickle can be read from.
Readable = bytes | memoryview


class Pickled(NamedTuple):
    """A value as it goes into a file."""

    #: What any program reads: a pickle of which ``bytes()`` makes one piece.
    body: bytes | InBand
    #: What funes reads, if that is something else.
    second: bytes | None = None
    #: Where the buffers that the second reading asks for lie in the body.
    spans: Spans | None = None


def dump(value: object, culprit: object) -> Pickled:
    """Pickle a value; `culprit` is the part of it that the error names."""
    by_c: _Stream | None
    by_value: _Stream | None
    by_c, error = attempt(_stream_plain, value)
    if by_c is not None:
        is_plain = not plain.names_main(by_c.data)
        if is_plain and not plain.may_have_sentinels(by_c.data):
            return by_c.readings()
        careful, error = attempt(_stream_careful, value)
        if careful is None:
            raise _refusal(culprit, error) from error
        by_c, has_named = careful
        if not has_named and is_plain:
            return by_c.readings()
    if isinstance(error, (RecursionError, MemoryError)):
        raise _refusal(culprit, error) from error  # dill, written in Python, gets less far
    by_value, error = attempt(_stream_dill, value, by_name=False)
    if by_value is None:
        if by_c is not None:
            return by_c.readings()  # better an entry for this program alone than none
        raise _refusal(culprit, error) from error
    readings = by_value.readings()
    by_name: _Stream | None = by_c or attempt(_stream_dill, value, by_name=True)[0]
    if by_name is None or not by_name.data:
        return readings
    if not len(by_name.collector):
        return Pickled(readings.body, by_name.data)
    spans = by_name.collector.within(readings.body) if isinstance(readings.body, InBand) else None
    if spans is not None:
        return Pickled(readings.body, by_name.data, spans)
    # Arrays that are made while they are pickled lie elsewhere each time.
    if by_c is None:
        return Pickled(readings.body, dill.dump(value, by_name=True))
    return Pickled(readings.body, plain.dump_carefully(value))


class _Stream(NamedTuple):
    """What a pickler wrote, and the large buffers that it left out."""

    data: bytes
    collector: Collector

    def readings(self) -> Pickled:
        if not len(self.collector):
            return Pickled(self.data)
        body = self.collector.body(self.data)
        if body is None:
            raise pickle.PicklingError("the pickler wrote what funes does not understand")
        if len(self.data) > body.buffered:
            return Pickled(body)  # most of it is no buffer, and need not be stored twice
        return Pickled(body, self.data, body.spans)


def _stream_plain(value: object) -> _Stream:
    collector = Collector()
    return _Stream(pickle.dumps(value, PROTOCOL, buffer_callback=collector), collector)


def _stream_careful(value: object) -> tuple[_Stream, bool]:
    collector = Collector()
    pickler = plain.Careful(collector)
    pickler.dump(value)
    return _Stream(pickler.file.getvalue(), collector), pickler.has_named


def _stream_dill(value: object, *, by_name: bool) -> _Stream:
    collector = Collector()
    return _Stream(dill.dump(value, by_name=by_name, buffer_callback=collector), collector)


def load(
    body: Readable,
    second: bytes | None = None,
    buffers: Iterable[Readable] | None = None,
    home: str | None = None,
) -> Any:
    """Read a value; the opposite of `dump`.

    Args:
        body: The first reading.
        second: The second, which is tried first.
        buffers: What the second reading asks for. Arrays that it makes lie in them.
        home: The module of the memorious function, see `mains`.

    Raises:
        Exception: Whatever comes up when the objects are made again, such as ImportError and
            AttributeError for a class that is gone.
    """
    try:
        if second is not None:
            # A class of another program's __main__: the body has it by value.
            with suppress(Exception):
                return load_second(second, buffers, home)
        try:
            return load_body(body, home)
        except Exception:
            if "torch" not in sys.modules:
                raise
            with suppress(Exception):
                on_processor = _OnProcessor(io.BytesIO(body))
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


#: The name of `mains` in stored files: one of the format, see docs/format.md.
_FINDERS = "funes._entries.mains"


class _Unpickler(pickle.Unpickler):
    """Finds the program's own classes whether it is run as a script, imported, or started by spawn."""

    home: str | None = None

    def find_class(self, module: str, name: str) -> Any:
        if module == _FINDERS:
            return functools.partial(getattr(mains, name), home=self.home)
        if module in MAINS:
            for candidate in (module, *MAINS):
                with suppress(ImportError, AttributeError):
                    return super().find_class(candidate, name)
            if self.home is not None:
                with suppress(ImportError, AttributeError):
                    return super().find_class(self.home, name)
            found = mains.arrived(name)
            if found is not None:
                return found
        elif module.partition(".")[0] == "dill":
            dill.imported()
        elif mains.is_own(module, self.home):
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


def load_second(data: bytes, buffers: Iterable[Readable] | None, home: str | None = None) -> Any:
    if b"main" in data or b"dill" in data or _may_name_own(data):
        return _unpickle(data, buffers, home)
    return pickle.loads(data, buffers=buffers)


def _may_name_own(data: Readable) -> bool:
    """Whether a pickle may name the program's own module as the module that it is where it is imported."""
    last = mains.last_name()
    if last is None:
        return False
    return _names_of(last).search(data) is not None


@functools.lru_cache(maxsize=1)
def _names_of(module: str) -> re.Pattern[bytes]:
    """What a pickle has that names something of a module."""
    name = re.escape(module.encode())
    # A text that is remembered and another one: an object of the module. dill names the globals of a module by lines.
    return re.compile(name + rb"(?:\x94\x8c|\n__dict__\n)")


def load_body(body: Readable, home: str | None = None) -> Any:
    was_there = "dill" in sys.modules
    try:
        if _may_name_own(body):
            return _unpickle(body, None, home)
        return pickle.loads(body)
    except ModuleNotFoundError as error:
        if error.name != "__builtin__":
            raise
        # Names that only dill knows, such as that of the type of None.
        return dill.imported().loads(body)
    finally:
        if not was_there and "dill" in sys.modules:
            sys.modules["dill"].extend(False)
