"""The reference implementation of the ids of run records, written from docs/format.md alone."""

from __future__ import annotations

from typing import Any

from reference.canonical import hash_value

#: The keys that an id does not cover.
UNCOVERED = ("id", "written")


def run_id(record: dict[str, Any]) -> str:
    """Returns the id of a record."""
    return hash_value({key: value for key, value in record.items() if key not in UNCOVERED})[:32]
