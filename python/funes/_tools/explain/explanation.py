"""Why a call is remembered, or is not."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Literal, NamedTuple

from funes._code.definition_diff import Change
from funes._tools.explain.argument_diff import Difference
from funes._tools.explain.other_versions import Version

Why = Literal[
    "memory",
    "disk",
    "never called",
    "definition",
    "arguments",
    "damaged",
    "foreign",
    "format",
    "unreadable",
    "unhashable",
]

#: So many changes and differences are shown, and in one line.
_SHOWN, _IN_LINE = 20, 3

_HITS = ("memory", "disk")


class Explanation(NamedTuple):
    """Why a call is remembered, or is not; made by `Memo.explain`. As a text it says so to people.

    Example:
        >>> explanation = Explanation("train", "arguments", differences=(Difference("lr", "0.1", "0.2"),))
        >>> explanation.is_hit
        False
        >>> explanation.line()
        'other arguments: lr: 0.1 -> 0.2'
    """

    #: The qualified name of the function.
    function: str
    #: Where the result is: ``"memory"`` or ``"disk"``. Or why
    #: there is none: ``"never called"``; ``"definition"``: another version was called; ``"arguments"``: this version
    #: was called with others; ``"damaged"``, ``"foreign"`` (not signed with the key in use), ``"format"`` (in another
    #: version of the format) and ``"unreadable"``: an entry is there, and cannot be used; ``"unhashable"``: an
    #: argument, or the definition, cannot be part of a key.
    why: Why
    #: The definition hash and the argument hash; empty if there are none.
    definition: str = ""
    arguments: str = ""
    #: The file of the result, of the one that cannot be used, or of the nearest one.
    path: Path | None = None
    #: The latest other version, with which the present one is compared.
    version: Version | None = None
    #: What changed since that version.
    changes: tuple[Change, ...] = ()
    #: Whether that version remembers a call with these arguments, and is recorded to be one of this function.
    is_remembered_there: bool = False
    #: If nothing is stored of the function: another one whose code is the same, and of which `version` is.
    renamed_from: str = ""
    #: Where the arguments differ from the nearest that are stored.
    differences: tuple[Difference, ...] = ()
    #: At how many entries was looked for it, the newest ones, and of how many.
    looked_at: int = 0
    entries: int = 0
    #: What else is to be said: the error of a file or an argument.
    detail: str = ""

    @property
    def is_hit(self) -> bool:
        """Whether the call would return a remembered result."""
        return self.why in _HITS

    def line(self) -> str:
        """The same in one line, without the function's name."""
        if self.why == "definition":
            what = _joined(self.changes) or self.detail
            return f"another definition than {self.version}: {what}"
        if self.why == "arguments":
            what = _joined(self.differences) or self.detail
            return f"other arguments: {what}"
        return f"{self._title()}{f': {self.detail}' if self.detail else ''}"

    def _nearest(self) -> str:
        if self.entries == 1:
            return "the only stored one"
        of = f"the newest {self.looked_at} of" if self.looked_at < self.entries else "all"
        return f"the nearest of {of} {self.entries} stored ones"

    def __str__(self) -> str:
        lines = [f"{self.function}: {self._title()}"]
        if self.why == "arguments" and self.path is not None:
            lines.append(f"{self._nearest()} is {self.path}")
        lines += [f"  {difference}" for difference in self.differences[:_SHOWN]]
        for change in self.changes[:_SHOWN]:
            lines.append(f"  {change}")
            if change.diff:
                lines.append(indent(change.diff, "    "))
        if max(len(self.differences), len(self.changes)) > _SHOWN:
            lines.append("  and more")
        if self.detail:
            lines.append(self.detail)
        if self.renamed_from and self.version is not None:
            short = self.version.definition[:12]
            lines.append(
                f"{self.renamed_from} has the same code and results: if the function was renamed,"
                f" f.adopt({short!r}, function={self.renamed_from!r})"
            )
        elif self.is_remembered_there and self.version is not None:
            short = self.version.definition[:12]
            lines.append(
                f"that version remembers this call: f.adopt({short!r}) if nothing else changes the result"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _title(self) -> str:
        where = "" if self.path is None else f" {self.path}"
        titles: dict[Why, str] = {
            "memory": "remembered, in memory",
            "disk": f"remembered, in{where}",
            "never called": "not remembered: nothing is stored of this function",
            "definition": f"not remembered: its definition is another than that of {self.version}",
            "arguments": "not remembered: it was called with other arguments only",
            "damaged": f"not remembered: the entry{where} is damaged",
            "foreign": f"not remembered: the entry{where} is not signed with the key in use",
            "format": f"not remembered: the entry{where} is in another version of the format",
            "unreadable": f"not remembered: the entry{where} cannot be read",
            "unhashable": "not remembered: the call has no key",
        }
        return titles[self.why]


def _joined(told: tuple[Change, ...] | tuple[Difference, ...]) -> str:
    text = "; ".join(map(str, told[:_IN_LINE]))
    more = len(told) - _IN_LINE
    return f"{text}; and {more} more" if more > 0 else text
