"""Formats numbers of things, sizes in powers of 1024, durations and dates."""

from __future__ import annotations

from datetime import datetime

from funes._entries.sizes import PREFIXES


def number_of(count: int, noun: str) -> str:
    """Formats a number of things: ``1 point``, ``2,000 points``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def bytes_shown(count: int) -> str:
    """Formats a size: ``1.2 MiB``."""
    rest = float(count)
    for unit in ("B", *(f"{letter}iB" for letter in PREFIXES)):
        if rest < 1000:
            return f"{rest:.0f} {unit}" if unit == "B" or rest >= 100 else f"{rest:.1f} {unit}"
        rest /= 1024
    return f"{rest:.0f} EiB"


def seconds_shown(seconds: float) -> str:
    """Formats a duration with two or three significant digits: ``1.23 ms``, ``3 h 20 min``."""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms"), (100.0, 1.0, "s")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    for limit, major, large, minor, small in (
        (3599.5, 60, "min", 1, "s"),
        (2 * 86400 - 30, 3600, "h", 60, "min"),
        (float("inf"), 86400, "d", 3600, "h"),
    ):
        if seconds < limit:
            whole, rest = divmod(round(seconds / minor), major // minor)
            return f"{whole} {large} {rest} {small}"
    raise AssertionError("the duration is infinite")


def date_shown(moment: datetime) -> str:
    """Formats a date in local time: ``2026-11-25 10:04``."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def date_exact(moment: datetime) -> str:
    """Formats a date in local time with its UTC offset: ``2026-11-25T10:04:05+01:00``."""
    return moment.astimezone().isoformat(timespec="seconds")
