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
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, Generic, Protocol

from funes._code import source_cache
from funes._code.annotations import (
    Scope,
    acts_on_annotations,
    annotated_names_of,
    annotation_value,
    annotations_of,
    docstring_of,
    fixed_annotations,
    fixed_docstring,
    fixed_type_parameters,
    limits_of,
    registered_in,
    subclasses_of,
    type_parameters_of,
)
from funes._code.bytecode import same_constant, words_in
from funes._code.node import MISSING, Description, by_name
from funes._code.read_parts import ANNOTATIONS, DOCSTRINGS, SUBCLASSES
from funes._code.references import References
from funes._code.source import find_source
from funes._code.third_party import (
    class_attribute,
    is_a,
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


def describe_class(cls: type, reading: int = 0) -> Description:
    """Describes a class: bases, metaclass, attributes, and the fields or members, if there are any.

    Args:
        cls: A user class or a library class.
        reading: The parts of other code that code of the graph reads, see `read_parts`.
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
    for special in _SPECIAL:
        content += special(cls, attributes, references)
    _add_arguments_of_bases(cls, references)
    _add_limits_of_parameters(cls, references)
    if reading:
        _add_what_is_read(cls, references, reading)
    if not reading & ANNOTATIONS and _is_made_from_annotations(cls, content):
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


def _runtime_protocol(cls: type, _: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes a runtime protocol: adds the annotated members, for which `isinstance` looks."""
    if not (cls.__dict__.get("_is_protocol") and class_attribute(cls, "_is_runtime_protocol")):
        return ()
    for position, base in enumerate(cls.__mro__):
        # From 3.12 on `typing` finds the members once, when the class is made.
        found_in = next((name for name in _MEMBERS if name in vars(base)), None)
        if found_in and vars(base).get("_is_protocol") and not is_library_class(base):
            label = f"annotated members of {position}"
            references.compute(label, annotated_names_of, base, (base, found_in, True))
    return ("runtime protocol",)


_MEMBERS = ("__protocol_attrs__", "__annotations__")


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
    functions = (part for value in (*values, *getters) for part in _functions_in(value))
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


def _add_what_is_read(cls: type, references: References, reading: int) -> None:
    """Adds the docstring, annotations, name and subclasses of a class, each only if code reads it."""
    if reading & DOCSTRINGS:
        references.compute("docstring", docstring_of, cls, *fixed_docstring(cls))
        fields = cls.__dict__.get("__pydantic_fields__")
        for name, field in fields.items() if isinstance(fields, dict) else ():
            for part in _PARTS_FOR_PEOPLE:
                if getattr(field, part, None) is not None:
                    references.add(f"field {name} {part}", getattr(field, part))
    if reading & ANNOTATIONS:
        references.compute("annotations", annotations_of, cls, *fixed_annotations(cls))
        if type_parameters_of(cls):
            references.compute(
                "type parameters", type_parameters_of, cls, *fixed_type_parameters(cls)
            )
    references.add_names(cls, reading)
    if reading & SUBCLASSES:
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


def _enum(cls: type, attributes: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes the members of an enumeration in order. `attributes` keeps only what the user wrote."""
    if not isinstance(cls, enum.EnumMeta):
        return ()
    members: dict[str, Any] = dict(cls.__members__)
    remembered = _OF_EVERY_MEMBER + tuple(
        name
        for base in cls.__mro__
        for name, value in vars(base).items()
        if is_a(value, cached_property)
    )
    for name, member in members.items():
        attributes.pop(name, None)
        references.attributes.append((vars(member), remembered))
        for attribute, value in _attributes_of_member(member, remembered).items():
            label = f"member {name}" if attribute == "_value_" else f"member {name}.{attribute}"
            if attribute == "_value_" and type(value) is object:
                references.add(f"{label} is an identity", None)
            else:
                references.add(label, value)
    for name in ("_new_member_", "__new_member__"):  # the latter from 3.11 on, too
        function = attributes.pop(name, None)
        if _is_own_code(function):
            attributes["__new__"] = function
    for name, value in list(attributes.items()):
        if name.startswith("_") and name.endswith("_") and _is_made_by_enum(cls, name, value):
            del attributes[name]
        elif name == "_generate_next_value_" and isinstance(value, staticmethod):  # from 3.13 on
            attributes[name] = value.__func__
    boundary = cls.__dict__.get("_boundary_")  # flags have it, from 3.11 on
    inherited = class_attribute(cls.__bases__[-1], "_boundary_")
    return (
        ("enum", *members) if boundary in (None, inherited) else ("enum", boundary.name, *members)
    )


def _attributes_of_member(member: object, remembered: tuple[str, ...]) -> dict[str, object]:
    """Returns the value of a member and the attributes that were set on it, without cached attributes."""
    attributes: dict[str, object] = dict(vars(member))
    count_attributes(vars(member), attributes)
    return {name: value for name, value in attributes.items() if name not in remembered}


_OF_EVERY_MEMBER = ("__objclass__", "_inverted_", "_name_", "_sort_order_")


def _is_made_by_enum(cls: type, name: str, value: object) -> bool:
    """Returns true if `enum` itself put an attribute with a special name into the class."""
    if _is_own_code(value):
        return False
    function = _function_in(value)
    if not name.startswith("__") or (function and function.__module__ == "enum"):
        return True
    # `enum` copies methods of the data type, such as `int.__format__`, from the base enumerations.
    enums = (base for base in cls.__mro__[1:] if isinstance(base, enum.EnumMeta))
    return any(getattr(base, name, None) == value for base in enums)


def _dataclass(cls: type, attributes: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes a dataclass by its parameters and fields, and drops the generated methods."""
    fields = cls.__dict__.get("__dataclass_fields__")
    if not isinstance(fields, dict):
        return ()
    # Compare the type, since a class that was pickled by value has a copy of this sentinel.
    missing = type(sys.modules["dataclasses"].MISSING)
    parameters = cls.__dict__.get("__dataclass_params__")
    content: list[object] = [
        tuple(
            bool(getattr(parameters, name, False))
            for name in ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
        )
    ]
    for name, field in fields.items():
        kind = getattr(field._field_type, "name", "")
        is_keyword = field.kw_only is True
        content.append((name, kind, field.init, field.repr, field.hash, field.compare, is_keyword))
        for part in ("default", "default_factory"):
            if type(getattr(field, part)) is not missing:
                references.add(f"field {name} {part}", getattr(field, part))
        if field.metadata:
            references.add(f"field {name} metadata", dict(field.metadata))
    positional = (name for name, field in fields.items() if field.init and not field.kw_only)
    content += _match_args(attributes, positional)
    for name, value in list(attributes.items()):
        if _is_made_by_dataclass(_function_in(value)):
            del attributes[name]
    return ("dataclass", *content)


def _is_made_by_dataclass(function: FunctionType | None) -> bool:
    if function is None:
        return False
    if function.__globals__.get("__name__") == "dataclasses":
        return True
    code = function.__code__
    if code.co_filename not in ("<string>", source_cache.CARRIED):
        return False
    if sys.version_info >= (3, 11):
        return code.co_qualname.startswith("__create_fn__.<locals>.")
    # Only the line number shows that `dataclasses` generated the method: its code follows
    # `def __create_fn__(...):`. A user method on the second line of a notebook cell has a source.
    return code.co_firstlineno == 2 and (
        code.co_filename == "<string>" or find_source(function) is None
    )


def _attrs(cls: type, attributes: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes an attrs class by its fields, and drops the generated methods."""
    fields = cls.__dict__.get("__attrs_attrs__")
    if not isinstance(fields, tuple):
        return ()
    content: list[object] = []
    for field in fields:
        flags = tuple(
            flag
            if isinstance(flag := getattr(field, name, None), (bool, str, type(None)))
            else "given"
            for name in ("init", "repr", "eq", "order", "hash", "kw_only", "alias")
        )
        content.append((field.name, flags))
        if callable(getattr(field, "repr", None)):
            references.add(f"field {field.name} repr", field.repr)
        if getattr(field, "type", None) is not None:
            references.add(f"field {field.name} type", annotation_value(field.type, Scope(cls)))
        default = field.default
        if type(default).__name__ == "Factory":
            references.add(f"field {field.name} factory", default.factory)
            references.add(f"field {field.name} takes_self", default.takes_self)
        elif getattr(default, "name", "") != "NOTHING":
            references.add(f"field {field.name} default", default)
        for part in ("validator", "converter", "on_setattr", "eq_key", "order_key"):
            if getattr(field, part, None) is not None:
                references.add(f"field {field.name} {part}", getattr(field, part))
        if field.metadata:
            references.add(f"field {field.name} metadata", dict(field.metadata))
    positional = (field.name for field in fields if field.init and not field.kw_only)
    content += _match_args(attributes, positional)
    made: list[str] = []
    for name, value in list(attributes.items()):
        function = _function_in(value)
        is_made = function is not None and (
            function.__code__.co_filename.startswith("<attrs generated")
            or _is_carried_from_attrs(function)
            or str(function.__globals__.get("__name__", "")).partition(".")[0] == "attr"
        )
        if function is not None and is_made:
            if name not in _OF_NEWER_ATTRS:
                made.append(name)
            if name == "__setattr__":
                _add_hooks(function, references)
        if is_made or (name.startswith("__attrs_") and name not in _RUN_BY_ATTRS):
            del attributes[name]
    return ("attrs", *content, "made", *sorted(made))


# The user-defined methods that attrs calls.
_RUN_BY_ATTRS = frozenset(("__attrs_init_subclass__", "__attrs_post_init__", "__attrs_pre_init__"))

# Methods that only newer versions of attrs generate.
_OF_NEWER_ATTRS = frozenset(("__replace__",))


def _add_hooks(set_attribute: FunctionType, references: References) -> None:
    """Adds the hooks that attrs runs when a field is set. Only the generated `__setattr__` refers to them."""
    closure = zip(set_attribute.__code__.co_freevars, set_attribute.__closure__ or (), strict=False)
    for name, cell in closure:
        if name == "sa_attrs":
            for field, (_, hook) in cell.cell_contents.items():
                references.add(f"field {field} is set by", hook)


def _is_carried_from_attrs(function: FunctionType) -> bool:
    """Returns true if attrs generated a method that came in a pickle of cloudpickle, without its file name.

    attrs compiles such a method outside of a class, and the method has no source. A user's method has
    a source.
    """
    code: Any = function.__code__
    if code.co_filename != source_cache.CARRIED or code.co_name not in _MADE_BY_ATTRS:
        return False
    is_alone = (
        code.co_qualname == code.co_name
        if sys.version_info >= (3, 11)
        else code.co_firstlineno == 1
    )
    return is_alone and find_source(function) is None


_MADE_BY_ATTRS = frozenset(
    ("__attrs_init__", "__eq__", "__getattr__", "__hash__", "__init__", "__repr__", "__setattr__")
)


def _named_tuple(
    cls: type, attributes: dict[str, Any], references: References
) -> tuple[object, ...]:
    """Describes a named tuple by its fields and defaults, and drops the generated methods."""
    fields = cls.__dict__.get("_fields")
    if not (issubclass(cls, tuple) and isinstance(fields, tuple) and "_make" in cls.__dict__):
        return ()
    references.add("field defaults", dict(cls.__dict__.get("_field_defaults", {})))
    content = ("named tuple", *fields, *_match_args(attributes, fields))
    for name in ("_fields", "_field_defaults", "_fields_defaults", *fields):
        attributes.pop(name, None)
    for name, value in list(attributes.items()):
        function = _function_in(value)
        maker = str(function.__globals__.get("__name__", "")) if function is not None else ""
        if maker == "collections" or maker.startswith("namedtuple_"):
            del attributes[name]
    return content


def _typed_dict(cls: type, _: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes a typed dict by its required, read-only and extra keys."""
    if type(cls).__name__ != "_TypedDictMeta":
        return ()
    extra = cls.__dict__.get("__extra_items__")
    if extra is not None and "NoExtraItems" not in (type(extra).__name__, str(extra)):
        references.add("extra items", annotation_value(extra, Scope(cls)))
    keys = (cls.__dict__.get(name) for name in ("__required_keys__", "__readonly_keys__"))
    return (
        "typed dict",
        *(tuple(sorted(part or ())) for part in keys),
        bool(cls.__dict__.get("__closed__")),
    )


def _msgspec(cls: type, _: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes a msgspec struct by its options, fields and defaults; the types are annotations."""
    config = class_attribute(cls, "__struct_config__")
    if type(config).__module__.partition(".")[0] != "msgspec":
        return ()
    names: tuple[str, ...] = cls.__struct_fields__  # type: ignore[attr-defined]
    encoded: tuple[str, ...] = cls.__struct_encode_fields__  # type: ignore[attr-defined]
    defaults: tuple[Any, ...] = cls.__struct_defaults__  # type: ignore[attr-defined]
    required = names[: len(names) - len(defaults)]
    for name, default in zip(names[len(required) :], defaults, strict=True):
        factory = getattr(default, "factory", None)
        if type(default).__module__ == "msgspec._core" and factory is not None:
            references.add(f"field {name} default_factory", factory)
        elif type(default).__name__ not in ("NoDefaultType", "UnsetType"):
            references.add(f"field {name} default", default)
    options = tuple((name, getattr(config, name, None)) for name in _OPTIONS_OF_STRUCT)
    positional: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]
    return (
        "msgspec",
        options,
        tuple(zip(names, encoded, strict=True)),
        len(required),
        positional,
    )


_OPTIONS_OF_STRUCT = (
    "array_like",
    "cache_hash",
    "dict",
    "eq",
    "forbid_unknown_fields",
    "frozen",
    "gc",
    "omit_defaults",
    "order",
    "repr_omit_defaults",
    "tag",
    "tag_field",
    "weakref",
)


def _pydantic(cls: type, attributes: dict[str, Any], references: References) -> tuple[object, ...]:
    """Describes a pydantic model by its fields with their types, and by its decorators."""
    if not isinstance(cls.__dict__.get("__pydantic_fields__"), dict):
        return ()
    if not cls.__dict__.get("__pydantic_complete__", True):
        # pydantic resolves forward references at the first use of the model, which changes the
        # fields.
        with suppress(Exception):
            cls.model_rebuild(raise_errors=False)  # type: ignore[attr-defined]
    fields: dict[str, Any] = cls.__dict__["__pydantic_fields__"]
    for name, private in attributes.pop("__private_attributes__", {}).items():
        # Add the default and not the attribute object, which records its first use.
        references.add(f"field {name} default", private.default)
        references.add(f"field {name} default_factory", private.default_factory)
    for name, field in fields.items():
        for part in _PARTS_OF_PYDANTIC_FIELD:
            value = getattr(field, part, None)
            is_given = value is not None or (part == "default" and field.default_factory is None)
            if is_given and type(value).__name__ != "PydanticUndefinedType":
                references.add(f"field {name} {part}", value)
    return ("pydantic", *fields, *_decorators(cls, references))


def _decorators(cls: type, references: References) -> Iterator[object]:
    """Yields the validators, serializers and computed fields of a model, and adds their parameters."""
    decorators = cls.__dict__.get("__pydantic_decorators__")
    for kind in _KINDS_OF_DECORATORS:
        found = getattr(decorators, kind, None) or {}
        if found:
            yield (kind, *found)
        for name, decorator in found.items():
            information = decorator.info
            for part in getattr(type(information), "__dataclass_fields__", ()):
                value = getattr(information, part, None)
                if (
                    part not in _PARTS_FOR_PEOPLE
                    and part != "wrapped_property"  # which counts as an attribute of the class
                    and type(value).__name__ != "PydanticUndefinedType"
                ):
                    references.add(f"{kind} {name} {part}", value)


_KINDS_OF_DECORATORS = (
    "validators",
    "field_validators",
    "root_validators",
    "field_serializers",
    "model_serializers",
    "model_validators",
    "computed_fields",
)
_PARTS_FOR_PEOPLE = (
    "deprecated",
    "description",
    "examples",
    "field_title_generator",
    "json_schema_extra",
    "title",
)


# The parts of a field that count. Title, description, examples and similar parts only document it.
_PARTS_OF_PYDANTIC_FIELD = (
    "alias",
    "annotation",
    "default",
    "default_factory",
    "discriminator",
    "exclude",
    "exclude_if",
    "frozen",
    "init",
    "kw_only",
    "metadata",
    "repr",
    "serialization_alias",
    "validate_default",
    "validation_alias",
)


_SPECIAL = (
    _enum,
    _dataclass,
    _attrs,
    _named_tuple,
    _typed_dict,
    _msgspec,
    _pydantic,
    _runtime_protocol,
)


def _match_args(attributes: dict[str, Any], made: Iterable[str]) -> tuple[object, ...]:
    """Drops ``__match_args__`` if it was generated from the fields. Returns a mark if it is missing."""
    if attributes.get("__match_args__") == tuple(made):
        del attributes["__match_args__"]
        return ()
    return () if "__match_args__" in attributes else ("no match args",)


def _is_machinery(name: str, value: object) -> bool:
    """Returns true if a library added an attribute to the class for its own use."""
    if name.startswith("__pydantic_"):
        return name != "__pydantic_config__" or value in ({}, None)
    function = _function_in(value)
    maker = function.__globals__.get("__name__") if function is not None else None
    return maker in ("typing", "typing_extensions")


def _is_own_code(value: object) -> bool:
    return any(not is_library_function(function) for function in _functions_in(value))


def _function_in(value: object) -> FunctionType | None:
    """Returns the innermost function that an attribute of a class wraps; None if the attribute is no method."""
    return next(reversed(list(_functions_in(value))), None)


def _functions_in(value: object) -> Iterator[FunctionType]:
    """Yields a function and the functions that it wraps, from the outside in."""
    seen: set[int] = set()
    while id(value) not in seen:
        seen.add(id(value))
        if is_a(value, staticmethod) or is_a(value, classmethod):
            value = value.__func__
        if not is_a(value, FunctionType):
            return
        yield value
        value = value.__dict__.get("__wrapped__")
