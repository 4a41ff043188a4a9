"""Rules for the base classes of estimators and models: scikit-learn, pydantic.

Their instances count by their class and their attributes, as those of most classes do. What they pickle as is not quite
that: a scikit-learn estimator adds the version of the library, a model of pydantic what it has cached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _nothing_more(_: Any) -> object:
    return ()


def _tree(value: Any) -> object:
    # Four of the numbers count what the tree has been asked.
    state = value.__getstate__()
    return *state[:7], *state[11:]


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "pydantic.main.BaseModel": ("pydantic.BaseModel", _nothing_more),
    "sklearn.base.BaseEstimator": ("sklearn.base.BaseEstimator", _nothing_more),
    **{
        f"sklearn.neighbors._{module}.{name}{size}": (f"sklearn.neighbors.{name}{size}", _tree)
        for module, name in (("ball_tree", "BallTree"), ("kd_tree", "KDTree"))
        for size in ("", "32", "64")
    },
}

#: Qualified name of a type -> attributes that are none of a derived class's own.
COVERED: dict[str, frozenset[str]] = {
    # Where in memory the stop words of a vectorizer are.
    "sklearn.base.BaseEstimator": frozenset({"_stop_words_id"}),
}
