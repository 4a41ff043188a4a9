"""Detects that a run without a seed drew numbers from the global random generators."""

from __future__ import annotations

from funes._call.generator_lock import is_inside, same_states
from funes._call.generators import save
from funes._funes import GeneratorWords


class Watched:
    """The global generators before a run.

    Within a seeded run their whole states are compared: numbers that were drawn in pairs and kept count there. Outside
    of one a few words of them are, which takes next to no time.

    Example:
        >>> import random
        >>> watched = Watched()
        >>> watched.have_moved()
        False
        >>> _ = random.random()
        >>> watched.have_moved(), watched.is_inside
        (True, False)
    """

    __slots__ = ("_states", "_words", "is_inside")

    def __init__(self) -> None:
        #: Whether the run belongs to a seeded run.
        self.is_inside = is_inside()
        self._states = save() if self.is_inside else None
        self._words = None if self.is_inside else GeneratorWords()

    def have_moved(self) -> bool:
        """Whether a generator has moved since."""
        if self._words is not None:
            return self._words.have_moved()
        return not same_states(self._states, save())
