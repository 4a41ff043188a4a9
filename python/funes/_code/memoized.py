"""Detects helpers under `functools.lru_cache` whose caches hold results of earlier code.

A call would use such results as if the current code had computed them.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class _Seen(NamedTuple):
    """The state of a helper's cache when a definition that uses the helper was computed."""

    digest: str
    """The definition digest of the helper, with which the results in its cache were computed."""

    misses: int

    stale: int | None = None
    """The number of misses of the helper when its definition was first seen to differ; None if it did not."""


#: The last seen state of each helper, by helper and by the parts of code that the definition reads,
#: since digests depend on these parts.
_seen: WeakKeyDictionary[Any, dict[int, _Seen]] = WeakKeyDictionary()


def reason_for_distrust(helper: Any, digest: str, read_parts: int) -> str | None:
    """Returns the reason why results that use a helper under `lru_cache` may be stale; None if there is none.

    helper: The object that `lru_cache` returned.
    digest: The current definition digest of the helper.
    read_parts: The parts of code that the definition reads.
    """
    info = helper.cache_info()
    all_seen = _seen.setdefault(helper, {})
    seen = all_seen.get(read_parts)
    is_cleared = (
        seen is None or not info.currsize or info.misses < max(seen.misses, seen.stale or 0)
    )
    # If the helper has its earlier code again, and computed nothing in between, all results in its
    # cache are of this code.
    is_back = seen is not None and seen.digest == digest and seen.stale in (None, info.misses)
    if seen is None or is_cleared or is_back:
        all_seen[read_parts] = _Seen(digest, info.misses)
        return None
    if seen.stale is None:
        all_seen[read_parts] = seen._replace(stale=info.misses)
    name = getattr(helper, "__qualname__", "a helper")
    return (
        f"lru_cache keeps results of {name} from before a change of what it uses; "
        f"call {name}.cache_clear()"
    )
