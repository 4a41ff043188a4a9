"""The age of entries, for functions whose entries expire."""

from __future__ import annotations

import time

from funes._funes import Store


def is_expired(stored: float, max_age: float | None) -> bool:
    """Returns whether an entry is expired.

    Args:
        stored: The time at which it was stored, in seconds since 1970. A time in the future counts like one that is as
            far in the past, since a clock was wrong.
        max_age: The age in seconds from which an entry is expired; None for never.
    """
    return max_age is not None and abs(time.time() - stored) >= max_age


def is_entry_expired(store: Store, key: tuple[str, str, str], max_age: float | None) -> bool:
    """Returns whether the entry of a key (function name, definition, arguments) is expired; False if there is none."""
    if max_age is None:
        return False
    stored = store.time_stored(*key)
    return stored is not None and is_expired(stored / 1e9, max_age)
