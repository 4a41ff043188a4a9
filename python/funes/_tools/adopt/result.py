"""The outcome of an adoption."""

from __future__ import annotations

from typing import NamedTuple

from funes._warnings import grouped

#: How many kinds of results that were left out are shown.
_SHOWN = 5


class AdoptionResult(NamedTuple):
    """The outcome of an adoption."""

    #: The version whose results were copied.
    definition: str
    #: The version that has them now.
    into: str
    #: How many of them there are.
    entries: int
    #: The results that could not be copied, with the reason for each.
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"copied {self.summary()}", *self.omissions()])

    def summary(self) -> str:
        """``12 results of 3f2a9c0d1e2f to 77b0c1d2e3f4``."""
        results = "1 result" if self.entries == 1 else f"{self.entries} results"
        return f"{results} of {self.definition[:12]} to {self.into[:12]}"

    def omissions(self) -> list[str]:
        """What was left out, a line for each reason."""
        told = [(path, reason) for path, _, reason in (x.partition(": ") for x in self.left_out)]
        lines = [
            f"left out: {f'{count} results: ' if count > 1 else ''}{text}"
            for count, text in grouped(told)
        ]
        more = len(lines) - _SHOWN
        return lines[:_SHOWN] + ([f"and {more} more reasons"] if more > 0 else [])
