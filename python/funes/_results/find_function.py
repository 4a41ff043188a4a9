"""Finds functions by the names that people write."""

from __future__ import annotations

from collections.abc import Iterable

from funes._results.stored import StoredFunction


def named(functions: Iterable[StoredFunction], wanted: str) -> list[StoredFunction]:
    """The functions that have this name: their own, their qualified one or the end of it, or that of their folder."""
    functions = list(functions)
    found = [each for each in functions if wanted in each._spellings()]
    return found or [
        each
        for each in functions
        if any(spelling.endswith(f".{wanted}") for spelling in each._spellings())
    ]
