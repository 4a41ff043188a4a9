"""Computes hits again and compares them with what was stored: `FUNES_RECHECK`."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._call import generators, round_trip
from funes._call.coroutine import call_in_coroutine
from funes._call.refresh import run
from funes._funes import shown

if TYPE_CHECKING:
    from funes._memo.memo import Memo

#: True within a computation that repeats a hit. Hits within it are not computed again: in a recursion, each would
#: repeat all below it.
_is_rechecking: ContextVar[bool] = ContextVar("funes_is_rechecking", default=False)


def recheck(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, stored: Any
) -> Any:
    """Computes a hit again and reports a difference. Returns a coroutine for a coroutine function."""
    if memo._core.is_async:
        return _recheck_in_task(memo, args, kwargs, stored)
    if _is_rechecking.get():
        return None
    token = _is_rechecking.set(True)
    try:
        with generators.kept():  # a hit leaves them as they are
            try:
                computed = run(memo, args, kwargs or {}, "compute")
            except Exception as error:
                _report(memo, args, kwargs, f"raises {_warnings.one_line(error)}")
            else:
                _compare(memo, args, kwargs, stored, computed)
    finally:
        _is_rechecking.reset(token)
    return None


async def _recheck_in_task(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, stored: Any
) -> None:
    if _is_rechecking.get():
        return
    token = _is_rechecking.set(True)
    try:
        computed = await call_in_coroutine(memo, args, kwargs, how="compute")
    except Exception as error:
        _report(memo, args, kwargs, f"raises {_warnings.one_line(error)}")
    else:
        _compare(memo, args, kwargs, stored, computed)
    finally:
        _is_rechecking.reset(token)


def _compare(
    memo: Memo[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    stored: Any,
    computed: Any,
) -> None:
    difference = round_trip.difference(stored, computed)
    if difference:
        _report(memo, args, kwargs, f"gives another value of {difference}")


def _report(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None, what: str
) -> None:
    given = [
        *map(shown, args),
        *(f"{name}={shown(value)}" for name, value in (kwargs or {}).items()),
    ]
    _warnings.warn(
        f"{memo.__qualname__}({', '.join(given)}) {what} when it is computed again; the stored result was returned."
        " Something that the cache key does not contain has changed, or the function is not deterministic:"
        f" {memo.__qualname__}.refresh(...) replaces the result"
    )
