"""The coroutine of a call of a coroutine function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._funes import AsyncCall

if TYPE_CHECKING:
    from funes._memo.memo import Memo


async def call_in_coroutine(
    memo: Memo[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> Any:
    """Makes the calls of Python code that the extension asks for, and awaits them.

    All decisions are in rust/py/src/call/machine.rs.
    """
    asked = AsyncCall.begin(memo, args, kwargs)
    while len(asked) > 1:
        call, function, arguments, keywords, is_awaitable = asked
        try:
            returned = function(*arguments, **keywords)
            if is_awaitable:
                returned = await returned
        except BaseException as error:
            asked = call.go_on(None, error)
        else:
            asked = call.go_on(returned)
    return asked[0]
