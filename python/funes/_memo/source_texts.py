"""Packs and unpacks the source text of functions, since code by value has no file in the receiving process."""

from __future__ import annotations

import pickle
import sys
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

from funes._code import source_cache
from funes._code.source import statement_of
from funes._entries.main_module import MAINS
from funes._memo.payload import PICKLE_PROTOCOL

#: The maximum number of packed source texts that are remembered as unpacked.
_MAX_UNPACKED = 256


def pack(functions: Iterable[FunctionType]) -> bytes:
    """Packs the source text of the statements that contain functions; `unpack` reads the result.

    Each statement keeps its line numbers. The rest of each file is left out.
    """
    packed: dict[int, tuple[str, str, list[str]]] = {}
    for function in functions:
        found = statement_of(function)
        # A method that attrs generated is recognized by its missing source text.
        if found is None or found[0].filename.startswith("<attrs generated"):
            continue
        text, start, end = found
        module = str(function.__globals__.get("__name__", ""))
        lines = packed.setdefault(id(text), (module, text.filename, []))[2]
        lines += ["\n"] * (end - len(lines))
        lines[start:end] = text.lines[start:end]
    return zlib.compress(pickle.dumps(list(packed.values()), PICKLE_PROTOCOL)) if packed else b""


def unpack(packed: bytes) -> None:
    """Registers packed source texts, so that functions made from the same code find their source."""
    if packed and packed not in _unpacked:
        for module, filename, lines in pickle.loads(zlib.decompress(packed)):
            source_cache.keep_received(module, filename, lines)
        _unpacked[packed] = None
        while len(_unpacked) > _MAX_UNPACKED:
            _unpacked.popitem(last=False)


_unpacked: OrderedDict[bytes, None] = OrderedDict()


def pack_main() -> bytes:
    """Packs the source texts of the main program, whose classes may have instances among arguments."""
    global _main_texts
    code = tuple(_code_of_main())
    if _main_texts is None or [*map(id, code)] != [*map(id, _main_texts[0])]:
        functions = (function for thing in code for function in _functions_of(thing))
        _main_texts = code, pack(functions)
    return _main_texts[1]


_main_texts: tuple[tuple[object, ...], bytes] | None = None


def _code_of_main() -> Iterator[Any]:
    main = sys.modules.get("__main__")
    for value in list(vars(main).values()) if main is not None else ():
        is_code = issubclass(type(value), (FunctionType, type))
        if is_code and getattr(value, "__module__", None) in MAINS:
            yield value


def _functions_of(thing: Any) -> Iterator[FunctionType]:
    """Yields the functions whose source is needed for a function or class: a function itself, or its methods."""
    values = [thing] if isinstance(thing, FunctionType) else list(vars(thing).values())
    for value in values:
        inner = getattr(value, "fget", value)
        inner = getattr(inner, "__func__", inner)
        inner = getattr(inner, "__wrapped__", inner)
        if isinstance(inner, FunctionType):
            yield inner
