"""Helpers that compare every pair of many values by their hashes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from funes import hash_value

__all__ = ["assert_all_differ", "assert_all_equal"]


def assert_all_differ(values: Iterable[Any]) -> None:
    """Asserts that no two of the values have the same hash."""
    seen: dict[str, Any] = {}
    for value in values:
        digest = hash_value(value)
        assert digest not in seen, f"{value!r} and {seen[digest]!r} have the same hash"
        seen[digest] = value


def assert_all_equal(values: Iterable[Any]) -> None:
    """Asserts that all values have the same hash."""
    first, *others = values
    for other in others:
        assert hash_value(other) == hash_value(first), f"{other!r} and {first!r} differ"
