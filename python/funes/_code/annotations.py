"""Reads the parts of user code that count only if other code reads them: annotations, docstrings, names ..."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from funes._code.annotation_values import Scope, annotation_value, parameter_kind
from funes._code.node import MISSING, Source
from funes._code.third_party import class_attribute, is_a, is_library_class
from funes._entries.main_module import MAINS


def annotations_of(thing: Any) -> tuple[object, ...]:
    """Returns the annotations of a function, class or module. Annotations of base classes are left out."""
    scope = Scope(thing)
    return tuple(
        (name, annotation_value(annotation, scope))
        for name, annotation in _annotations(thing).items()
    )


def annotated_names_of(cls: type) -> tuple[str, ...]:
    """Returns the names that a class annotates, in no order."""
    return tuple(sorted(_annotations(cls)))


def fixed_annotations(thing: Any) -> tuple[Source, ...]:
    """Returns the attributes that determine all annotations of a function or class.

    Returns nothing if the annotations depend on more than attributes: a string depends on the names
    in it as well.
    """
    if is_a(thing, type):
        held = vars(thing)
        found = [held[name] for name in _OF_ANNOTATIONS if name in held]
        return tuple((thing, name, True) for name in _OF_ANNOTATIONS) * all(map(_is_fixed, found))
    try:
        annotations = thing.__annotations__
    except Exception:  # the expressions are the user's and may raise anything
        return ()
    return ((thing, "__annotations__", False),) * _is_fixed(annotations)


def _is_fixed(annotations: object) -> bool:
    return type(annotations) is dict and all(is_a(part, type) for part in annotations.values())


# The attributes in which a class may have its annotations, depending on the Python version. Reading
# the annotations of a class creates some of these attributes.
_OF_ANNOTATIONS = ("__annotations__",)
if sys.version_info >= (3, 14):
    _OF_ANNOTATIONS += (
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
    )


def type_parameters_of(thing: Any) -> tuple[object, ...]:
    """Returns the type parameters of a function or class with their bounds, constraints and defaults."""
    scope = Scope(thing)
    held = vars(thing) if is_a(thing, type) else {}
    parameters: Any = held.get("__parameters__") or getattr(thing, "__type_params__", ())
    return tuple(
        (
            *parameter_kind(parameter),
            tuple(
                (name, annotation_value(part, scope))
                for name, part in parts_of_type_variable(parameter).items()
            ),
        )
        for parameter in parameters
    )


def fixed_type_parameters(thing: Any) -> tuple[Source, ...]:
    """Returns the attributes that determine the type parameters of a function or class."""
    if is_a(thing, type):
        return (thing, "__parameters__", True), (thing, "__type_params__", True)
    return ((thing, "__type_params__", False),) if hasattr(thing, "__type_params__") else ()


def parts_of_type_variable(variable: Any) -> dict[str, object]:
    """Returns bound, constraints and similar parts of a type variable; those that are not empty.

    A part that cannot be evaluated, because a name in it does not exist, is described by that name.
    """
    parts = {name: _part_of_type_variable(variable, name) for name in _OF_TYPE_VARIABLES}
    return {name: part for name, part in parts.items() if part is not None and part != ()}


_OF_TYPE_VARIABLES = ("__bound__", "__constraints__", "__default__")


def _part_of_type_variable(variable: Any, name: str) -> object:
    # Without a default, `__default__` is a sentinel, or missing in older versions.
    if name == "__default__" and not (hasattr(variable, "has_default") and variable.has_default()):
        return None
    try:
        return getattr(variable, name, None)
    except (
        Exception
    ) as error:  # the expression is the user's, evaluated here, and may raise anything
        return f"{type(error).__name__}: {getattr(error, 'name', None)}"


def hints_of(cls: type) -> tuple[object, ...]:
    """Returns the annotations of a class and of its user-defined bases."""
    return tuple(filter(None, map(annotations_of, _user_classes(cls))))


def docstrings_of(cls: type) -> tuple[object, ...]:
    """Returns the docstrings of a class and of its user-defined bases."""
    return tuple(filter(None, map(docstring_of, _user_classes(cls))))


def fixed_docstring(thing: Any) -> tuple[Source, ...]:
    """Returns the attribute that determines the docstring of a function or class."""
    return ((thing, "__doc__", is_a(thing, type)),)


def fixed_hints(cls: type) -> tuple[Source, ...]:
    """Returns the attributes that determine `hints_of`; nothing if it depends on more than attributes."""
    sources = list(map(fixed_annotations, _user_classes(cls)))
    return sum(sources, ()) if all(sources) else ()


def fixed_docstrings(cls: type) -> tuple[Source, ...]:
    """Returns the attributes that determine `docstrings_of`."""
    return sum(map(fixed_docstring, _user_classes(cls)), ())


def name_of(thing: Any) -> str:
    """Returns the current name of a function or class."""
    name: str = thing.__name__
    return name


def location_of(thing: Any) -> tuple[str, str]:
    """Returns the module and qualified name of a function or class, as if its script were imported."""
    module = str(thing.__module__)
    if module in MAINS:
        main = sys.modules.get(module)
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        stem = os.path.splitext(os.path.basename(str(file or module)))[0]
        module = stem if spec is None else str(spec.name)
    return module, str(thing.__qualname__)


def subclasses_of(cls: type) -> tuple[type, ...]:
    """Returns the direct subclasses of a class."""
    return tuple(type.__subclasses__(cls))


def registered_in(cls: type) -> frozenset[type]:
    """Returns the classes that were registered in an abstract base class, or in a subclass of that class."""
    from _abc import _get_dump  # type: ignore[import-not-found]  # `abc` only prints them

    found: set[type] = set()
    pending, seen = [cls], {cls}
    while pending:
        base = pending.pop()
        with suppress(TypeError):  # the metaclass of the class does not call that of `abc`
            found.update(filter(None, (reference() for reference in _get_dump(base)[0])))
        derived: set[type] = set(type.__subclasses__(base)) - seen
        seen |= derived
        pending += derived
    return frozenset(found)


def _user_classes(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if not is_library_class(base)]


def docstring_of(thing: Any) -> str | None:
    """Returns the docstring of a function or class. A docstring that a class inherits is left out."""
    text = thing.__dict__.get("__doc__") if is_a(thing, type) else thing.__doc__
    if not isinstance(text, str) or (is_a(thing, type) and _is_generated(text, thing)):
        return None
    # From 3.13 on the compiler removes the indentation.
    return cleandoc(text)


def _is_generated(text: str, cls: type) -> bool:
    """Returns true for a generated docstring: of a dataclass, a named tuple, or an enumeration before 3.11."""
    has_fields = _has(cls, "__dataclass_fields__") or _has(cls, "_fields")
    return (has_fields and text.startswith(f"{cls.__name__}(")) or (
        text == "An enumeration." and _has(cls, "__members__")
    )


def _has(cls: type, name: str) -> bool:
    return class_attribute(cls, name, MISSING) is not MISSING


def cleandoc(text: str) -> str:
    """Returns a docstring without its indentation."""
    import inspect

    return inspect.cleandoc(text)


def acts_on_annotations(cls: type) -> bool:
    """Returns true if a third-party base class or metaclass may act on the annotations of a user class.

    Classes of the standard library do not, except typed dicts and named tuples, which `classes`
    handles.
    """
    return any(
        is_library_class(base)
        and base.__module__.partition(".")[0] not in _STANDARD
        and "typing_extensions" not in base.__module__
        for base in (*cls.__mro__[1:], type(cls))
    )


_STANDARD = sys.stdlib_module_names


def _annotations(thing: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        try:
            found = annotationlib.get_annotations(thing, format=annotationlib.Format.FORWARDREF)
        except Exception:  # the expressions are the user's and may raise anything
            found = annotationlib.get_annotations(thing, format=annotationlib.Format.STRING)
        return dict(found)
    import inspect

    return inspect.get_annotations(thing)
