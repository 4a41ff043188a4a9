"""Unpickles entries, and other values that `pickler` has pickled: the fast pickle first, then the portable one.

This file does not import the picklers, so that the first hit of a process is fast.
"""

from __future__ import annotations

import functools
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from funes._entries import main_module
from funes._entries.main_module import MAINS
from funes._warnings import one_line
from funes.errors import DamagedEntryError

#: The types of bytes from which a pickle can be read.
Readable = bytes | memoryview

#: A pickle that was read from a footer, and its buffers.
Buffered = tuple[bytes, Iterable[Readable] | None]


def load_entry(
    body: Readable,
    fast: Buffered | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Unpickles an entry; the inverse of `writer.dump_entry`.

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


def load(
    body: Readable,
    fast: Buffered | None = None,
    home: str | None = None,
    buffers: Iterable[Readable] | None = None,
) -> Any:
    """Unpickles a value; the inverse of `pickler.dump`.

    Args:
        body: The portable pickle.
        fast: The fast pickle, which is tried first, and its buffers. Arrays share the memory of
            the buffers.
        home: The module of the memorious function, see `main_module`.
        buffers: The buffers of `body`, if `body` is a pickle of a footer section.

    Raises:
        Exception: Unpickling failed, for example with ImportError or AttributeError for a class
            that no longer exists.
    """
    try:
        if fast is not None:
            # This fails for classes of another program's __main__, which the body contains by
            # value.
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
        # A library that is written in Rust may panic, as polars does on data of another polars
        # version. PyO3 raises a panic as PanicException, which is no Exception.
        raise pickle.UnpicklingError(one_line(error)) from error


#: The name of `main_module` in stored files. It is part of the format, see docs/format.md.
_FINDERS = main_module.__name__


class _Unpickler(pickle.Unpickler):
    """Finds classes of the program's own module, whether it was run, imported or started by spawn."""

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
            found = main_module.received_class(name)
            if found is not None:
                return found
        elif module.partition(".")[0] == "dill":
            _import_dill()
        elif main_module.is_own(module, self.home):
            with suppress(AttributeError):
                return super().find_class("__main__", name)
        return super().find_class(module, name)


def _unpickle(data: Readable, buffers: Iterable[Readable] | None, home: str | None) -> Any:
    unpickler = _Unpickler(io.BytesIO(data), buffers=buffers)
    unpickler.home = home
    return unpickler.load()


class _OnProcessor(_Unpickler):
    """Loads tensors of a device that this host lacks into main memory."""

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
    except Exception:  # each backend of torch raises errors of other types
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)


def _rebuild_tensor(rebuild: Callable[..., Any], tensor: Any, *args: Any) -> Any:
    try:
        return rebuild(tensor, *args)
    except Exception:  # each backend raises errors of other types
        return tensor


def load_named(data: bytes) -> Any:
    return _unpickle(data, None, None)


def _load_fast(data: bytes, buffers: Iterable[Readable] | None, home: str | None) -> Any:
    if b"main" in data or b"dill" in data or _may_name_own(data):
        return _unpickle(data, buffers, home)
    return pickle.loads(data, buffers=buffers)


def _may_name_own(data: Readable) -> bool:
    """Returns whether a pickle may name the program's own module by its importable name."""
    last = main_module.last_name()
    if last is None:
        return False
    return _names_of(last).search(data) is not None


@functools.lru_cache(maxsize=1)
def _names_of(module: str) -> re.Pattern[bytes]:
    """Returns a pattern of the opcodes that name a module, or an object in the module."""
    name = re.escape(module.encode())
    # MEMOIZE and a second string follow the module of an object. dill writes the globals of a
    # module as lines.
    return re.compile(name + rb"(?:\x94\x8c|\n__dict__\n)")


def load_body(
    body: Readable, home: str | None = None, buffers: Iterable[Readable] | None = None
) -> Any:
    was_imported = "dill" in sys.modules
    try:
        if _may_name_own(body):
            return _unpickle(body, buffers, home)
        return pickle.loads(body, buffers=buffers)
    except ModuleNotFoundError as error:
        if error.name != "__builtin__":
            raise
        # Only dill resolves these names, such as the type of None.
        return _import_dill().loads(body, buffers=buffers)
    finally:
        if not was_imported and "dill" in sys.modules:
            sys.modules["dill"].extend(False)


def _import_dill() -> Any:
    from funes._entries.dill_pickler import import_dill

    return import_dill()
