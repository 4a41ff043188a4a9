"""Type rules for estimators, models, validators and codecs: scikit-learn, pydantic, jsonschema, msgspec.

Instances count by their class and attributes, like those of most classes. Their pickles contain
more: a scikit-learn estimator adds the version of the library, a pydantic model its cached values.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from funes._code.annotations import annotations_of
from funes._code.third_party import is_library_function

Rule = Callable[[Any], object]


_DRAFTS = (
    "Draft201909Validator",
    "Draft202012Validator",
    "Draft3Validator",
    "Draft4Validator",
    "Draft6Validator",
    "Draft7Validator",
)


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


def _type_adapter(value: Any) -> object:
    # The validator follows from the type and the configuration; its own state differs between
    # processes.
    kind = value._type
    is_function = type(kind) is FunctionType and not is_library_function(kind)
    return kind, value._config, annotations_of(kind) if is_function else ()


def _schema_validator(value: Any) -> object:
    default = type(value)(True)
    registry = None if value._registry is default._registry else value._registry
    resolver = value._ref_resolver
    return value.schema, value.format_checker, registry, resolver


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    **{
        f"jsonschema.validators.{name}": (f"jsonschema.{name}", _schema_validator)
        for name in _DRAFTS
    },
    "pydantic.main.BaseModel": ("pydantic.BaseModel", _nothing),
    "pydantic.type_adapter.TypeAdapter": ("pydantic.TypeAdapter", _type_adapter),
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

#: Qualified names of types whose rule covers all attributes.
CLOSED: frozenset[str] = frozenset(
    (
        "pydantic.type_adapter.TypeAdapter",
        *(f"jsonschema.validators.{name}" for name in _DRAFTS),
    )
)
