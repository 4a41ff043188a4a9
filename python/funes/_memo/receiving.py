"""Opens memorious functions that another process pickled.

The definition digest of a payload is never trusted. `open_payload` looks for the function under its name, and computes
the definition from this process's own source. If this digest is that of the payload, it returns the function.
Otherwise it opens the submitted code, which is pickled by value, computes the definition of this code, and compares
again. If the digests differ too, the call raises `DefinitionMismatch`: nothing is run and nothing is stored.
docs/clusters.md states the rule for users.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections import OrderedDict
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from funes._code.third_party import loaded_object
from funes._entries import main_module
from funes._entries.main_module import MAINS
from funes._funes import definition_graph
from funes._memo import code_by_value
from funes._memo.payload import (
    Payload,
    PickledPayload,
    attribute_at,
    definition_content,
    definition_of,
    payload_key,
)
from funes._memo.source_texts import pack_main, unpack
from funes._warnings import one_line
from funes.errors import DefinitionMismatch

if TYPE_CHECKING:
    from funes._memo.memo import Memo

#: The maximum number of payloads whose functions are remembered.
_MAX_OPEN = 256


#: The opened functions, by the bytes of the payload and the addresses of the classes.
_opened: OrderedDict[tuple[object, ...], _OpenedMemo] = OrderedDict()


def open_payload(data: bytes, mains: bytes = b"", *classes: type) -> Any:
    """Returns the function of a payload, or a `MismatchedMemo` that says why it cannot run here.

    Raises nothing, since a pool would treat an error as a broken worker.
    """
    if mains:
        unpack(mains)
    for cls in classes:
        main_module.register_received(cls)
    key = (data, *map(id, classes))
    known = _opened.get(key)
    if known is not None and known.is_current():
        return known.memo
    payload = Payload(*pickle.loads(data))
    try:
        received = _open_anew(payload, classes)
    except Exception as error:  # raised by the user's module during its import or inspection
        received = one_line(error)
    if isinstance(received, str):
        return MismatchedMemo(payload, received, (data, mains, *classes))
    _opened[key] = received
    while len(_opened) > _MAX_OPEN:
        _opened.popitem(last=False)
    if payload.definition is not None:  # if it is sent on, the same bytes are sent
        if received.definition is None:
            received.memo._arrived = data, mains, *classes
            return received.memo
        for carries_classes in {bool(classes), False}:
            key = payload_key(received.memo, payload.definition, carries_classes)
            received.memo._sent[key] = PickledPayload(data, classes, payload.as_sent)
    if mains and mains != pack_main():
        received.memo._mains = mains
    return received.memo


class _OpenedMemo(NamedTuple):
    """A received function that may run in this process."""

    memo: Any
    #: The digest that this process's own function must have. None for code by value, whose digest
    #: the extension checks.
    definition: str | None
    #: The classes of the payload, kept alive since the keys of `_opened` contain their addresses.
    classes: tuple[type, ...]

    #: This process's own function, if its digest differed. Once its digest is that of the payload,
    #: the function replaces the code by value.
    own: Any = None
    submitted: str | None = None

    def is_current(self) -> bool:
        if self.own is not None and definition_of(self.own) == self.submitted:
            return False
        return self.definition is None or definition_of(self.memo) == self.definition


def _open_anew(payload: Payload, classes: tuple[type, ...]) -> _OpenedMemo | str:
    """Returns the function that has the definition of the payload, or the reason why there is none."""
    found, reason = _find(payload)
    if found is not None:
        found = _with_options_of(found, payload)
        if payload.definition is None or _has_definition(found, payload.definition):
            return _OpenedMemo(found, payload.definition, classes)
        reason = _difference(payload, found)
    if payload.code is None and payload.whole is None:
        return f"{reason}\nThe submitted code did not travel: {payload.reason}."
    if payload.python != sys.version_info[:2]:
        sender, here = (".".join(map(str, v)) for v in (payload.python, sys.version_info[:2]))
        return (
            f"{reason}\nThe submitted code was sent by Python {sender}, and this is Python {here}, "
            "which cannot open it. Run the workers with the same Python."
        ).lstrip()
    unpack(payload.texts)
    memo = _from_value(payload, classes)
    differs = found is not None or payload.code is None or memo is None
    if memo is None:
        memo = code_by_value.loads(cast("bytes", payload.whole), classes)

    def mismatch(what: str) -> DefinitionMismatch:
        detail = _difference(payload, memo) if found is None else reason
        if what == "arguments":
            detail += "\nThe arguments contain a function or class of yours, so it cannot run as submitted."
        return _mismatch(payload.name, detail)

    if payload.definition is not None:
        # The digest is checked at the first call: now, a class that refers to the function may be
        # incomplete.
        memo._core.require_definition(payload.as_sent, payload.definition, differs, mismatch)
    return _OpenedMemo(memo, None, classes, found, payload.definition)


def _has_definition(memo: Memo[Any, Any], digest: str) -> bool:
    """Returns true if the definition of a function of this process has the digest."""
    if definition_of(memo) == digest:
        return True
    # A file may have held other code than this process runs when the definition was computed, and hold the same again:
    # then code counted by its bytecode, as code without a source does. No guard notices that.
    memo._core.forget_definition()
    return definition_of(memo) == digest


def _from_value(payload: Payload, classes: tuple[type, ...]) -> Memo[Any, Any] | None:
    """Returns the function in `payload.code`, which uses modules of this process; None if it cannot be used."""
    if payload.code is None:
        return None
    try:
        memo: Memo[Any, Any] = code_by_value.loads(payload.code, classes)
    except Exception:  # a module is missing here or differs
        if payload.whole is None:
            raise
        return None
    if payload.whole is not None and definition_of(memo) != payload.as_sent:
        return None
    return memo


def _find(payload: Payload) -> tuple[Memo[Any, Any] | None, str]:
    """Returns the function that this process has under the name in a payload, or the reason why there is none."""
    if not payload.path:
        return None, ""
    if payload.module not in sys.modules and payload.module not in MAINS:
        try:
            importlib.import_module(payload.module)
        except Exception as error:
            return None, f"the module {payload.module} cannot be imported here: {one_line(error)}"
    found = attribute_at(payload.module, payload.path)
    if found is None:
        return None, f"there is no memorious function {payload.path} in the module {payload.module}"
    return found, ""


def _with_options_of(found: Memo[Any, Any], payload: Payload) -> Memo[Any, Any]:
    """Returns the function with the cache folder and the options of the payload."""
    own = found._options
    errors = _named(payload.errors)
    options = payload.options._replace(
        depends_on=own.depends_on,
        cache_if=own.cache_if,
        remember_errors=own.remember_errors if errors is None else errors,
    )
    if (
        options.signing_key is not None and not options.signing_key.is_known
    ):  # the signing key is not stored with results
        options = options._replace(signing_key=found._options.signing_key)
    if options == found._options:
        if found._root_to_send == payload.root:
            return found
        if found._root is None and found._core.root() is None:  # no call has used it yet
            found._move(payload.root)
            return found
    memo: Memo[Any, Any] = type(found)(cast("FunctionType", found.__wrapped__), options)
    vars(memo).update(code_by_value.attributes_of(found))
    memo._move(payload.root)
    return memo


def _named(names: tuple[tuple[str, str], ...]) -> tuple[type[Exception], ...] | None:
    """Returns exception classes by their names; None if this process does not have all of them under these names."""
    found = []
    for module, path in names:
        if module not in sys.modules and module not in MAINS:
            with suppress(Exception):  # raised by the user's module
                importlib.import_module(module)
        found.append(loaded_object(module, path))
    # The main program of another process may have other classes of these names.
    if all(
        isinstance(each, type) and issubclass(each, Exception) and each.__module__ not in MAINS
        for each in found
    ):
        return tuple(found)
    return None


def _difference(payload: Payload, here: Memo[Any, Any]) -> str:
    """Returns a message with the differences between the submitted definition and that of this process."""
    import json  # here, since a worker does not need them to start
    import zlib

    from funes._code.definition_diff import changes

    submitted = json.loads(zlib.decompress(payload.content))
    # Take the graph of the undecorated function: the memorious function may be required to match
    # the submitted definition.
    try:
        local = definition_content(here, definition_graph(here.__wrapped__))
    except Exception as error:
        return f"  its definition cannot be found here: {one_line(error)}"
    lines = []
    for change in changes(submitted, local):
        lines.append(f"  {change}  (submitted -> here)" if change.before else f"  {change}")
        owner = change.name if change.name in submitted["files"] else change.of
        there, at_home = (
            content["files"].get(owner) or content["files"][""] for content in (submitted, local)
        )
        lines.append(f"    submitted: {there}; here: {at_home}")
    return "\n".join(lines) or "  something that the definition does not record"


class MismatchedMemo:
    """Stands for a memorious function that must not run in this process: a call raises `DefinitionMismatch`."""

    def __init__(self, payload: Payload, detail: str, args: tuple[object, ...]) -> None:
        self.__name__ = payload.name.rpartition(".")[2]
        self.__qualname__ = payload.name
        self.__module__ = payload.module
        self._detail = detail
        self._args = args

    def __call__(self, *_args: object, **_kwargs: object) -> Any:
        raise _mismatch(self.__qualname__, self._detail)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_detail", "_args"):
            raise AttributeError(name)
        raise _mismatch(self.__qualname__, self._detail)

    def __reduce__(self) -> tuple[object, ...]:
        # A scheduler without the code passes the function on to a worker that has it.
        return open_payload, self._args

    def __repr__(self) -> str:
        return f"<memorious {self.__qualname__}, which this process cannot run>"


def _mismatch(name: str, detail: str) -> DefinitionMismatch:
    return DefinitionMismatch(
        f"{name}: this process (pid {os.getpid()}) has other code than the one that submitted the call, so "
        f"nothing was run and nothing was stored.\n{detail}\n"
        "Bring the files and the environment variables of both into line, restart the workers, and submit the call"
        " again."
    )
