"""A memorious function on its way to another process.

It takes its cache folder along, as an absolute path, and its definition hash: found again over there, both could come
out different (another working directory, source files that are not the code that runs). If the other process has the
function under its name, with the same code, that one is used. What has no such name (`__main__`, notebooks, locals)
travels by value, through dill.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import types
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from funes._funes import hash_value
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._calls.memo import Memo

__all__ = ["reduce"]

#: Functions that are being pickled or rebuilt in this thread: one that refers to itself must not go round for ever.
_under_way = threading.local()

#: This process, for telling a round trip within it.
_PROCESS = uuid.uuid4().hex


class Luggage(NamedTuple):
    """What travels along."""

    root: str
    #: None if it could not be found.
    definition: str | None
    #: Of the code, to know it again; see `_fingerprint`.
    fingerprint: str
    process: tuple[str, int]


def reduce(memo: Memo[Any, Any]) -> tuple[Any, ...]:
    """What pickle asks for."""
    pickling = _registry("pickling")
    if id(memo) in pickling:
        return _being_rebuilt, (pickling[id(memo)],)
    name = memo.__module__, memo.__qualname__
    luggage = Luggage(
        root=memo._cache_root,
        definition=_definition(memo),
        fingerprint=_fingerprint(memo.__wrapped__.__code__),
        process=(_PROCESS, os.getpid()),
    )
    token = uuid.uuid4().hex
    by_value = None
    if name[0] in ("__main__", "__mp_main__", None) or _find(*name) is not memo:
        pickling[id(memo)] = token
        try:
            by_value = _by_value(memo)
        finally:
            del pickling[id(memo)]
    return _rebuild, (*name, luggage, by_value, token)


def _rebuild(
    module: str, name: str, luggage: Luggage, by_value: bytes | None, token: str
) -> Memo[Any, Any]:
    if by_value is None and module not in sys.modules:
        importlib.import_module(module)
    found = _find(module, name)
    if found is not None:
        same_code = _fingerprint(found.__wrapped__.__code__) == luggage.fingerprint
        if same_code or by_value is None:
            _arrive(found, luggage, same_code)
            return found
    if by_value is None:
        raise AttributeError(f"there is no memorious function {name} in {module}")
    return _from_value(by_value, luggage, token)


def _by_value(memo: Memo[Any, Any]) -> bytes | None:
    import dill

    try:
        return dill.dumps((memo.__wrapped__, memo._options), recurse=True)  # type: ignore[no-any-return]
    except Exception:
        if _find(memo.__module__, memo.__qualname__) is memo:
            # A process that runs the same main module has it.
            return None
        raise


def _from_value(by_value: bytes, luggage: Luggage, token: str) -> Memo[Any, Any]:
    import dill

    from funes._calls.memo import Memo

    itself = _Later()
    rebuilding = _registry("rebuilding")
    rebuilding[token] = itself
    try:
        function, options = dill.loads(by_value)
    finally:
        del rebuilding[token]
    memo: Memo[Any, Any] = Memo(function, options)
    itself.memo = memo
    _arrive(memo, luggage, same_code=True)
    return memo


def _being_rebuilt(token: str) -> Any:
    return _registry("rebuilding")[token]


class _Later:
    """What a function that refers to itself refers to after its journey: it is needed before the function is there."""

    memo: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.memo(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "memo":
            raise AttributeError(name)
        return getattr(self.memo, name)

    def __reduce__(self) -> Any:
        return self.memo.__reduce__()


def _arrive(memo: Memo[Any, Any], luggage: Luggage, same_code: bool) -> None:
    if luggage.process == (_PROCESS, os.getpid()):
        return
    memo._move(luggage.root)
    if same_code and luggage.definition is not None:
        memo._pin(luggage.definition)


def _definition(memo: Memo[Any, Any]) -> str | None:
    try:
        return memo.definition
    except FunesError:
        return None


def _find(module: str, name: str) -> Memo[Any, Any] | None:
    """The memorious function that has this name in this process."""
    from funes._calls.bound import BoundMemo
    from funes._calls.memo import Memo

    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, BoundMemo):
        found = found.__func__
    return found if isinstance(found, Memo) else None


def _fingerprint(code: types.CodeType) -> str:
    return hash_value((sys.version_info[:2], _parts(code)))


def _parts(code: types.CodeType) -> tuple[object, ...]:
    constants = tuple(
        _parts(constant) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    )
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _registry(name: str) -> dict[Any, Any]:
    """A dict of this thread."""
    try:
        return getattr(_under_way, name)  # type: ignore[no-any-return]
    except AttributeError:
        setattr(_under_way, name, {})
        return getattr(_under_way, name)  # type: ignore[no-any-return]
