"""Rules for sympy: an expression by what it is made of, which is what it pickles as.

What it found out about itself (its hash, assumptions that were asked for) is no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

Rule = Callable[[Any], object]

#: How objects of a class are taken apart: its name, if that says it; whether its arguments are all there is.
_known: WeakKeyDictionary[type, tuple[str | None, bool]] = WeakKeyDictionary()


def _basic(value: Any) -> object:
    kind = type(value)
    known = _known.get(kind)
    if known is None:
        known = _known[kind] = _name(kind), _is_its_arguments(kind)
    name, is_its_arguments = known
    if is_its_arguments:
        further = _further(value)
        return (name or kind, *value.args, further) if further else (name or kind, *value.args)
    # Symbols, numbers and the like: how to make one, from what, and its state if there is any.
    _, arguments, *rest = value.__reduce_ex__(4)
    further = _further(value)
    rest += [further] if further else []
    return name or kind, [part for part in arguments if part is not kind], *rest


def _further(value: Any) -> dict[str, object]:
    """What an expression does not tell by its arguments, nor by what it pickles as."""
    names = _FURTHER.get(type(value).__qualname__, {})
    return {
        name: part
        for name, usual in names.items()
        if (part := getattr(value, name, usual)) != usual
    }


#: Attributes that some classes keep to themselves, and what they mostly are.
_FURTHER: dict[str, dict[str, object]] = {
    "IndexedBase": {"offset": 0, "strides": None},
    "Quaternion": {"real_field": True},
    "Wild": {"exclude": (), "properties": ()},
    "WildFunction": {"nargs": None},
}


def _name(kind: type) -> str | None:
    """A class of sympy counts by its name anyway; expressions have many objects of few classes."""
    return kind.__qualname__ if (kind.__module__ or "").startswith("sympy.") else None


def _is_its_arguments(kind: type) -> bool:
    from sympy import Basic

    return not hasattr(kind, "__getnewargs_ex__") and all(
        getattr(kind, name, None) is getattr(Basic, name, None)
        for name in ("__getnewargs__", "__getstate__", "__reduce_ex__", "__reduce__")
    )


def _polynomial(value: Any) -> object:
    # Its arguments do not tell whether the coefficients are numbers modulo 5.
    return _name(type(value)) or type(value), value.gens, value.get_domain(), value.terms()


def _matrix(value: Any) -> object:
    return _name(type(value)) or type(value), value.shape, dict(value.todok())


# Rings and fields of polynomials make their tables as they are used, and cannot be pickled while they do.


def _ring(value: Any) -> object:
    return value.symbols, value.domain, value.order


def _ring_element(value: Any) -> object:
    return value.ring, dict(dict.items(value))


def _field_element(value: Any) -> object:
    return value.field, value.numer, value.denom


def _function(value: Any) -> object:
    """A function that is a name only, such as `Function("f")`: a class that is made for it."""
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

#: Qualified name of a class -> attributes that its objects fill in when they are asked for something.
FOUND_OUT: dict[str, frozenset[str]] = {
    "sympy.polys.domains.algebraicfield.AlgebraicField": frozenset(
        {"_discriminant", "_maximal_order", "_nilradicals_mod_p"}
    )
}

#: Qualified names of types whose rule speaks for derived classes as well: it looks at the class itself.
WHOLE = frozenset(RULES)
