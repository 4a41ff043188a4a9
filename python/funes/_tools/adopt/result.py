"""Reports the outcome of an adoption."""

from __future__ import annotations

from typing import NamedTuple

from funes._results.units import number_of
from funes._warnings import grouped

#: The number of reasons for omissions that are shown.
_MAX_REASONS = 5


class AdoptionResult(NamedTuple):
    """The outcome of an adoption."""

    #: The definition hash of the version whose results were copied.
    definition: str
    #: The definition hash of the version that got the copies.
    into: str
    #: The number of copied results.
    entries: int
    #: The results that could not be copied, each with the reason.
    left_out: tuple[str, ...] = ()
    #: The outcome of `funes check` for the two versions, if all results were equal; else empty.
    evidence: str = ""

    def __str__(self) -> str:
        evidence = [self.evidence] if self.evidence else []
        return "\n".join([f"copied {self.summary()}", *evidence, *self.omissions()])

    def summary(self) -> str:
        """Formats the outcome: ``12 results of 3f2a9c0d1e2f to 77b0c1d2e3f4``."""
        results = "1 result" if self.entries == 1 else f"{self.entries} results"
        return f"{results} of {self.definition[:12]} to {self.into[:12]}"

    def omissions(self) -> list[str]:
        """Lists the results that were left out, one line per reason."""
        omitted = [(path, reason) for path, _, reason in (x.partition(": ") for x in self.left_out)]
        lines = [
            f"left out: {f'{count} results: ' if count > 1 else ''}{text}"
            for count, text in grouped(omitted)
        ]
        more = len(lines) - _MAX_REASONS
        return lines[:_MAX_REASONS] + (
            [f"and {number_of(more, 'more reason')}"] if more > 0 else []
        )
