"""Converts annotations to values that are equal on every Python version."""

from __future__ import annotations

import ast
import sys
import types
from types import CellType, FunctionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from funes._code.node import MISSING
from funes._code.third_party import class_attribute, is_a, is_library_class, qualified_name
from funes._code.user_code import is_user_code


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
        return *parameter_kind(annotation), *limits_of(annotation, scope)
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


def parameter_kind(parameter: Any) -> tuple[str, str]:
    """Returns the kind and the name of a type parameter."""
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
