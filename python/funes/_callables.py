"""What the other things that are code consist of: methods, partials, properties, wrappers, built-in functions."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from ._description import Description, by_name
from ._library import is_library_class, library_of, named_in_library, qualified_name
from ._links import Links

__all__ = ["DESCRIBERS", "describe_wrapper", "is_named", "is_wrapper"]


def _parts(kind: str, name: str, parts: dict[str, object]) -> Description:
    links = Links()
    for label, part in parts.items():
        links.add(label, part)
    return Description(kind, name, None, links.links, [], frozenset(links.modules))


def _built_in(function: types.BuiltinFunctionType) -> Description:
    """A function in C: by name, and if it is a method of something, with that."""
    owner = function.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return _named(function)
    return _method(function)


def _method(method: Any) -> Description:
    """A method of an object or class, with that; but by name if it is how a library offers a function.

    `random.random` is a method of a generator that the library keeps: its state is no part of what the name means.
    """
    name = named_in_library(method, type(method.__self__).__module__)
    if name:
        return _named(method)
    return _parts(
        "method",
        method.__name__,
        {"self": method.__self__, "function": getattr(method, "__func__", None)},
    )


def _named(thing: object) -> Description:
    owner = getattr(thing, "__self__", None)
    name = named_in_library(thing, type(owner).__module__) or qualified_name(thing)
    return by_name(name, library_of(thing))


def _of_class(descriptor: Any) -> Description:
    """A method or attribute in C, as it stands in its class."""
    return by_name(f"{qualified_name(descriptor.__objclass__)}.{descriptor.__name__}")


def _partial(call: functools.partial[Any]) -> Description:
    return _parts(
        "partial", "partial", {"function": call.func, "args": call.args, "keywords": call.keywords}
    )


def _partial_method(call: functools.partialmethod[Any]) -> Description:
    parts = {"function": call.func, "args": call.args, "keywords": call.keywords}
    return _parts("partial", "partialmethod", parts)


def _wrapped(kind: str) -> Callable[[Any], Description]:
    return lambda wrapper: _parts(kind, kind, {"function": wrapper.__func__})


def _property(prop: property) -> Description:
    parts = {"get": prop.fget, "set": prop.fset, "delete": prop.fdel}
    return _parts(
        "property", "property", {label: part for label, part in parts.items() if part is not None}
    )


def _cached_property(prop: functools.cached_property[Any]) -> Description:
    return _parts("property", "cached_property", {"get": prop.func})


def _dispatch_method(method: functools.singledispatchmethod[Any]) -> Description:
    return _parts("wrapper", "functools.singledispatchmethod", {"function": method.dispatcher})


DESCRIBERS: dict[type, Callable[[Any], Description]] = {
    types.BuiltinFunctionType: _built_in,
    types.MethodType: _method,
    types.MethodWrapperType: _method,
    types.MethodDescriptorType: _of_class,
    types.WrapperDescriptorType: _of_class,
    types.ClassMethodDescriptorType: _of_class,
    types.GetSetDescriptorType: _of_class,
    types.MemberDescriptorType: _of_class,
    functools.partial: _partial,
    functools.partialmethod: _partial_method,
    functools.cached_property: _cached_property,
    functools.singledispatchmethod: _dispatch_method,
    staticmethod: _wrapped("staticmethod"),
    classmethod: _wrapped("classmethod"),
    property: _property,
}
"""How to describe what is exactly of these types."""


def is_wrapper(thing: object) -> bool:
    """Whether a thing is a library's wrapper around something, such as what `functools.lru_cache` returns."""
    return is_library_class(type(thing)) and getattr(thing, "__wrapped__", None) is not None


def describe_wrapper(wrapper: Any) -> Description:
    """A library's wrapper: its type by name, and what it wraps."""
    return _parts("wrapper", qualified_name(type(wrapper)), {"wrapped": wrapper.__wrapped__})


def is_named(thing: object) -> bool:
    """Whether a thing is a library's function in all but its type: it stands in its module under its own name."""
    return callable(thing) and is_library_class(type(thing)) and bool(named_in_library(thing))
