"""Shortens texts, and makes them safe to print."""

from __future__ import annotations


def cut(text: str, width: int) -> str:
    """Cut a text to a number of characters; the last three are dots if any are missing.

    >>> cut("abcdefgh", 6), cut("abcdef", 6)
    ('abc...', 'abcdef')
    """
    return text if len(text) <= width else text[: width - 3] + "..."


def escaped(text: str) -> str:
    r"""Escape the characters that would break a line or control a terminal.

    >>> print(escaped("a\nb\x1b[1m"))
    a\nb\x1b[1m
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
