"""Describes classes.

Everything in the ``__dict__`` of a user class counts, except attributes that follow from the rest,
differ between Python versions, or contain the location of the class:

========================================================  ==========================================
attribute                                                 reason why it does not count
========================================================  ==========================================
``__module__``, ``__qualname__``, ``__firstlineno__``     the location of the class
``__doc__``                                               a docstring, see `read_parts`
``__annotations__``, ``__annotate__`` and similar         annotations, see `read_parts`; they count for
                                                          classes whose methods are generated from them
``__orig_bases__``, ``__parameters__``,                   type parameters; the arguments of generic
``__type_params__``                                       bases count, and bounds, constraints and
                                                          defaults of parameters
``__dict__``, ``__weakref__``, slot descriptors           generated from the bases and ``__slots__``
``__slotnames__``                                         the cache of `copyreg`
``__static_attributes__``                                 follows from the methods
``__classdictcell__``                                     left by the compiler in a named tuple from 3.14 on
``__abstractmethods__``, ``_abc_impl``,                   generated from the methods by `abc` and
``_is_protocol`` and similar                              `typing`
methods that `dataclasses`, attrs, pydantic, `enum`,      generated from the fields and members, which
`collections.namedtuple` and `typing` generate            count instead; differ between versions
========================================================  ==========================================
"""

from __future__ import annotations

import abc
import enum
import sys
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Generic, Protocol

from funes._code.annotation_values import Scope, annotation_value, limits_of
from funes._code.annotations import (
    acts_on_annotations,
    annotations_of,
    docstring_of,
    fixed_annotations,
    fixed_docstring,
    fixed_type_parameters,
    registered_in,
    subclasses_of,
    type_parameters_of,
)
from funes._code.bytecode import same_constant, words_in
from funes._code.class_kinds import KINDS, PARTS_FOR_PEOPLE
from funes._code.methods import function_in, functions_in
from funes._code.node import MISSING, Description, by_name
from funes._code.read_parts import ANNOTATIONS, DOCSTRINGS, SUBCLASSES
from funes._code.references import References
from funes._code.third_party import (
    class_attribute,
    is_library_class,
    is_library_function,
    library_of,
    qualified_name,
)
from funes._code.unordered import body_of, unordered
from funes._funes import count_attributes

NOISE = frozenset(
    (
        "__abstractmethods__",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__callable_proto_members_only__",
        "__classdictcell__",
        "__closed__",
        "__conditional_annotations__",
        "__dict__",
        "__doc__",
        "__extra_items__",
        "__final__",
        "__firstlineno__",
        "__module__",
        "__mutable_keys__",
        "__non_callable_proto_members__",
        "__optional_keys__",
        "__parameters__",
        "__protocol_attrs__",
        "__qualname__",
        "__readonly_keys__",
        "__required_keys__",
        "__signature__",
        "__slotnames__",
        "__slots__",
        "__static_attributes__",
        "__total__",
        "__type_params__",
        "__typing_is_deprecated_inherited_runtime_protocol__",
        "__weakref__",
        "_abc_impl",
        "_is_protocol",
        "_is_runtime_protocol",
    )
)
# The attributes that count in another form. Guards compare them, as all attributes that are not in
# `NOISE`.
_COUNTED_OTHERWISE = ("__dataclass_fields__", "__dataclass_params__", "__orig_bases__")
_SLOTS = (MemberDescriptorType, GetSetDescriptorType)


def describe_class(cls: type, read_parts: int = 0) -> Description:
    """Describes a class: bases, metaclass, attributes, and the fields or members, if there are any.

    Args:
        cls: A user class or a library class.
        read_parts: The parts of other code that code of the graph reads, see `read_parts`.
    """
    if is_library_class(cls):
        return by_name(qualified_name(cls), library_of(cls))
    references = References(class_attribute(cls, "__module__"))
    for position, base in enumerate(cls.__bases__):
        if base is not object:
            references.add(f"base {position}", base)
    if type(cls) is not type and not isinstance(cls, enum.EnumMeta):
        # The metaclass of an enum follows from its bases, and is called EnumType from 3.11 on.
        references.add("metaclass", type(cls))
    if issubclass(type(cls), abc.ABCMeta):
        references.compute("registered", registered_in, cls, (abc.get_cache_token, None, False))
    content: tuple[object, ...] = (_slots(cls),)
    attributes = dict(cls.__dict__)
    count_attributes(cls, attributes)
    for name in (*NOISE, *_COUNTED_OTHERWISE):
        attributes.pop(name, None)
    for describe_kind in KINDS:
        content += describe_kind(cls, attributes, references)
    _add_arguments_of_bases(cls, references)
    _add_limits_of_parameters(cls, references)
    if read_parts:
        _add_what_is_read(cls, references, read_parts)
    if not read_parts & ANNOTATIONS and _is_made_from_annotations(cls, content):
        annotations = annotations_of(cls)
        if annotations:
            references.add("annotations", annotations)
    body = _body_if_written_to(cls, attributes)
    if body is not None:
        content += ("body", *body)
    for name, value in attributes.items():
        if (
            issubclass(type(value), _SLOTS)
            or _is_machinery(name, value)
            or _restates_base(cls, name, value)
        ):
            continue
        if body is not None and name not in body and type(value) in _HAVE_ORDER:
            value = unordered(value)
        references.add(f"attribute {name}", value)
    references.add_inherited_patches(lambda: _names_in_methods(cls))
    return references.description("class", cls.__name__, content)


_HAVE_ORDER = (dict, list, tuple)


def _body_if_written_to(cls: type, attributes: dict[str, Any]) -> tuple[str, ...] | None:
    """Returns the names in the body of a class, if a library may have added lists to the class; else None."""
    lists = {
        name
        for name, value in attributes.items()
        if type(value) in _HAVE_ORDER and value and not _is_machinery(name, value)
    }
    module = sys.modules.get(str(class_attribute(cls, "__module__", "")))
    if not lists or module is None:
        return None
    body = body_of(cls, vars(module), is_written_to=acts_on_annotations(cls))
    return None if body is None or lists <= set(body) else body


def _names_in_methods(cls: type) -> frozenset[str]:
    """Returns the names and string constants in the code of the methods of a class."""
    values = vars(cls).values()
    getters = (value.fget for value in values if type(value) is property)
    functions = (part for value in (*values, *getters) for part in functions_in(value))
    codes = (function.__code__ for function in functions if not is_library_function(function))
    return frozenset(word for code in codes for word in words_in(code))


def _add_limits_of_parameters(cls: type, references: References) -> None:
    """Adds the bounds, constraints and defaults of the type parameters of a generic class."""
    scope = Scope(cls)
    for position, parameter in enumerate(cls.__dict__.get("__parameters__", ())):
        limits = limits_of(parameter, scope)
        if limits:
            references.add(f"limits of type parameter {position}", limits)


def _add_arguments_of_bases(cls: type, references: References) -> None:
    """Adds the arguments of generic bases: ``int`` of ``class IntParser(Parser[int])``."""
    for position, base in enumerate(cls.__dict__.get("__orig_bases__", ())):
        arguments = getattr(base, "__args__", ())
        if arguments and getattr(base, "__origin__", None) not in _DECLARE_PARAMETERS:
            scope = Scope(cls)
            references.add(
                f"arguments of base {position}",
                tuple(annotation_value(argument, scope) for argument in arguments),
            )


_DECLARE_PARAMETERS = (Generic, Protocol)


def _is_made_from_annotations(cls: type, content: tuple[object, ...]) -> bool:
    if "pydantic" in content:  # the fields contain the types
        return "dataclass" in content
    return not _FROM_ANNOTATIONS.isdisjoint(filter(_is_text, content)) or acts_on_annotations(cls)


_FROM_ANNOTATIONS = frozenset(("attrs", "dataclass", "named tuple", "typed dict"))


def _is_text(part: object) -> bool:
    return type(part) is str


def _add_what_is_read(cls: type, references: References, read_parts: int) -> None:
    """Adds the docstring, annotations, name and subclasses of a class, each only if code reads it."""
    if read_parts & DOCSTRINGS:
        references.compute("docstring", docstring_of, cls, *fixed_docstring(cls))
        fields = cls.__dict__.get("__pydantic_fields__")
        for name, field in fields.items() if isinstance(fields, dict) else ():
            for part in PARTS_FOR_PEOPLE:
                if getattr(field, part, None) is not None:
                    references.add(f"field {name} {part}", getattr(field, part))
    if read_parts & ANNOTATIONS:
        references.compute("annotations", annotations_of, cls, *fixed_annotations(cls))
        if type_parameters_of(cls):
            references.compute(
                "type parameters", type_parameters_of, cls, *fixed_type_parameters(cls)
            )
    references.add_names(cls, read_parts)
    if read_parts & SUBCLASSES:
        references.compute("subclasses", subclasses_of, cls)


def _restates_base(cls: type, name: str, value: object) -> bool:
    """Returns true if the first base has the same attribute, so that the attribute changes nothing.

    cloudpickle drops such an attribute.
    """
    inherited = vars(cls.__bases__[0]).get(name, MISSING) if cls.__bases__ else MISSING
    return inherited is value or (type(value) in _CONSTANTS and same_constant(inherited, value))


_CONSTANTS = frozenset((bool, int, float, complex, str, bytes))


def _slots(cls: type) -> tuple[str, ...] | None:
    slots = cls.__dict__.get("__slots__")
    if slots is None:
        return None
    if isinstance(slots, str):
        return (slots,)
    # If ``__slots__`` was an iterator, it is exhausted. Then the slots count only where methods use
    # them.
    names = tuple(map(str, slots))
    # Code reads the order: `for name in self.__slots__`. A library may have made it from a set.
    is_ordered = isinstance(slots, (dict, list, tuple)) and type(cls) in (type, abc.ABCMeta)
    return names if is_ordered else tuple(sorted(names))


def _is_machinery(name: str, value: object) -> bool:
    """Returns true if a library added an attribute to the class for its own use."""
    if name.startswith("__pydantic_"):
        return name != "__pydantic_config__" or value in ({}, None)
    function = function_in(value)
    maker = function.__globals__.get("__name__") if function is not None else None
    return maker in ("typing", "typing_extensions")
