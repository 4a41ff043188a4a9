"""Plain namespaces: objects that only hold values under names. Only the values that code reads count."""

from __future__ import annotations

import sys
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple

from funes._code.node import MISSING
from funes._code.scopes import AttributePath, key_of
from funes._code.third_party import class_attribute, is_a, is_library_class
from funes._funes import counted


class Step(NamedTuple):
    """One step of an attribute path through a plain namespace."""

    #: The dict with the key, or the object or class with the attribute.
    owner: object
    name: str
    value: object
    #: The position of the step after it in the path.
    position: int
    #: The classes that could define a descriptor for the attribute later.
    classes: tuple[type, ...] = ()


def step(value: Any, chain: AttributePath, position: int) -> Step | None:
    """Takes the step at a position of a path from `value`; returns None if `value` counts as a whole.

    A plain namespace is a dict that is read with a literal key, an `argparse.Namespace`, a
    `types.SimpleNamespace`, an instance of a dataclass whose attribute is read, or a class whose
    attributes are all plain values.
    """
    if type(value) is dict:
        return _of_dict(value, chain, position)
    name = chain[position]
    if name[:2] == "__" or key_of(name) is not None:
        return None
    if is_a(value, type):
        return _of_class(value, name, position)
    if type(value) is SimpleNamespace or _is_namespace_of_argparse(value) or _is_dataclass(value):
        attributes = _attributes_of(value)
        if name in attributes and not _is_made(type(value), name):
            found = counted(attributes, name, attributes[name])
            classes = type(value).__mro__[:-1] if _is_dataclass(value) else ()
            return Step(value, name, found, position + 1, classes)
    return None


def _of_dict(value: dict[Any, Any], chain: AttributePath, position: int) -> Step | None:
    rest = chain[position : position + 2]
    if rest[0] == "get" and len(rest) == 2:
        rest, position = rest[1:], position + 1
    key = key_of(rest[0])
    if not isinstance(key, str):
        return None
    return Step(value, key, counted(value, key, value.get(key, MISSING)), position + 1)


def _is_namespace_of_argparse(value: object) -> bool:
    argparse = sys.modules.get("argparse")
    return argparse is not None and type(value) is argparse.Namespace


def _is_dataclass(value: object) -> bool:
    cls = type(value)
    return (
        isinstance(class_attribute(cls, "__dataclass_fields__"), dict)
        and cls.__getattribute__ is object.__getattribute__
    )


def _attributes_of(value: object) -> dict[str, Any]:
    attributes = getattr(value, "__dict__", None)
    return attributes if type(attributes) is dict else {}


def _is_made(cls: type, name: str) -> bool:
    """Returns true if the class of an instance computes an attribute, by a property for example."""
    for base in cls.__mro__:
        if name in vars(base):
            return hasattr(type(vars(base)[name]), "__set__")
    return False


def _of_class(cls: type, name: str, position: int) -> Step | None:
    if type(cls) is not type or cls.__bases__ != (object,) or is_library_class(cls):
        return None
    attributes = dict(vars(cls))
    if name not in attributes or not all(map(_is_value, attributes, attributes.values())):
        return None
    return Step(cls, name, counted(cls, name, attributes[name]), position + 1)


def _is_value(name: str, value: object) -> bool:
    """Returns true if an attribute of a class is a value, or an attribute that every class has."""
    if name in _OF_EVERY_CLASS:
        return True
    if name[:2] == "__" or is_a(value, FunctionType):
        return False
    return is_a(value, type) or not hasattr(type(value), "__get__")


_OF_EVERY_CLASS = frozenset(
    (
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__conditional_annotations__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__qualname__",
        "__static_attributes__",
        "__weakref__",
    )
)
