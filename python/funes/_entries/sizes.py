"""Parses sizes that users write."""

from __future__ import annotations

import re

#: The prefixes of units, each 1024 times the one before.
PREFIXES = "KMGTP"

#: The largest size in bytes: it fits into 64 bits with a sign.
MAX_BYTES = 2**63 - 1024


def parse_size(text: str) -> int:
    """Converts a size such as ``10G`` to bytes; units are powers of 1024.

    Raises:
        ValueError: The string is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?", text.strip(), re.I | re.A)
    if not found:
        raise ValueError(f"{text!r} is not a size: write 500M, 10G or a number of bytes")
    number, unit = found.groups()
    size = float(number) * 1024 ** (PREFIXES.find(unit.upper()) + 1 if unit else 0)
    if size > MAX_BYTES:
        raise ValueError(f"{text!r} is larger than any disk")
    return int(size)
