"""`%autoreload`: a memorious function of a module that was edited and is loaded again.

It brings functions that people hold (by ``from module import f``) up to date, but knows nothing of other objects.
"""

from __future__ import annotations

import sys
from typing import Any


def register_with_autoreload(kind: type) -> None:
    """Have memorious functions brought up to date as functions are, if `%autoreload` is there.

    To be called whenever one is made: those that matter are made while a module is loaded again.

    kind: Their type.
    """
    rules = getattr(sys.modules.get("IPython.extensions.autoreload"), "UPDATE_RULES", None)
    if isinstance(rules, list) and not any(update is _update for _, update in rules):

        def concerns(old: object, new: object) -> bool:
            return isinstance(old, kind) and isinstance(new, kind)

        rules.append((concerns, _update))


def _update(old: Any, new: Any) -> None:
    """Make the function that people hold the one that was just defined."""
    old._core = new._core
    vars(old).update(vars(new))
