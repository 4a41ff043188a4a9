"""What a sweep keeps of the points that it computed, until they are given to the caller."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

from funes._sweeps import arguments

#: Results that are in the store are not kept beyond this size in bytes; they are read again.
_MAX_BYTES = 64 << 20

#: The host that computed a point, the run time in seconds, and whether it was a hit there.
About = tuple[str, float, bool]


class Fresh(NamedTuple):
    """A result that this process has just computed."""

    value: Any


class Unstored(NamedTuple):
    """What `arguments.keep` keeps of a result that is not in the store."""

    kept: Any


class ComputedPoints:
    """The computed points of a sweep, by the numbers of their keys.

    A result is kept as bytes, as a `Fresh` or as an `Unstored` one.
    """

    def __init__(self) -> None:
        self._about: dict[int, About] = {}
        self._outputs: dict[int, Any] = {}
        self._bytes = 0
        #: The results that are not in the store.
        self._unstored: dict[int, Any] = {}
        self.errors: dict[int, BaseException] = {}

    def add(self, number: int, about: About, output: Any) -> None:
        """Keeps a point whose result is in the store, without the result if there are too many or it is None."""
        self._about[number] = about
        if type(output) is bytes:
            if self._bytes + len(output) > _MAX_BYTES:
                return
            self._bytes += len(output)
        if output is not None:
            self._outputs[number] = output

    def add_unstored(self, number: int, about: About, output: Any) -> None:
        """Keeps a point whose result is not in the store."""
        self._about[number] = about
        self._unstored[number] = output

    def about(self, number: int) -> About | None:
        """Returns what is known of a point that was computed and not taken yet."""
        return self._about.get(number)

    def take(self, number: int) -> tuple[Any] | None:
        """Returns the result as ``(result,)``, or None if it must be read from the store.

        A result that is stored is given once: a second caller must get another object.
        """
        output = self._outputs.pop(number, None)
        if output is None:
            output = self._unstored.get(number)
            if output is None:
                return None
        else:
            self._about.pop(number, None)
        if type(output) is bytes:
            if number not in self._unstored:
                self._bytes -= len(output)
            return (pickle.loads(output),)
        if type(output) is Fresh:
            return (output.value,)
        return (arguments.load(output.kept),)
