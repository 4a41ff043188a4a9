"""Makes a call of stored arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from funes._memo import definition_record
from funes._memo.memo import Memo

_SEED = "global_seed"
#: The kinds of parameters that collect arguments, and the types in which these are stored.
_COLLECTING = {inspect.Parameter.VAR_POSITIONAL: tuple, inspect.Parameter.VAR_KEYWORD: dict}


class CannotBindError(Exception):
    """Raised if stored arguments do not fit the parameters of the function. The message says why."""


class Binding:
    """The parameters of a function, to which stored arguments are bound."""

    def __init__(self, memo: Memo[..., Any]) -> None:
        self._parameters = definition_record.signature_of(memo)
        self._ignored = memo._options.ignore

    def call_of(self, inputs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns the positional and keyword arguments of a call with stored arguments.

        A new parameter gets its default. So does an ignored one, whose argument is not stored.

        Raises:
            CannotBindError: The arguments do not fit.
        """
        rest = dict(inputs)
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for each in self._parameters:
            if each.kind in _COLLECTING:
                kind = _COLLECTING[each.kind]
                collected = rest.pop(each.name, kind())
                if type(collected) is not kind:
                    raise CannotBindError(
                        f"the parameter {each.name!r} takes several arguments now"
                    )
                if kind is tuple:
                    args += collected
                else:
                    kwargs.update(collected)
            elif each.name in rest or each.default is not each.empty:
                value = rest.pop(each.name, each.default)
                if each.kind is inspect.Parameter.KEYWORD_ONLY:
                    kwargs[each.name] = value
                else:
                    args.append(value)
            elif each.name in self._ignored:
                raise CannotBindError(
                    f"the argument {each.name!r} is ignored, so it is not stored, and it has no default"
                )
            else:
                raise CannotBindError(f"the parameter {each.name!r} is new, and has no default")
        if _SEED in rest:
            kwargs[_SEED] = rest.pop(_SEED)
        if rest:
            raise CannotBindError(f"the function has no parameter {next(iter(rest))!r} any more")
        return tuple(args), kwargs
