"""Describes classes with generated attributes: enumerations, dataclasses, named tuples, typed dicts and models."""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from types import FunctionType
from typing import Any

from funes._code import source_cache
from funes._code.annotation_values import Scope, annotation_value
from funes._code.annotations import annotated_names_of
from funes._code.methods import function_in, is_own_code
from funes._code.references import References
from funes._code.source import find_source
from funes._code.third_party import class_attribute, is_a, is_library_class
from funes._funes import count_attributes


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
        references.watch_attributes(vars(member), remembered)
        for attribute, value in _attributes_of_member(member, remembered).items():
            label = f"member {name}" if attribute == "_value_" else f"member {name}.{attribute}"
            if attribute == "_value_" and type(value) is object:
                references.add(f"{label} is an identity", None)
            else:
                references.add(label, value)
    for name in ("_new_member_", "__new_member__"):  # the latter from 3.11 on, too
        function = attributes.pop(name, None)
        if is_own_code(function):
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
    if is_own_code(value):
        return False
    function = function_in(value)
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
    defaults = {
        name: field.default
        for name, field in fields.items()
        if field.init and getattr(field._field_type, "name", "") != "_FIELD_CLASSVAR"
    }
    for name, value in list(attributes.items()):
        function = function_in(value)
        if function is not None and _is_made_by_dataclass(function):
            _add_set_defaults(function, defaults if name == "__init__" else {}, references)
            del attributes[name]
    return ("dataclass", *content)


def _add_set_defaults(
    generated: FunctionType, expected: dict[str, Any], references: References
) -> None:
    """Adds defaults that the user set on a generated method: those that differ from the fields'.

    `Point.__new__.__defaults__ = (0, 0)` is how named tuples got defaults before Python 3.7.
    """
    code, defaults = generated.__code__, generated.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    found = {
        **dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True)),
        **(generated.__kwdefaults__ or {}),
    }
    for name in sorted(found.keys() | expected.keys()):
        default = found.get(name, _NO_DEFAULT)
        is_set = not _is_same_default(default, expected.get(name, _NO_DEFAULT))
        if is_set and default is _NO_DEFAULT:
            references.add(f"{generated.__name__} has no default of {name}", None)
        elif is_set:
            references.add(f"{generated.__name__} default of {name}", default)


_NO_DEFAULT = inspect.Parameter.empty


def _is_same_default(found: object, expected: object) -> bool:
    if found is expected:
        return True
    if _is_mark(found) and _is_mark(expected):
        return True
    with suppress(Exception):
        return type(found) is type(expected) and bool(found == expected)
    return False


def _is_mark(default: object) -> bool:
    """Returns whether a library marks by this value that there is no default, or that a factory makes it."""
    kind = type(default).__name__
    if kind == "sentinel":  # `dataclasses.MISSING` from Python 3.15 on
        return getattr(default, "__module__", None) == "dataclasses"
    return default is _NO_DEFAULT or kind in _MARKS_OF_DEFAULTS


_MARKS_OF_DEFAULTS = frozenset(
    ("Factory", "_HAS_DEFAULT_FACTORY_CLASS", "_MISSING_TYPE", "_Nothing")
)


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
    defaults = {
        getattr(field, "alias", None) or field.name.lstrip("_"): field.default
        for field in fields
        if field.init
    }
    made: list[str] = []
    for name, value in list(attributes.items()):
        function = function_in(value)
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
            _add_set_defaults(
                function, defaults if name in _INITIALIZERS_OF_ATTRS else {}, references
            )
        if is_made or (name.startswith("__attrs_") and name not in _RUN_BY_ATTRS):
            del attributes[name]
    return ("attrs", *content, "made", *sorted(made))


# The user-defined methods that attrs calls.
_RUN_BY_ATTRS = frozenset(("__attrs_init_subclass__", "__attrs_post_init__", "__attrs_pre_init__"))

_INITIALIZERS_OF_ATTRS = ("__init__", "__attrs_init__")

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
    defaults: dict[str, Any] = dict(cls.__dict__.get("_field_defaults", {}))
    references.add("field defaults", defaults)
    content = ("named tuple", *fields, *_match_args(attributes, fields))
    for name in ("_fields", "_field_defaults", "_fields_defaults", *fields):
        attributes.pop(name, None)
    for name, value in list(attributes.items()):
        function = function_in(value)
        maker = str(function.__globals__.get("__name__", "")) if function is not None else ""
        if maker == "collections" or maker.startswith("namedtuple_"):
            if function is not None and name == "__new__":
                _add_set_defaults(function, defaults, references)
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
                    part not in PARTS_FOR_PEOPLE
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
PARTS_FOR_PEOPLE = (
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


def _match_args(attributes: dict[str, Any], made: Iterable[str]) -> tuple[object, ...]:
    """Drops ``__match_args__`` if it was generated from the fields. Returns a mark if it is missing."""
    if attributes.get("__match_args__") == tuple(made):
        del attributes["__match_args__"]
        return ()
    return () if "__match_args__" in attributes else ("no match args",)


#: Each describes one kind of class, and returns an empty tuple for a class of another kind. It takes a class, its
#: attributes and its references. It removes the attributes that it has described and adds references.
KINDS = (
    _enum,
    _dataclass,
    _attrs,
    _named_tuple,
    _typed_dict,
    _msgspec,
    _pydantic,
    _runtime_protocol,
)
