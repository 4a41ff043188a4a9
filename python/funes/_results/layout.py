"""Lays out a table for a number of characters: one line per row, and no number is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from funes._results.text import cut_in_the_middle

#: The number of characters to which values are cut before a column is left out.
_MIN_TEXT = 8
_GAP = 2


class Column(NamedTuple):
    """A column of texts."""

    name: str
    #: The texts of the rows, without line ends.
    texts: Sequence[str]
    #: True if no text may be cut, as for numbers. The column is aligned to the right.
    is_number: bool = False

    @property
    def width(self) -> int:
        return max(map(len, (self.name, *self.texts)))

    def cut(self, width: int) -> Column:
        """Returns the column with texts of at most `width` characters, unless they are numbers or titles."""
        return self._replace(texts=[cut_in_the_middle(text, width) for text in self.texts])


class Layout(NamedTuple):
    """A table that fits."""

    #: The columns, with shortened texts.
    columns: list[Column]
    #: The columns whose text is the same in all rows, with that text.
    constant: list[tuple[str, str]]
    #: The names of the columns for which there is no room.
    left_out: list[str]


def fit(columns: Sequence[Column], width: int, longest: int, *, lift: bool = False) -> Layout:
    """Lays out a table in `width` characters.

    Long texts are cut in the middle, the longest first. If that is not enough, columns are left out: the last ones of
    texts, then the last ones of numbers; the first column stays.

    Args:
        columns: The columns.
        width: The number of characters of a line.
        longest: The maximum number of characters of a text.
        lift: True if columns whose text is the same in all rows are taken out, if there are two rows or more.

    Example:
        >>> shown = fit([Column("opt", ["adam"] * 2), Column("lr", ["0.1", "0.2"], True)], 80, 60, lift=True)
        >>> shown.constant, [column.name for column in shown.columns]
        ([('opt', 'adam')], ['lr'])
    """
    varying = list(columns)
    if lift and len(columns[0].texts) > 1:
        varying = [each for each in columns if len(set(each.texts)) > 1] or varying[:1]
    constant = [
        (each.name, cut_in_the_middle(each.texts[0], longest))
        for each in columns
        if each not in varying
    ]
    limits = {each.name: each.width for each in varying}
    for each in varying:
        if not each.is_number:
            limits[each.name] = max(len(each.name), min(each.width, longest))
    left_out: list[str] = []
    while (excess := sum(limits.values()) + _GAP * (len(limits) - 1) - width) > 0:
        texts = [each for each in varying if each.name in limits and not each.is_number]
        widest = max(texts, key=lambda each: limits[each.name], default=None)
        if widest is not None and limits[widest.name] > max(_MIN_TEXT, len(widest.name)):
            smaller = limits[widest.name] - min(excess, max(1, limits[widest.name] // 8))
            limits[widest.name] = max(_MIN_TEXT, len(widest.name), smaller)
            continue
        removable = [each.name for each in texts if each is not varying[0]] or [*limits][1:]
        if not removable:
            break
        left_out.append(removable[-1])
        del limits[removable[-1]]
    shown = [
        each if each.is_number else each.cut(limits[each.name])
        for each in varying
        if each.name in limits
    ]
    return Layout(shown, constant, [each.name for each in columns if each.name in left_out])


def lines_of(columns: Sequence[Column]) -> list[str]:
    """Returns the title line and a line for each row."""
    rows = zip(*((each.name, *each.texts) for each in columns), strict=True)
    widths = [each.width for each in columns]
    return [
        (" " * _GAP)
        .join(
            text.rjust(width) if each.is_number else text.ljust(width)
            for text, each, width in zip(row, columns, widths, strict=True)
        )
        .rstrip()
        for row in rows
    ]
