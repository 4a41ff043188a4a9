"""Converts annotations and docstrings to values that are equal on every Python version."""

from __future__ import annotations

import ast
import os
import sys
import types
from contextlib import suppress
from types import CellType, FunctionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from funes._code.node import MISSING, Source
from funes._code.third_party import class_attribute, is_a, is_library_class, qualified_name
from funes._code.user_code import is_user_code


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
            *_parameter(parameter),
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
    if module in ("__main__", "__mp_main__"):
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


class Scope:
    """The namespaces in which the names of a string annotation are looked up."""

    def __init__(self, thing: Any) -> None:
        #: The strings and aliases that are being evaluated, since a type may refer to itself.
        self.open: set[str] = set()
        if is_a(thing, types.ModuleType):
            self.globals: dict[str, Any] = vars(thing)
            self.locals: dict[str, Any] = {}
        elif is_a(thing, type):
            module: Any = sys.modules.get(str(class_attribute(thing, "__module__", "")))
            self.globals = getattr(module, "__dict__", None) or {}
            self.locals = dict(thing.__dict__)
        else:
            self.globals = thing.__globals__
            cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=False)
            held = ((name, _content(cell)) for name, cell in cells)
            self.locals = {name: value for name, value in held if value is not MISSING}


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


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


def annotation_value(annotation: Any, scope: Scope) -> object:
    """Converts an annotation to a value. User classes stay as they are; library classes become names.

    A string is evaluated as by `typing.get_type_hints`. The string stays a string if it is no type
    expression, or if a name in it has no value.
    """
    if is_a(annotation, ForwardRef):
        # From 3.14 on the text may have names that stand for values.
        annotation = getattr(annotation, "__resolved_str__", annotation.__forward_arg__)
    if is_a(annotation, str):
        return _evaluated_once(annotation, scope)
    if annotation is None or annotation is type(None):
        return None
    if annotation is ...:
        return "..."
    if is_a(annotation, list):  # the parameters of a `Callable`
        return tuple(annotation_value(part, scope) for part in annotation)
    kind = type(annotation)
    if kind.__name__ == "InitVar":
        return "InitVar", annotation_value(annotation.type, scope)
    if kind.__name__ in _TYPE_PARAMETERS:
        return *_parameter(annotation), *limits_of(annotation, scope)
    if kind.__name__ == "TypeAliasType":
        return "type", annotation.__name__, _evaluated_once(annotation.__name__, scope, annotation)
    if kind.__name__ == "NewType":
        return "NewType", annotation.__name__, annotation_value(annotation.__supertype__, scope)
    origin = get_origin(annotation)
    if origin is None:
        return _without_arguments(annotation)
    if origin is Annotated:
        return (
            "Annotated",
            annotation_value(annotation.__origin__, scope),
            tuple(map(_metadata, annotation.__metadata__)),
        )
    if origin is Literal:
        return "Literal", get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return "Union", tuple(annotation_value(part, scope) for part in get_args(annotation))
    name = getattr(annotation, "_name", None)
    head = annotation_value(origin, scope) if is_a(origin, type) else name or str(origin)
    return head, tuple(annotation_value(part, scope) for part in get_args(annotation))


def _parameter(parameter: Any) -> tuple[str, str]:
    return type(parameter).__name__, parameter.__name__


def limits_of(parameter: Any, scope: Scope) -> tuple[object, ...]:
    """Returns the bound, constraints and default of a type parameter; nothing for one of a library."""
    key = f"parameter {parameter.__name__}"
    if not is_user_code(str(parameter.__module__)) or key in scope.open:
        return ()
    scope.open.add(key)
    found: list[object] = []
    try:
        found += [
            (name, _limit(getattr(parameter, name), scope))
            for name in ("__bound__", "__constraints__")
            if getattr(parameter, name, None)
        ]
        if hasattr(parameter, "has_default") and parameter.has_default():
            found.append(("__default__", _limit(parameter.__default__, scope)))
    except Exception:  # from 3.12 on these are computed lazily by the user's expressions
        found.append("unknown")
    finally:
        scope.open.discard(key)
    return tuple(found)


def _limit(part: Any, scope: Scope) -> object:
    if type(part) is tuple:
        return tuple(annotation_value(each, scope) for each in part)
    return annotation_value(part, scope)


_TYPE_PARAMETERS = frozenset(("TypeVar", "ParamSpec", "TypeVarTuple"))
_LITERAL_TYPES = (bool, int, float, complex, bytes)


def _without_arguments(annotation: Any) -> object:
    """Converts an annotation that is not a string and has no arguments."""
    if is_a(annotation, type):
        return qualified_name(annotation) if is_library_class(annotation) else annotation
    if type(annotation) in _LITERAL_TYPES:
        return annotation
    if is_a(annotation, FunctionType):
        return annotation
    kind = type(annotation)
    if not is_library_class(kind):
        return annotation
    if kind.__module__ in ("typing", "typing_extensions"):
        # `Any`, `Self` and similar forms.
        name = getattr(annotation, "_name", None) or getattr(annotation, "__name__", None)
        return f"typing.{name or kind.__name__}"
    text = repr(annotation)
    return qualified_name(kind), "" if " at 0x" in text else text


def _metadata(value: Any) -> object:
    """Converts an argument of ``Annotated`` after the type."""
    if not is_library_class(type(value)) or type(value).__module__ == "builtins":
        return value
    # Many of these types are written in C and cannot be pickled: their repr counts.
    text = repr(value)
    return value if " at 0x" in text else (qualified_name(type(value)), text)


def _evaluated_once(name: str, scope: Scope, alias: Any = None) -> object:
    """Evaluates a string or an alias; returns its name if it is already being evaluated."""
    if name in scope.open:
        return name
    scope.open.add(name)
    try:
        return (
            _evaluated(name, scope) if alias is None else annotation_value(alias.__value__, scope)
        )
    except NameError:  # the value of an alias is computed lazily
        return name
    finally:
        scope.open.discard(name)


def _evaluated(text: str, scope: Scope) -> object:
    try:
        tree = ast.parse(text.strip(), mode="eval")
        if not all(isinstance(node, _TYPE_SYNTAX) for node in ast.walk(tree)):
            return text
        code = compile(tree, "<annotation>", "eval")
        # The expression calls nothing, see `_TYPE_SYNTAX`, and comes from the user's code.
        found = eval(code, scope.globals, scope.locals)  # noqa: S307
    except Exception:  # the names refer to user objects, which may raise anything
        return text
    if isinstance(found, str):  # a string under `from __future__ import annotations`
        return _evaluated_once(found, scope)
    return annotation_value(found, scope)


# Syntax that is evaluated: an annotation with a call or anything else stays a string.
_TYPE_SYNTAX = (
    ast.Expression,
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Starred,
    ast.BinOp,
    ast.BitOr,
    ast.expr_context,
    ast.UnaryOp,
    ast.USub,
)
