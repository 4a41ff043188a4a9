"""Type rules for matplotlib: colour maps by their colours, norms without their listeners.

Artists and canvases are refused: their state contains addresses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _colormap(value: Any) -> object:
    """Reduces a colour map to its attributes; the colour table is otherwise made on demand."""
    if not value._isinit:
        value = copy.copy(value)
        value._init()
    return type(value), vars(value)


def _callbacks(value: Any) -> object:
    """Reduces a registry to its signals; the artists that listen do not change the value."""
    return type(value), value._signals


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "matplotlib.cbook.CallbackRegistry": ("matplotlib.cbook.CallbackRegistry", _callbacks),
    "matplotlib.colors.Colormap": ("matplotlib.colors.Colormap", _colormap),
}

_DRAWN = "a drawing of matplotlib cannot be part of a key; pass the data that it is drawn from"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "matplotlib.artist.Artist": _DRAWN,
    "matplotlib.backend_bases.FigureCanvasBase": _DRAWN,
    "matplotlib.transforms.TransformNode": _DRAWN,
}

#: Qualified names of types whose rule also covers subclasses.
COVERS_SUBCLASSES = frozenset(RULES)
