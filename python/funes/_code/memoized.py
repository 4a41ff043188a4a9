"""Helpers under `functools.lru_cache` that hold results of earlier code, which a call would take for those of now."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary


class _Seen(NamedTuple):
    """A cache as it was when a definition that uses it was looked at."""

    digest: str
    """That of the definition of the helper, of which the results in the cache are."""

    misses: int

    stale: int | None = None
    """How many misses there were when the definition was first seen to be another one."""


#: By helper, and by what the definition reads of code, on which digests depend.
_seen: WeakKeyDictionary[Any, dict[int, _Seen]] = WeakKeyDictionary()


def reason_for_doubt(helper: Any, digest: str, reading: int) -> str | None:
    """Returns why results that use a helper under `lru_cache` are not to be trusted; None if they are.

    helper: what `lru_cache` returned.
    digest: that of its definition now.
    """
    info = helper.cache_info()
    all_seen = _seen.setdefault(helper, {})
    seen = all_seen.get(reading)
    is_cleared = (
        seen is None or not info.currsize or info.misses < max(seen.misses, seen.stale or 0)
    )
    # Back at its earlier code, it holds nothing else if it computed nothing in between.
    is_back = seen is not None and seen.digest == digest and seen.stale in (None, info.misses)
    if seen is None or is_cleared or is_back:
        all_seen[reading] = _Seen(digest, info.misses)
        return None
    if seen.stale is None:
        all_seen[reading] = seen._replace(stale=info.misses)
    name = getattr(helper, "__qualname__", "a helper")
    return (
        f"lru_cache keeps results of {name} from before a change of what it uses; "
        f"call {name}.cache_clear()"
    )
