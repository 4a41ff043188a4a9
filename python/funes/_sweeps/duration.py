"""Formats an estimated duration."""

from __future__ import annotations


def about(seconds: float) -> str:
    """Returns a duration with one unit.

    >>> about(0.3), about(12.4), about(170), about(8000), about(300000)
    ('1 s', '12 s', '3 min', '2 h', '3 d')
    """
    for limit, factor, unit in ((90.0, 1, "s"), (5400.0, 60, "min"), (172800.0, 3600, "h")):
        if seconds < limit:
            return f"{max(1, round(seconds / factor))} {unit}"
    return f"{round(seconds / 86400)} d"
