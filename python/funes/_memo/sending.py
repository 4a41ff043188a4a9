"""Pickles memorious functions for other processes.

A pickled function contains its definition digest. The process that opens the pickle never trusts the digest: it runs
only code whose digest, computed in that process, is equal; see `receiving`. docs/clusters.md states the rule for users.
"""

from __future__ import annotations

import json
import pickle
import sys
import zlib
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, cast

from funes._memo import code_by_value
from funes._memo.in_mode import mode_to_send, open_in_mode
from funes._memo.payload import (
    PICKLE_PROTOCOL,
    Payload,
    PickledPayload,
    attribute_at,
    definition_content,
    definition_of,
    payload_key,
)
from funes._memo.receiving import open_payload
from funes._memo.source_texts import pack, pack_main
from funes._warnings import one_line

if TYPE_CHECKING:
    from funes._memo.memo import Memo


def reduce(memo: Memo[Any, Any]) -> tuple[Callable[..., Any], tuple[object, ...]]:
    """Returns the reduction of a memorious function for pickle. Equal functions have equal pickles."""
    if memo._arrived is not None:
        # A new payload would contain the definition that the code has in this process, not the
        # submitted one.
        payload = memo._arrived
    else:
        carries_classes = _carries_classes()
        sent = _pickled_payload(memo, carries_classes)
        mains = (memo._mains or pack_main()) if carries_classes else b""
        payload = sent.data, mains, *sent.classes
    name = mode_to_send()
    return (open_payload, payload) if name is None else (open_in_mode, (name, *payload))


def token_of(memo: Memo[Any, Any]) -> object:
    """Returns a value that is equal for equal memorious functions, in every process."""
    definition = definition_of(memo) or _pickled_payload(memo, False).data
    return "funes", memo.__module__, memo.__qualname__, definition, memo._root_to_send


def _carries_classes() -> bool:
    """Returns whether the running pickler writes classes of the main program by value, as cloudpickle does.

    Then that pickler writes these classes, so that the function and the arguments share one class.
    Libraries that contain a copy of cloudpickle (joblib, loky, Ray) keep the name of its module.
    """
    frame = sys._getframe(2)
    for _ in range(6):
        module = frame.f_globals.get("__name__", "")
        if module == code_by_value.__name__:
            return False
        if module.rpartition(".")[2] in ("cloudpickle", "cloudpickle_fast"):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


def _pickled_payload(memo: Memo[Any, Any], carries_classes: bool) -> PickledPayload:
    definition = definition_of(memo)
    key = payload_key(memo, definition, carries_classes)
    if definition is None:  # without a digest no later change of the code would be noticed
        return _make(memo, None, carries_classes)
    sent = memo._sent.get(key)
    if sent is not None and sent.classes:
        # The outer pickler writes the classes in their current state, which calls may have changed.
        is_as_sent = sent.as_sent == memo._core.definition_as_it_is(memo)
        sent = sent if is_as_sent else None
    if sent is None:
        for other in [other for other in memo._sent if other[0] != definition]:
            del memo._sent[other]
        sent = memo._sent[key] = _make(memo, definition, carries_classes)
    return sent


def _make(memo: Memo[Any, Any], definition: str | None, carries_classes: bool) -> PickledPayload:
    function = cast("FunctionType", memo.__wrapped__)
    nodes = [] if definition is None else memo._core.graph(memo)
    has_class = any(node["kind"] == "class" for node in nodes)
    path = _path_of(memo)
    is_importable = bool(path) and code_by_value.is_sent_by_name(memo.__module__)
    as_sent = "" if definition is None else memo._core.definition_as_it_is(memo)
    code = whole = None
    reason, functions, classes = "", list[FunctionType](), list[type]()
    if not is_importable:
        as_class = _numbering(classes) if carries_classes else None
        try:
            code, functions = code_by_value.dumps(memo, everything=False, as_class=as_class)
        except Exception as error:
            if not path:
                raise
            reason = f"its code cannot be pickled ({one_line(error)})"
    if has_class:
        reason = "its definition contains a class of yours, which cannot be sent with the code"
    elif definition is not None:
        try:
            whole, more = code_by_value.dumps(memo, everything=True, as_class=None)
            functions += more
        except Exception as error:
            reason = f"its code cannot be pickled ({one_line(error)})"
    if whole == code:
        whole = None
    payload = Payload(
        module=memo.__module__ or "",
        path=path,
        name=memo.__qualname__,
        python=sys.version_info[:2],
        root=memo._root_to_send,
        options=memo._options._replace(depends_on=(), cache_if=None, remember_errors=None),
        errors=tuple(
            (each.__module__, each.__qualname__) for each in memo._options.remember_errors or ()
        ),
        definition=definition,
        as_sent=as_sent,
        content=zlib.compress(json.dumps(definition_content(memo, nodes)).encode()),
        code=code,
        whole=whole,
        reason=reason,
        texts=pack((function, *functions)),
    )
    return PickledPayload(pickle.dumps(tuple(payload), PICKLE_PROTOCOL), tuple(classes), as_sent)


def _numbering(classes: list[type]) -> Callable[[type], int]:
    def number(cls: type) -> int:
        if cls not in classes:
            classes.append(cls)
        return classes.index(cls)

    return number


def _path_of(memo: Memo[Any, Any]) -> str:
    """Returns the path of attributes that leads from a function's module to the function; "" if there is none."""
    module = memo.__module__ or ""
    for path in (memo.__qualname__, _mangled(memo.__qualname__)):
        if attribute_at(module, path) is memo:
            return path
    loaded = sys.modules.get(module)
    names = () if loaded is None else list(vars(loaded).items())
    return next((name for name, value in names if value is memo), "")


def _mangled(path: str) -> str:
    """Returns the path with the name that a private method (``__name``) has in its class."""
    owner, _, name = path.rpartition(".")
    if not owner or not name.startswith("__") or name.endswith("__"):
        return path
    return f"{owner}._{owner.rpartition('.')[2].lstrip('_')}{name}"
