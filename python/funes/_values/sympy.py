"""Type rules for sympy: an expression by its parts, which is also what it pickles as.

Derived values that an expression caches (its hash, assumptions) are not part of its value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

Rule = Callable[[Any], object]

#: Class -> its name if it counts by name, else None; whether `args` is its whole state.
_known: WeakKeyDictionary[type, tuple[str | None, bool]] = WeakKeyDictionary()


def _basic(value: Any) -> object:
    kind = type(value)
    known = _known.get(kind)
    if known is None:
        known = _known[kind] = _name(kind), _is_its_arguments(kind)
    name, is_its_arguments = known
    if is_its_arguments:
        extra = _extra_state(value)
        return (name or kind, *value.args, extra) if extra else (name or kind, *value.args)
    # Symbols, numbers and similar: constructor, its arguments, and the state if there is any.
    _, arguments, *rest = value.__reduce_ex__(4)
    extra = _extra_state(value)
    rest += [extra] if extra else []
    return name or kind, [part for part in arguments if part is not kind], *rest


def _extra_state(value: Any) -> dict[str, object]:
    """Returns the state that neither the arguments nor the pickle of an expression contain."""
    names = _EXTRA_ATTRIBUTES.get(type(value).__qualname__, {})
    return {
        name: part
        for name, default in names.items()
        if (part := getattr(value, name, default)) != default
    }


#: Class name -> attributes that its pickle omits, with their default values.
_EXTRA_ATTRIBUTES: dict[str, dict[str, object]] = {
    "IndexedBase": {"offset": 0, "strides": None},
    "Quaternion": {"real_field": True},
    "Wild": {"exclude": (), "properties": ()},
    "WildFunction": {"nargs": None},
}


#: Names of rules that read nothing that a pickle leaves out; `_EXTRA_ATTRIBUTES` has exceptions.
_SEEN_BY_PICKLE = frozenset(("sympy.core.basic.Basic", "sympy.matrices.repmatrix.RepMatrix"))


def is_seen_by_pickle(kind: type) -> bool:
    """Returns whether the pickle of an expression of this class contains all that its rule reads."""
    names = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__}
    by_rules = names & RULES.keys()
    return (
        bool(by_rules)
        and by_rules <= _SEEN_BY_PICKLE
        and kind.__qualname__ not in _EXTRA_ATTRIBUTES
    )


def _name(kind: type) -> str | None:
    """Returns the name of a class of sympy, else None.

    Writing the name is cheaper than hashing the class: expressions have many objects of few
    classes.
    """
    return kind.__qualname__ if (kind.__module__ or "").startswith("sympy.") else None


def _is_its_arguments(kind: type) -> bool:
    from sympy import Basic

    return not hasattr(kind, "__getnewargs_ex__") and all(
        getattr(kind, name, None) is getattr(Basic, name, None)
        for name in ("__getnewargs__", "__getstate__", "__reduce_ex__", "__reduce__")
    )


def _polynomial(value: Any) -> object:
    # The arguments do not contain the domain of the coefficients, such as integers modulo 5.
    return _name(type(value)) or type(value), value.gens, value.get_domain(), value.terms()


def _matrix(value: Any) -> object:
    return _name(type(value)) or type(value), value.shape, dict(value.todok())


# Rings and fields of polynomials build their tables on use, and cannot be pickled meanwhile.


def _ring(value: Any) -> object:
    return value.symbols, value.domain, value.order


def _ring_element(value: Any) -> object:
    return value.ring, dict(dict.items(value))


def _field_element(value: Any) -> object:
    return value.field, value.numer, value.denom


def _function(value: Any) -> object:
    """Reduces an undefined function, such as `Function("f")`, which is a class made at run time."""
    return value.__name__, value._kwargs


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "sympy.core.basic.Basic": ("sympy.Basic", _basic),
    "sympy.core.function.UndefinedFunction": ("sympy.Function", _function),
    "sympy.matrices.repmatrix.RepMatrix": ("sympy.Matrix", _matrix),
    "sympy.polys.domains.fractionfield.FractionField": (
        "sympy.FractionField",
        lambda value: value.field,
    ),
    "sympy.polys.domains.polynomialring.PolynomialRing": (
        "sympy.PolynomialRing",
        lambda value: value.ring,
    ),
    "sympy.polys.fields.FracElement": ("sympy.FracElement", _field_element),
    "sympy.polys.fields.FracField": ("sympy.FracField", _ring),
    "sympy.polys.polytools.Poly": ("sympy.Poly", _polynomial),
    "sympy.polys.rings.PolyElement": ("sympy.PolyElement", _ring_element),
    "sympy.polys.rings.PolyRing": ("sympy.PolyRing", _ring),
}

#: Qualified name of a class -> attributes that its objects fill in on demand.
LAZY_ATTRIBUTES: dict[str, frozenset[str]] = {
    "sympy.polys.domains.algebraicfield.AlgebraicField": frozenset(
        {"_discriminant", "_maximal_order", "_nilradicals_mod_p"}
    )
}

#: Qualified names of types whose rule also covers subclasses: it writes the class itself.
COVERS_SUBCLASSES = frozenset(RULES)
