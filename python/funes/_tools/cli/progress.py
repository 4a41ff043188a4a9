"""How far long work has come, for whoever watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], total: int, what: str, *, unit: str = "file") -> Iterator[T]:
    """Go through the items; if the standard error is a terminal, a bar says how many of the total are done."""
    from tqdm import tqdm

    yield from tqdm(items, total=total, desc=what, unit=unit, leave=False, disable=None)
