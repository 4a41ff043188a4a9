"""Holds the explanation of a hit or a miss, and formats it."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Literal, NamedTuple

from funes._code.definition_diff import Change
from funes._entries.run_record import RunRecord
from funes._tools.explain.argument_diff import Difference
from funes._tools.explain.other_versions import Version

Why = Literal[
    "memory",
    "disk",
    "error",
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

_HITS = ("memory", "disk", "error")


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
    #: For a hit, the place of the result: ``"memory"`` or ``"disk"``, or ``"error"`` for a remembered error, which
    #: `detail` shows. For a miss, the reason:
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
    is_cached_there: bool = False
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
    #: What the function reads besides its key, such as the clock, each with the lines that name it. It does not explain
    #: a hit or a miss, but why a stored result may be another one than a new computation would give.
    unseen: tuple[str, ...] = ()
    #: For a hit, the process that computed the result; None if it is not recorded.
    run: RunRecord | None = None
    #: The libraries that the definition names.
    libraries: frozenset[str] = frozenset()

    @property
    def is_hit(self) -> bool:
        """True if the call would return a stored result, or raise a stored exception."""
        return self.why in _HITS

    def line(self) -> str:
        """Formats the explanation in one line, without the name of the function."""
        if self.why == "definition":
            what = _joined(self.changes) or self.detail
            return f"the definition has changed since version {self.version}: {what}"
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
        return "\n".join(lines + self._remarks())

    def _remarks(self) -> list[str]:
        """Returns the lines after the differences and changes."""
        lines = []
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
        elif self.is_cached_there and self.version is not None:
            short = self.version.definition[:12]
            lines.append(
                f"that version has a result of this call: f.adopt({short!r}) if nothing else changes the result"
            )
        if self.run is not None:
            lines.append(f"computed with {self.run.with_libraries(self.libraries)}")
        return [*lines, *self.unseen]

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from funes._results import markup

        parts = [f"<p><b>{markup.text(self.function)}</b>: {markup.text(self._title())}</p>"]
        if self.why == "arguments" and self.path is not None:
            parts.append(markup.paragraph(f"{self._nearest()} is {self.path}"))
        if self.differences:
            rows = self.differences[:_MAX_SHOWN]
            parts.append(markup.table(("argument", "stored", "this call"), rows))
        parts += map(markup.change, self.changes[:_MAX_SHOWN])
        parts += map(markup.paragraph, self._remarks())
        return markup.block(*parts)

    def _title(self) -> str:
        where = "" if self.path is None else f" {self.path}"
        titles: dict[Why, str] = {
            "memory": "cached, in memory",
            "disk": f"cached, in{where}",
            "error": f"cached, as an error in{where}",
            "never called": "not cached: nothing is stored of this function",
            "definition": f"not cached: the definition has changed since version {self.version}",
            "arguments": "not cached: it was called with other arguments only",
            "files": f"not cached: the result in{where} is of a file with another content",
            "expired": f"not cached: the entry{where} is older than max_age",
            "damaged": f"not cached: the entry{where} is damaged",
            "foreign": f"not cached: the entry{where} is not signed with the key in use",
            "format": f"not cached: the entry{where} is in another version of the format",
            "unreadable": f"not cached: the entry{where} cannot be read",
            "unhashable": "not cached: the call has no key",
        }
        return titles[self.why]


def _joined(items: tuple[Change, ...] | tuple[Difference, ...]) -> str:
    text = "; ".join(map(str, items[:_MAX_IN_LINE]))
    more = len(items) - _MAX_IN_LINE
    return f"{text}; and {more} more" if more > 0 else text
