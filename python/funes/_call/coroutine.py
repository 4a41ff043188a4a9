"""The coroutine of a call of a coroutine function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._funes import AsyncCall

if TYPE_CHECKING:
    from funes._memo.memo import Memo


async def call_in_coroutine(
    memo: Memo[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    *,
    how: str | None = None,
) -> Any:
    """Makes the calls of Python code that the extension asks for, and awaits them.

    All decisions are in rust/py/src/call/machine.rs.
    """
    step = AsyncCall.begin(memo, args, kwargs, how)
    while len(step) > 1:
        call, function, arguments, keywords, is_awaitable = step
        try:
            returned = function(*arguments, **keywords)
            if is_awaitable:
                returned = await returned
        except BaseException as error:
            step = call.go_on(None, error)
        else:
            step = call.go_on(returned)
    return step[0]
