"""Rules for matplotlib: colour maps by their colours, norms without what is drawn with them.

What is drawn is refused: its state holds addresses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _colormap(value: Any) -> object:
    """All that it keeps, with the table of colours, which is made when the first value is looked up."""
    if not value._isinit:
        value = copy.copy(value)
        value._init()
    return type(value), vars(value)


def _callbacks(value: Any) -> object:
    """The signals, not the drawings that listen for them: what is drawn with a norm does not change it."""
    return type(value), value._signals


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "matplotlib.cbook.CallbackRegistry": ("matplotlib.cbook.CallbackRegistry", _callbacks),
    "matplotlib.colors.Colormap": ("matplotlib.colors.Colormap", _colormap),
}

_DRAWN = "what is drawn with matplotlib cannot be part of a key; pass what it is drawn from"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "matplotlib.artist.Artist": _DRAWN,
    "matplotlib.backend_bases.FigureCanvasBase": _DRAWN,
    "matplotlib.transforms.TransformNode": _DRAWN,
}

#: Qualified names of types whose rule speaks for derived classes as well.
WHOLE = frozenset(RULES)
