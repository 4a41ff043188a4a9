"""Describes methods, partials, properties, C functions and other callables."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from funes._code.descriptors import DESCRIPTORS, parts_of
from funes._code.node import Description, by_name
from funes._code.references import References
from funes._code.third_party import (
    is_library_class,
    library_of,
    named_in_library,
    qualified_name,
)


def _made_of(
    kind: str, name: str, parts: dict[str, object], references: References | None = None
) -> Description:
    references = References() if references is None else references
    for label, part in parts.items():
        references.add(label, part)
    return references.description(kind, name, None)


def _in_c(function: types.BuiltinFunctionType) -> Description:
    """Describes a C function by its name, and a bound method of a C type by its name and its object."""
    owner = function.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return _named(function)
    return describe_method(function)


def describe_method(method: Any) -> Description:
    """Describes a bound method with its object, or by its name if a library exports it as a function.

    `random.random` is a method of a generator that the library keeps. The state of that generator
    does not count.
    """
    if named_in_library(method, type(method.__self__).__module__):
        return _named(method)
    function = getattr(method, "__func__", None)
    return _made_of("method", method.__name__, {"self": method.__self__, "function": function})


def _named(thing: object) -> Description:
    owner = getattr(thing, "__self__", None)
    name = named_in_library(thing, type(owner).__module__) or qualified_name(thing)
    return by_name(name, library_of(thing))


def _of_class(descriptor: Any) -> Description:
    """Describes an unbound method or attribute of a C type by its class and name."""
    return by_name(f"{qualified_name(descriptor.__objclass__)}.{descriptor.__name__}")


def _partial(call: Any) -> Description:
    kind = type(call).__name__
    parts = {"function": call.func, "args": call.args, "keywords": call.keywords}
    references = References()
    # The last two follow from the arguments, in a partial method from 3.14 on.
    references.add_attributes(call, "func", "args", "keywords", "_phcount", "_merger")
    return _made_of("partial", kind, parts, references)


def _dispatch_method(method: functools.singledispatchmethod[Any]) -> Description:
    return _made_of("wrapper", "functools.singledispatchmethod", {"function": method.dispatcher})


def _descriptor(descriptor: object) -> Description:
    return _made_of("descriptor", type(descriptor).__name__, parts_of(descriptor))


def is_named(thing: object) -> bool:
    """Returns true for an object that a library exports as a function, such as a numpy ufunc.

    The type of such an object is a library class, and the object's module has it under its own name.
    """
    return callable(thing) and is_library_class(type(thing)) and bool(named_in_library(thing))


DESCRIBERS: dict[type, Callable[[Any], Description]] = {
    types.BuiltinFunctionType: _in_c,
    types.MethodType: describe_method,
    types.MethodWrapperType: describe_method,
    types.MethodDescriptorType: _of_class,
    types.WrapperDescriptorType: _of_class,
    types.ClassMethodDescriptorType: _of_class,
    types.GetSetDescriptorType: _of_class,
    types.MemberDescriptorType: _of_class,
    functools.partial: _partial,
    functools.partialmethod: _partial,
    functools.singledispatchmethod: _dispatch_method,
    **dict.fromkeys(DESCRIPTORS, _descriptor),
}
"""Maps each type to the function that describes its instances, not those of its subclasses."""
