"""Loads remembered errors: the exceptions that calls raised, and what pickle leaves out of them.

The entry of a remembered error has the key ``'error'`` in place of ``'output'``, so that it cannot be taken for a
result. Pickle leaves out the causes and contexts of an exception, and some fields of built-in exceptions. They are in
``'links'``: pairs of an exception in the entry and a dict of such attributes.
"""

from __future__ import annotations

from typing import Any

from funes._entries import large_arguments, unpickler
from funes._entries.unpickler import Buffered, Readable
from funes._funes import Entry, Store
from funes.errors import DamagedEntryError

#: Pairs of an exception and its attributes that pickle leaves out.
Links = list[tuple[BaseException, dict[str, Any]]]


def load(body: Readable, fast: Buffered | None = None, home: str | None = None) -> dict[str, Any]:
    """Unpickles the entry of a remembered error, with causes and contexts.

    Raises:
        DamagedEntryError: The body is the pickle of something else.
        Exception: Unpickling failed.
    """
    entry = unpickler.load(body, fast, home)
    if not isinstance(entry, dict) or not entry.keys() >= {"input", "error", "time", "links"}:
        raise DamagedEntryError(
            "the file holds a pickle of something that is not a remembered error"
        )
    if not isinstance(entry["error"], Exception):
        raise DamagedEntryError("the file holds something that is not an exception")
    for one, attributes in entry["links"]:
        set_attributes(one, attributes)
    # The reducers of tblib keep a traceback, but that of the caller counts.
    set_attributes(entry["error"], {"__traceback__": None})
    return entry


def whole_of(store: Store, entry: Entry) -> dict[str, Any]:
    """Unpickles the entry of a remembered error with its large arguments: ``input``, ``error`` and ``time``."""
    found = load(entry.body, entry.fast)
    large_arguments.resolve(store, found)
    return {name: found[name] for name in ("input", "error", "time")}


def read_whole(
    store: Store, function: str, definition: str, arguments: str
) -> dict[str, Any] | None:
    """Reads and unpickles the entry of a remembered error; returns None if there is none."""
    entry = store.read(function, definition, arguments)
    return None if entry is None else whole_of(store, entry)


def set_attributes(error: BaseException, attributes: dict[str, Any]) -> None:
    """Sets attributes of an exception as Python itself does, without code of its class."""
    for name, value in attributes.items():
        for base in type(error).__mro__:
            setter = getattr(vars(base).get(name), "__set__", None)
            # A property of a user's class is not meant.
            if setter is not None and base.__module__ == "builtins":
                setter(error, value)
                break
        else:
            vars(error)[name] = value
