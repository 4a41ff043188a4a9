"""What a sweep keeps of the points that it computed, until they are given to the caller."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable
from typing import Any, NamedTuple

from funes._sweeps import arguments
from funes._sweeps.task import PlainAnswers

#: Results that are in the store are not kept beyond this size in bytes; they are read again.
_MAX_BYTES = 64 << 20

#: No more plain results than this are kept in advance; they are read again.
_MAX_PLAIN = 200_000

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

    def __init__(self, errors: dict[int, BaseException]) -> None:
        self._about: dict[int, About] = {}
        self._outputs: dict[int, Any] = {}
        self._bytes = 0
        #: The results that workers sent as `PlainAnswers`, with the host, the run time, and whether it was a hit.
        self._plain: dict[int, tuple[Any, str, float, bool]] = {}
        #: The results that are not in the store.
        self._unstored: dict[int, Any] = {}
        self.errors = errors

    def add(self, number: int, about: About, output: Any) -> None:
        """Keeps a point whose result is in the store, without the result if there are too many or it is None."""
        self._about[number] = about
        if type(output) is bytes:
            if self._bytes + len(output) > _MAX_BYTES:
                return
            self._bytes += len(output)
        if output is not None:
            self._outputs[number] = output

    def add_plain(self, host: str, plain: PlainAnswers) -> None:
        """Keeps points whose results are in the store, immutable and small, unless there are too many."""
        if len(self._plain) > _MAX_PLAIN:
            return
        hits = frozenset(plain.hits)
        are_hits: Iterable[bool] = itertools.repeat(False)
        if hits:
            are_hits = [number in hits for number in plain.numbers]
        rows = zip(plain.outputs, itertools.repeat(host), plain.seconds, are_hits, strict=False)
        self._plain.update(zip(plain.numbers, rows, strict=False))

    def forget(self, number: int) -> None:
        """Forgets a plain result."""
        self._plain.pop(number, None)

    def add_unstored(self, number: int, about: About, output: Any) -> None:
        """Keeps a point whose result is not in the store."""
        self._about[number] = about
        self._unstored[number] = output

    def about(self, number: int) -> About | None:
        """Returns what is known of a point that was computed and not taken yet."""
        plain = self._plain.get(number)
        return self._about.get(number) if plain is None else plain[1:]

    def take(self, number: int) -> tuple[Any] | None:
        """Returns the result as ``(result,)``, or None if it must be read from the store.

        A result that is stored is given once: a second caller must get another object.
        """
        plain = self._plain.pop(number, None)
        if plain is not None:
            return plain[:1]
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

    def take_plain(self, numbers: Iterable[int]) -> list[Any]:
        """Returns the plain results of the first of some points, up to the first point without one."""
        pop, results = self._plain.pop, []
        for number in numbers:
            found = pop(number, None)
            if found is None:
                break
            results.append(found[0])
        return results
