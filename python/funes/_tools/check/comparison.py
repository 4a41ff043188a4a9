"""Holds the outcome of computing stored calls again, and formats it."""

from __future__ import annotations

from textwrap import indent
from typing import Literal, NamedTuple

from funes._tools.check.compare import ResultDifference
from funes._warnings import grouped

#: The number of calls with another result, and of reasons, that are shown.
_MAX_SHOWN = 10


class ComparedCall(NamedTuple):
    """A stored call that was computed again."""

    #: The call in Python syntax, with shortened arguments.
    call: str
    #: The argument hash of the stored call.
    arguments: str
    #: ``"equal"``: the results are equal. ``"close"``: numbers in them differ by no more than the tolerance.
    #: ``"different"``: anything else differs. ``"raised"``: the call raised an exception, which `detail` shows.
    outcome: Literal["equal", "close", "different", "raised"]
    #: The difference; None for equal results and for exceptions.
    difference: ResultDifference | None = None
    #: The run time of the stored call, and of the call now, in seconds. `after` is None if the present definition had
    #: a result of the call, with which it was compared.
    before: float = 0.0
    after: float | None = None
    detail: str = ""

    def __str__(self) -> str:
        what = self.detail if self.difference is None else str(self.difference)
        return f"{self.call}: {what}" if what else self.call


class Comparison(NamedTuple):
    """The outcome of `Memo.check`. `str` formats it."""

    #: The module and qualified name of the function.
    function: str
    #: The definition whose stored results were compared, and the definition that computed.
    stored: str
    computed: str
    #: The calls that were compared, in the order in which they were computed.
    calls: tuple[ComparedCall, ...]
    #: The stored calls that cannot be computed again or compared, each as its file and the reason.
    left_out: tuple[str, ...]
    #: The number of all stored calls.
    total: int
    #: The largest relative difference of numbers that counts as close.
    tolerance: float
    #: The run time of the calls that were computed, in seconds.
    seconds: float
    #: Why no call was compared, or why no more were.
    detail: str = ""

    @property
    def is_equal(self) -> bool:
        """True if calls were compared, and all results are equal or close."""
        return bool(self.calls) and not self.different

    @property
    def different(self) -> tuple[ComparedCall, ...]:
        """The calls whose results are neither equal nor close."""
        return tuple(each for each in self.calls if each.outcome not in ("equal", "close"))

    @property
    def largest(self) -> ComparedCall | None:
        """The call with the largest difference of numbers; None if no result differs only in numbers."""
        found = [
            each for each in self.calls if each.difference and each.difference.relative is not None
        ]
        return max(found, key=_relative, default=None)

    def __str__(self) -> str:
        counts = [
            f"{count} {outcome}"
            for outcome in ("equal", "close", "different", "raised")
            if (count := sum(each.outcome == outcome for each in self.calls))
        ]
        lines = [
            f"{self.function}: compared {len(self.calls)} of {self.total} stored calls of {self.stored[:12]}:"
            f" {', '.join(counts) or 'none'}"
        ]
        different = self.different
        lines += [indent(str(each), "  ") for each in different[:_MAX_SHOWN]]
        if len(different) > _MAX_SHOWN:
            lines.append(f"  and {len(different) - _MAX_SHOWN} more")
        largest = self.largest
        if largest is not None and largest not in different[:_MAX_SHOWN]:
            lines.append(f"the largest difference of numbers: {largest}")
        omitted = [(path, reason) for path, _, reason in (x.partition(": ") for x in self.left_out)]
        reasons = [
            f"not compared: {f'{count} calls: ' if count > 1 else ''}{text}"
            for count, text in grouped(omitted)
        ]
        lines += reasons[:_MAX_SHOWN]
        if len(reasons) > _MAX_SHOWN:
            lines.append(f"and {len(reasons) - _MAX_SHOWN} more reasons")
        if self.detail:
            lines.append(self.detail)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def _relative(call: ComparedCall) -> float:
    assert call.difference is not None
    assert call.difference.relative is not None
    return call.difference.relative
