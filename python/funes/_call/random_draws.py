"""Detects that a run without a seed drew numbers from the global random generators."""

from __future__ import annotations

from funes._call.generator_lock import is_inside, same_states
from funes._call.generators import save
from funes._funes import GeneratorWords


class DrawDetector:
    """Detects draws since its creation by comparing states of the global generators.

    Within a seeded run whole states are compared, since a second number that was drawn in a pair
    and kept for later counts there. Otherwise only a few words are compared, which takes
    nanoseconds.

    Example:
        >>> import random
        >>> detector = DrawDetector()
        >>> detector.have_moved()
        False
        >>> _ = random.random()
        >>> detector.have_moved(), detector.is_inside
        (True, False)
    """

    __slots__ = ("_states", "_words", "is_inside")

    def __init__(self) -> None:
        #: True if the call is within a seeded run.
        self.is_inside = is_inside()
        self._states = save() if self.is_inside else None
        self._words = None if self.is_inside else GeneratorWords()

    def have_moved(self) -> bool:
        """Returns whether a generator has moved since."""
        if self._words is not None:
            return self._words.have_moved()
        return not same_states(self._states, save())
