"""Shortens strings, and makes them safe to print."""

from __future__ import annotations


def cut(text: str, width: int) -> str:
    """Shortens a string to a number of characters. If it is too long, the last three become dots.

    >>> cut("abcdefgh", 6), cut("abcdef", 6)
    ('abc...', 'abcdef')
    """
    return text if len(text) <= width else text[: width - 3] + "..."


def cut_in_the_middle(text: str, width: int) -> str:
    """Shortens a string to a number of characters. If it is too long, dots replace the middle.

    >>> cut_in_the_middle("/data/2026/first/model.pt", 16)
    '/data/2...del.pt'
    """
    if len(text) <= width:
        return text
    start = (width - 2) // 2
    return f"{text[:start]}...{text[len(text) - (width - 3 - start) :]}"


def escaped(text: str) -> str:
    r"""Escapes the characters that would break a line or control a terminal.

    >>> print(escaped("a\nb\x1b[1m"))
    a\nb\x1b[1m
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
