"""Reads the environment variables of funes whose values have a form of their own.

A value that is not allowed gives one `CacheWarning` in a process, and counts as not set. ``FUNES_CACHE_DIR`` and
``FUNES_SIGNING_KEY`` are texts of any form, and are read where they are used.
"""

from __future__ import annotations

import os
from typing import Any

from funes import _warnings
from funes._entries.remote_url import checked_url
from funes._entries.sizes import parse_size

#: The names and texts that were reported.
_reported: set[tuple[str, str]] = set()


def setting(name: str) -> Any:
    """Returns the value of an environment variable; None if it is not set, or not allowed."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    parse, expected = _RULES[name]
    try:
        return parse(text)
    except ValueError as error:
        reason = f"it must be {expected}, not {text!r}" if expected else str(error)
    if (name, text) not in _reported:
        _reported.add((name, text))
        _warnings.warn(f"{name} is ignored: {reason}")
    return None


def _one_of(**values: Any) -> Any:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return parse


def _log_level(text: str) -> int:
    import logging

    level = getattr(logging, text.upper(), None)
    if not isinstance(level, int):
        raise ValueError(text)
    return level


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _remote(text: str) -> str:
    return checked_url("it", text)


_SWITCH = (_one_of(**{"0": False, "1": True}), "0 or 1")

#: Maps the name of each variable to the function that parses its value, and to what the value must be; empty if the
#: error says so.
_RULES: dict[str, tuple[Any, str]] = {
    "FUNES_LOG": (
        _log_level,
        "a level of logging, such as info, which logs why calls are computed",
    ),
    "FUNES_MAX_BYTES": (parse_size, "a size such as 500M or 10G, or 0 for no limit"),
    "FUNES_MEMORY": (parse_size, "a size such as 64M or 2G, or 0 for no memory cache"),
    "FUNES_MODE": (
        _one_of(off="off", readonly="readonly", offline="offline", refresh="refresh"),
        "off, readonly, offline or refresh",
    ),
    "FUNES_PACKED": _SWITCH,
    "FUNES_RECHECK": (_share, "the share of hits to compute again, from 0 to 1"),
    "FUNES_REMOTE": (_remote, ""),
    "FUNES_RUNS": _SWITCH,
}
