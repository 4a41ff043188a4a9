"""Holds the explanation of a hit or a miss, and formats it."""

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
    "files",
    "expired",
    "damaged",
    "foreign",
    "format",
    "unreadable",
    "unhashable",
]

#: The number of changes and differences that are shown: in all, and in one line.
_MAX_SHOWN, _MAX_IN_LINE = 20, 3

_HITS = ("memory", "disk")


class Explanation(NamedTuple):
    """Says why a call is a hit or a miss. `Memo.explain` returns it, and `str` formats it.

    Example:
        >>> explanation = Explanation("train", "arguments", differences=(Difference("lr", "0.1", "0.2"),))
        >>> explanation.is_hit
        False
        >>> explanation.line()
        'other arguments: lr: 0.1 -> 0.2'
    """

    #: The qualified name of the function.
    function: str
    #: For a hit, the place of the result: ``"memory"`` or ``"disk"``. For a miss, the reason:
    #:
    #: - ``"never called"``: the function has no results.
    #: - ``"definition"``: only other versions have results.
    #: - ``"arguments"``: this version was called with other arguments only.
    #: - ``"files"``: a file that the function read has changed; `detail` names it.
    #: - ``"expired"``: the entry is older than ``max_age``.
    #: - ``"damaged"``: the entry differs from what was written.
    #: - ``"foreign"``: the entry is not signed with the signing key in use.
    #: - ``"format"``: the entry is in another version of the format.
    #: - ``"unreadable"``: the entry cannot be read now.
    #: - ``"unhashable"``: an argument, or the definition, cannot be part of a key.
    why: Why
    #: The definition hash of the call; empty if there is none. `arguments` is the argument hash.
    definition: str = ""
    arguments: str = ""
    #: The file of the result, of the entry that cannot be used, or of the most similar entry.
    path: Path | None = None
    #: The latest other version, with which the current version is compared.
    version: Version | None = None
    #: The changes from `version` to the current version.
    changes: tuple[Change, ...] = ()
    #: True if `version` has a result for these arguments, and belongs to this function.
    is_remembered_there: bool = False
    #: Another function that has the same code and has results, if this function has none. `version`
    #: then belongs to that function.
    renamed_from: str = ""
    #: The differences from the most similar stored arguments.
    differences: tuple[Difference, ...] = ()
    #: The number of entries that were compared, which are the newest. `entries` is the number of
    #: all entries.
    looked_at: int = 0
    entries: int = 0
    #: More details, such as the error of a file or an argument.
    detail: str = ""

    @property
    def is_hit(self) -> bool:
        """True if the call would return a stored result."""
        return self.why in _HITS

    def line(self) -> str:
        """Formats the explanation in one line, without the name of the function."""
        if self.why == "definition":
            what = _joined(self.changes) or self.detail
            return f"another definition than {self.version}: {what}"
        if self.why == "arguments":
            what = _joined(self.differences) or self.detail
            return f"other arguments: {what}"
        return f"{self._title()}{f': {self.detail}' if self.detail else ''}"

    def _nearest(self) -> str:
        if self.entries == 1:
            return "the only stored call"
        of = f"the newest {self.looked_at} of" if self.looked_at < self.entries else "all"
        return f"the nearest of {of} {self.entries} stored calls"

    def __str__(self) -> str:
        lines = [f"{self.function}: {self._title()}"]
        if self.why == "arguments" and self.path is not None:
            lines.append(f"{self._nearest()} is {self.path}")
        lines += [f"  {difference}" for difference in self.differences[:_MAX_SHOWN]]
        for change in self.changes[:_MAX_SHOWN]:
            lines.append(f"  {change}")
            if change.diff:
                lines.append(indent(change.diff, "    "))
        if max(len(self.differences), len(self.changes)) > _MAX_SHOWN:
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
            "files": f"not remembered: the result in{where} is of a file with another content",
            "expired": f"not remembered: the entry{where} is older than max_age",
            "damaged": f"not remembered: the entry{where} is damaged",
            "foreign": f"not remembered: the entry{where} is not signed with the key in use",
            "format": f"not remembered: the entry{where} is in another version of the format",
            "unreadable": f"not remembered: the entry{where} cannot be read",
            "unhashable": "not remembered: the call has no key",
        }
        return titles[self.why]


def _joined(items: tuple[Change, ...] | tuple[Difference, ...]) -> str:
    text = "; ".join(map(str, items[:_MAX_IN_LINE]))
    more = len(items) - _MAX_IN_LINE
    return f"{text}; and {more} more" if more > 0 else text
