"""Orders stored calls so that the first few differ in as many arguments as possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

from funes._funes import hash_value
from funes._results.nested import flattened

#: The number of calls that are chosen by their arguments. Later ones are chosen by their run time.
_CHOSEN_BY_ARGUMENTS = 100
#: The share of the budget that a call may take before the cheaper ones have been chosen.
_CHEAP = 0.1


class Candidate(NamedTuple):
    """A stored call that may be computed again."""

    #: The argument hash.
    arguments: str
    #: The run time of the stored call, in seconds.
    seconds: float
    #: A digest for each argument, and for each part of a configuration, by its path; and the value of a number.
    parts: dict[str, tuple[str, float | None]]


def parts_of(
    inputs: Mapping[str, Any], objects: Mapping[str, str]
) -> dict[str, tuple[str, float | None]]:
    """Returns the parts of the arguments of a call, see `Candidate.parts`.

    Args:
        inputs: The arguments by name.
        objects: The hashes of the large arguments by name, which `inputs` does not contain.
    """
    found: dict[str, tuple[str, float | None]] = {}
    for name, value in inputs.items():
        if name in objects:
            found[name] = objects[name], None
            continue
        for path, part in flattened(value, (name,)):
            try:
                digest = hash_value(part)
            except Exception:  # a value without a hash, or with a `__reduce__` that fails
                digest = ""
            found[".".join(path)] = digest, _number(part)
    return found


def _number(value: object) -> float | None:
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


class Chooser:
    """Chooses calls one after the other.

    The next call is the one that has the most pairs of argument and value that no chosen call has; of these, the one
    that is the farthest from the nearest chosen call; of these, the cheapest. Calls that take a large part of the
    budget come after the ones that do not.
    """

    def __init__(self, candidates: Iterable[Candidate], budget: float) -> None:
        self._cheap = budget * _CHEAP
        self._rest = sorted(candidates, key=lambda each: (each.seconds, each.arguments))
        self._ranks = _ranks(self._rest)
        self._covered: set[tuple[str, str]] = set()
        #: The distance of each candidate to the nearest chosen one, by argument hash.
        self._distances = {each.arguments: float("inf") for each in self._rest}
        self._chosen = 0

    @property
    def cheapest(self) -> float | None:
        """The run time of the cheapest call that was not chosen, in seconds; None if there is none."""
        return self._rest[0].seconds if self._rest else None

    def next(self, seconds: float) -> Candidate | None:
        """Chooses a call that took at most this many seconds; returns None if there is none."""
        affordable = [each for each in self._rest if each.seconds <= seconds]
        if not affordable:
            return None
        by_arguments = self._chosen < _CHOSEN_BY_ARGUMENTS
        found = max(affordable, key=self._rank) if by_arguments else affordable[0]
        self._rest.remove(found)
        self._chosen += 1
        if by_arguments:
            self._covered.update(_pairs(found))
            for each in self._rest:
                distance = self._distance(each, found)
                self._distances[each.arguments] = min(self._distances[each.arguments], distance)
        return found

    def _rank(self, candidate: Candidate) -> tuple[float, ...]:
        new = sum(pair not in self._covered for pair in _pairs(candidate))
        is_cheap = candidate.seconds <= self._cheap
        distance = self._distances[candidate.arguments]
        return bool(new), bool(new) and is_cheap, new, distance, -candidate.seconds

    def _distance(self, one: Candidate, other: Candidate) -> float:
        """Returns the number of arguments in which two calls differ. A number counts more if it is far away."""
        total = 0.0
        for path in one.parts.keys() | other.parts.keys():
            part, opposite = one.parts.get(path), other.parts.get(path)
            if part == opposite:
                continue
            ranks = self._ranks.get(path, {})
            if part is None or opposite is None or part[0] not in ranks or opposite[0] not in ranks:
                total += 1
            else:
                total += 0.5 + 0.5 * abs(ranks[part[0]] - ranks[opposite[0]])
        return total


def _pairs(candidate: Candidate) -> Iterable[tuple[str, str]]:
    return ((path, digest) for path, (digest, _) in candidate.parts.items())


def _ranks(candidates: Iterable[Candidate]) -> dict[str, dict[str, float]]:
    """Returns the position of each number among the numbers of its argument, from 0 to 1, by path and digest."""
    numbers: dict[str, dict[str, float]] = {}
    for each in candidates:
        for path, (digest, number) in each.parts.items():
            if number is not None:
                numbers.setdefault(path, {})[digest] = number
    ranks = {}
    for path, by_digest in numbers.items():
        order = sorted(by_digest, key=by_digest.__getitem__)
        ranks[path] = {digest: at / max(1, len(order) - 1) for at, digest in enumerate(order)}
    return ranks
