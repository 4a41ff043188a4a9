"""Supports `%autoreload`, which reloads edited modules in a notebook.

`%autoreload` updates the functions of the old module in place, so that names bound by ``from module
import f`` follow the edit. It updates no objects of other types, so funes registers an update rule
for memorious functions.
"""

from __future__ import annotations

import sys
from typing import Any


def register_with_autoreload(kind: type) -> None:
    """Registers an update rule for memorious functions, if `%autoreload` is loaded.

    Must be called whenever a memorious function is made, since a reloaded module makes its functions
    anew.

    Args:
        kind: The type of memorious functions.
    """
    rules = getattr(sys.modules.get("IPython.extensions.autoreload"), "UPDATE_RULES", None)
    if isinstance(rules, list) and not any(update is _update for _, update in rules):

        def concerns(old: object, new: object) -> bool:
            return isinstance(old, kind) and isinstance(new, kind)

        rules.append((concerns, _update))


def _update(old: Any, new: Any) -> None:
    """Makes the old function object behave like the new one."""
    old._core = new._core
    vars(old).update(vars(new))
