"""Formats and parses sizes, times and dates.

`rich.filesize` counts in powers of 1000; `--max-bytes` and the sizes here count in powers of 1024.
"""

from __future__ import annotations

import re
from datetime import datetime

import click

_PREFIXES = "KMGTP"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def size(text: str) -> int:
    """Converts a size such as ``10G`` to bytes; units are powers of 1024. It is a parameter type for click.

    Raises:
        click.BadParameter: The string is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)(?:i?B)?", text.strip(), re.I)
    if not found:
        raise click.BadParameter(f"{text!r} is not a size: write 500M, 10G or a number of bytes")
    number, unit = found.groups()
    return int(float(number) * 1024 ** (_PREFIXES.find(unit.upper()) + 1 if unit else 0))


def age(text: str) -> float:
    """Converts an age such as ``90d`` to seconds. It is a parameter type for click.

    Raises:
        click.BadParameter: The string is not an age.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is not an age: write 90d, a number and s, m, h, d or w")
    return float(found[1]) * _SECONDS[found[2]]


def bytes_shown(count: int) -> str:
    """Formats a size: ``1.2 MiB``."""
    rest = float(count)
    for unit in ("B", *(f"{letter}iB" for letter in _PREFIXES)):
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
