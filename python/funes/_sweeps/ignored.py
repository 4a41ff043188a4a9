"""Which arguments of a function `ignore=` leaves out of the key. Calls get them as they are, without a copy."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from funes._sweeps.arguments import Original, is_constant, keep


class Ignored:
    """The parameters of a function that are no part of the key."""

    def __init__(self, memo: Any) -> None:
        self._names: frozenset[str] = memo._options.ignore
        self._positions: list[str] = []
        #: The names of ``*args`` and ``**kwargs``, if there are such parameters.
        self._others = ["", ""]
        self._known: set[str] = set()
        if self._names:
            import inspect

            for name, parameter in inspect.signature(memo.__wrapped__).parameters.items():
                if parameter.kind is parameter.VAR_POSITIONAL:
                    self._others[0] = name
                elif parameter.kind is parameter.VAR_KEYWORD:
                    self._others[1] = name
                else:
                    self._known.add(name)
                    if parameter.kind is not parameter.KEYWORD_ONLY:
                        self._positions.append(name)

    def has_position(self, position: int) -> bool:
        """Returns whether a positional argument is ignored."""
        if not self._names:
            return False
        inside = position < len(self._positions)
        return (self._positions[position] if inside else self._others[0]) in self._names

    def has_name(self, name: str) -> bool:
        """Returns whether a keyword argument is ignored."""
        return (
            bool(self._names) and (name if name in self._known else self._others[1]) in self._names
        )

    def keep_at(self, position: int, value: Any) -> Any:
        """Returns what is kept of a positional argument."""
        return keep_live(value) if self.has_position(position) else keep(value)

    def keep_all(self, values: Iterable[Any], start: int = 0) -> tuple[Any, ...]:
        """Returns what is kept of consecutive positional arguments, of which the first has the position `start`."""
        return tuple(map(self.keep_at, itertools.count(start), values))

    def keep_named(self, name: str, value: Any) -> Any:
        """Returns what is kept of a keyword argument."""
        return keep_live(value) if self.has_name(name) else keep(value)


def keep_live(value: Any) -> Any:
    """Returns what is kept of an ignored argument: the caller and the function may share it, such as a lock."""
    return value if is_constant(value) else Original(value)
