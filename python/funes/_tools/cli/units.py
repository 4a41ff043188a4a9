"""Parses sizes and ages."""

from __future__ import annotations

import re

import click

from funes._entries.sizes import parse_size

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def size(text: str) -> int:
    """Converts a size such as ``10G`` to bytes; units are powers of 1024. It is a parameter type for click.

    Raises:
        click.BadParameter: The string is not a size.
    """
    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def age(text: str) -> float:
    """Converts an age such as ``90d`` to seconds. It is a parameter type for click.

    Raises:
        click.BadParameter: The string is not an age.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is not an age: write 90d, a number and s, m, h, d or w")
    return float(found[1]) * _SECONDS[found[2]]
