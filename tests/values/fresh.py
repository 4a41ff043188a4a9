"""A helper that compares hashes with those in a fresh process with another hash seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes import hash_value

__all__ = ["assert_same_elsewhere"]


def assert_same_elsewhere(run_python: Callable[..., str], script: str) -> None:
    """Asserts that the ``values`` of a script have the same hashes here and in a fresh process."""
    here: dict[str, Any] = {}
    exec(script, here)
    shown = "\nfrom funes import hash_value\nprint(*map(hash_value, values))\n"
    elsewhere = run_python(script + shown, PYTHONHASHSEED="4711")
    assert elsewhere.split() == [hash_value(value) for value in here["values"]]
