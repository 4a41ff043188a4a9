"""Detects that a run without a seed drew numbers from the global random generators."""

from __future__ import annotations

from funes._call.generator_lock import is_inside, same_states
from funes._call.generators import save
from funes._funes import GeneratorWords


class DrawDetector:
    """Detects draws since the detector was created, by comparing states of the global generators.

    Inside of a seeded run, whole states are compared, since a state may contain a number that was
    drawn in advance (the second one of a pair). Otherwise only a few words are compared, which takes
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
        #: True if the call is inside of a seeded run.
        self.is_inside = is_inside()
        self._states = save() if self.is_inside else None
        self._words = None if self.is_inside else GeneratorWords()

    def have_moved(self) -> bool:
        """Returns whether numbers were drawn from a generator since the detector was created."""
        if self._words is not None:
            return self._words.have_moved()
        return not same_states(self._states, save())
