"""The payload: the data that is sent to another process for a memorious function.

A payload contains the function's name, its absolute cache folder, its options, its definition digest and, if they can
be pickled, its code and the source text of this code.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from funes._code.third_party import loaded_object
from funes._entries import signing
from funes._memo import code_by_value
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._memo.memo import Memo
    from funes._memo.options import Options

#: The pickle protocol of Python 3.4, which all supported Python versions read.
PICKLE_PROTOCOL = 4


class Payload(NamedTuple):
    """The data that is sent to another process for a memorious function."""

    module: str
    #: The path of attributes that leads from the module to the function; "" if there is none.
    path: str
    #: The name of the function in messages.
    name: str
    #: The major and minor Python version of the sender. Only the same version opens code by value.
    python: tuple[int, int]
    #: The absolute cache folder.
    root: str
    #: The options without `depends_on`, `cache_if` and `remember_errors`, which the receiver has itself
    #: or gets with the code.
    options: Options
    #: The modules and qualified names of the classes in `remember_errors`.
    errors: tuple[tuple[str, str], ...]
    #: The definition digest. None if the definition cannot be hashed; calls then run uncached.
    definition: str | None
    #: The definition digest with the current state of the objects that are sent, which calls may
    #: have changed; "" if the definition cannot be hashed.
    as_sent: str
    #: The definition as compressed JSON, to report differences; see `definition_content`.
    content: bytes
    #: The code by value, in which importable modules are named. None if all code can be imported.
    code: bytes | None
    #: The code by value, with all functions and modules of the user by value. None if it must not
    #: or cannot be pickled.
    whole: bytes | None
    #: The reason why `whole` is None.
    reason: str
    #: The source text of the code, as `source_texts.pack` made it.
    texts: bytes


class PickledPayload(NamedTuple):
    """A payload as bytes, with the classes that the outer pickler has to write."""

    data: bytes
    classes: tuple[type, ...]
    #: The same as `Payload.as_sent`.
    as_sent: str


def payload_key(
    memo: Memo[Any, Any], definition: str | None, carries_classes: bool
) -> tuple[object, ...]:
    """Returns a dict key of everything that the bytes of a payload depend on."""
    by_name = code_by_value.is_sent_by_name(memo.__module__ or "")
    return definition, memo._root_to_send, carries_classes, signing.is_withheld(), by_name


def definition_of(memo: Memo[Any, Any]) -> str | None:
    """Returns the definition digest, or None if the definition cannot be hashed."""
    try:
        return memo.definition
    except (FunesError, OSError):
        return None


def definition_content(memo: Memo[Any, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the content of `definition.json`, with the file of each function and class added."""
    from funes._code import depends_on

    options = memo._options.depends_on
    content: dict[str, Any] = {"nodes": nodes}
    with suppress(FunesError, OSError):  # for instance a missing file
        content["depends_on"] = depends_on.record(options, depends_on.resolve(options))
    files = {node["name"]: _file_of(node["name"]) for node in nodes}
    files[""] = cast("FunctionType", memo.__wrapped__).__code__.co_filename
    return {**content, "files": files}


def _file_of(name: str) -> str:
    """Returns the file of the module that contains the function or class with a qualified name."""
    module = name
    while module:
        loaded = sys.modules.get(module)
        if loaded is not None:
            return str(getattr(loaded, "__file__", None) or "")
        module = module.rpartition(".")[0]
    return ""


def attribute_at(module: str, path: str) -> Memo[Any, Any] | None:
    """Returns the memorious function to which a path of attributes leads from a loaded module."""
    from funes._memo.bound_method import BoundMemo
    from funes._memo.memo import Memo

    found = loaded_object(module, path)
    if isinstance(found, BoundMemo):
        found = found.__func__
    return found if isinstance(found, Memo) else None
