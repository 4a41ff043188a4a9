"""Type rules for base classes of estimators and models: scikit-learn, pydantic; for codecs of msgspec.

Instances count by their class and attributes, like those of most classes. Their pickles contain
more: a scikit-learn estimator adds the version of the library, a pydantic model its cached values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _nothing(_: Any) -> object:
    return ()


def _tree(value: Any) -> object:
    # Items 7 to 10 count queries of the tree.
    state = value.__getstate__()
    return *state[:7], *state[11:]


def _codec(value: Any) -> object:
    """Reduces an encoder or decoder to its options, which it exposes as members."""
    return {name: getattr(value, name) for name in _CODEC_OPTIONS if hasattr(value, name)}


_CODEC_OPTIONS = (
    "dec_hook",
    "decimal_format",
    "enc_hook",
    "ext_hook",
    "float_hook",
    "order",
    "strict",
    "type",
    "uuid_format",
)

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "pydantic.main.BaseModel": ("pydantic.BaseModel", _nothing),
    "sklearn.base.BaseEstimator": ("sklearn.base.BaseEstimator", _nothing),
    **{
        name: (name, _codec)
        for module in ("json", "msgpack")
        for name in (f"msgspec.{module}.Decoder", f"msgspec.{module}.Encoder")
    },
    **{
        f"sklearn.neighbors._{module}.{name}{size}": (f"sklearn.neighbors.{name}{size}", _tree)
        for module, name in (("ball_tree", "BallTree"), ("kd_tree", "KDTree"))
        for size in ("", "32", "64")
    },
}

#: Qualified name of a type -> attributes that are left out.
COVERED: dict[str, frozenset[str]] = {
    # The address of the stop words of a vectorizer.
    "sklearn.base.BaseEstimator": frozenset({"_stop_words_id"}),
}

#: Qualified names of types whose slots count by themselves.
COUNT_BY_SLOTS: frozenset[str] = frozenset({"pydantic.main.BaseModel"})
