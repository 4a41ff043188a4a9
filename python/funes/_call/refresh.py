"""Calls that compute in any case: `f.refresh`, and the repeated computation of a hit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._call.coroutine import call_in_coroutine
from funes._funes import AsyncCall

if TYPE_CHECKING:
    from funes._memo.memo import Memo


def refresh(memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Computes the result of a call and replaces its entry. Returns a coroutine for a coroutine function."""
    if memo._core.is_async:
        return call_in_coroutine(memo, args, kwargs, how="refresh")
    return run(memo, args, kwargs, "refresh")


def run(memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], how: str) -> Any:
    """Computes the result of a call; `how` is that of `AsyncCall.begin`."""
    # The function is called here, since no frame of the extension may be below it on the stack.
    step = AsyncCall.begin(memo, args, kwargs, how)
    while len(step) > 1:
        call, function, arguments, keywords, _ = step
        try:
            returned = function(*arguments, **keywords)
        except BaseException as error:
            step = call.go_on(None, error)
        else:
            step = call.go_on(returned)
    return step[0]
