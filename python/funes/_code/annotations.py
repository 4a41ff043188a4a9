"""Annotations of functions and classes as values that are the same on every Python version."""

from __future__ import annotations

import ast
import os
import sys
import types
from types import CellType, FunctionType
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from funes._code.node import MISSING
from funes._code.third_party import is_a, is_library_class, qualified_name


def annotations_of(thing: Any) -> tuple[object, ...]:
    """The annotations of a function, or of a class without those of its bases."""
    scope = Scope(thing)
    return tuple(
        (name, said(annotation, scope)) for name, annotation in _annotations(thing).items()
    )


def fixed_annotations(thing: Any) -> tuple[str, ...]:
    """The attribute from which all annotations of a function or class follow, if there is one.

    That of a class that has no annotations would be made by looking at it. What a text says follows from other names.
    """
    if is_a(thing, type) and "__annotations__" not in vars(thing):
        return ()
    try:
        annotations = thing.__annotations__
    except Exception:  # the expressions are the user's and may raise anything
        return ()
    is_fixed = type(annotations) is dict and all(is_a(part, type) for part in annotations.values())
    return ("__annotations__",) if is_fixed else ()


def hints_of(cls: type) -> tuple[object, ...]:
    """The annotations of a class and of those of its bases that are the user's."""
    return tuple(filter(None, map(annotations_of, _own(cls))))


def docstrings_of(cls: type) -> tuple[object, ...]:
    """The docstrings of a class and of those of its bases that are the user's."""
    return tuple(filter(None, map(docstring_of, _own(cls))))


def name_of(thing: Any) -> str:
    """The name that a function or class has now."""
    name: str = thing.__name__
    return name


def place_of(thing: Any) -> tuple[str, str]:
    """Where a function or class says that it stands; a program that is run says the same as if it were imported."""
    module = str(thing.__module__)
    if module in ("__main__", "__mp_main__"):
        main = sys.modules.get(module)
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        stem = os.path.splitext(os.path.basename(str(file or module)))[0]
        module = stem if spec is None else str(spec.name)
    return module, str(thing.__qualname__)


def subclasses_of(cls: type) -> tuple[type, ...]:
    """The classes that are derived from a class directly."""
    return tuple(type.__subclasses__(cls))


def _own(cls: type) -> list[type]:
    return [base for base in cls.__mro__ if not is_library_class(base)]


def docstring_of(thing: Any) -> str | None:
    """The docstring of a function, or of a class without that of its bases."""
    text = thing.__dict__.get("__doc__") if is_a(thing, type) else thing.__doc__
    if not isinstance(text, str) or (is_a(thing, type) and _is_made(text, thing)):
        return None
    # From 3.13 on the compiler takes the margin away.
    return cleandoc(text)


def _is_made(text: str, cls: type) -> bool:
    """Whether a docstring was made for the class: from its fields, or for all enumerations before 3.11."""
    has_fields = hasattr(cls, "__dataclass_fields__") or hasattr(cls, "_fields")
    return (has_fields and text.startswith(f"{cls.__name__}(")) or (
        text == "An enumeration." and hasattr(cls, "__members__")
    )


def cleandoc(text: str) -> str:
    """A docstring without its margin."""
    import inspect

    return inspect.cleandoc(text)


def acts_on_annotations(cls: type) -> bool:
    """Whether a library's base class or metaclass may act on the annotations of a class of the user's.

    Those of the standard library do not, but for typed dicts and named tuples.
    """
    return any(
        is_library_class(base)
        and base.__module__.partition(".")[0] not in _STANDARD
        and "typing_extensions" not in base.__module__
        for base in (*cls.__mro__[1:], type(cls))
    )


_STANDARD = sys.stdlib_module_names


class Scope:
    """Where the names in an annotation that is a text are looked up."""

    def __init__(self, thing: Any) -> None:
        #: Texts and aliases that are being looked up: a type may name itself.
        self.open: set[str] = set()
        if is_a(thing, type):
            module: Any = sys.modules.get(str(getattr(thing, "__module__", "")))
            self.globals: dict[str, Any] = getattr(module, "__dict__", None) or {}
            self.locals: dict[str, Any] = dict(thing.__dict__)
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


def said(annotation: Any, scope: Scope) -> object:
    """An annotation as a plain value with classes of the user's in it; those of libraries are names.

    A text is looked up as `typing.get_type_hints` does, and stays a text if it is none, or if a name in it has no
    value.
    """
    if is_a(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if is_a(annotation, str):
        return _once(annotation, scope)
    if annotation is None or annotation is type(None):
        return None
    if annotation is ...:
        return "..."
    if is_a(annotation, list):  # the parameters of a `Callable`
        return tuple(said(part, scope) for part in annotation)
    kind = type(annotation)
    if kind.__name__ == "InitVar":
        return "InitVar", said(annotation.type, scope)
    if kind.__name__ in _PARAMETERS:
        return kind.__name__, annotation.__name__
    if kind.__name__ == "TypeAliasType":
        return "type", annotation.__name__, _once(annotation.__name__, scope, annotation)
    if kind.__name__ == "NewType":
        return "NewType", annotation.__name__, said(annotation.__supertype__, scope)
    origin = get_origin(annotation)
    if origin is None:
        return _plain(annotation)
    if origin is Annotated:
        return (
            "Annotated",
            said(annotation.__origin__, scope),
            tuple(map(_metadata, annotation.__metadata__)),
        )
    if origin is Literal:
        return "Literal", get_args(annotation)
    if origin is Union or origin is types.UnionType:
        return "Union", tuple(said(part, scope) for part in get_args(annotation))
    name = getattr(annotation, "_name", None)
    head = said(origin, scope) if is_a(origin, type) else name or str(origin)
    return head, tuple(said(part, scope) for part in get_args(annotation))


_PARAMETERS = frozenset(("TypeVar", "ParamSpec", "TypeVarTuple"))
_PLAIN = (bool, int, float, complex, bytes)


def _plain(annotation: Any) -> object:
    """An annotation that is no text and has no parts."""
    if is_a(annotation, type):
        return qualified_name(annotation) if is_library_class(annotation) else annotation
    if type(annotation) in _PLAIN:
        return annotation
    if is_a(annotation, FunctionType):
        return annotation
    kind = type(annotation)
    if not is_library_class(kind):
        return annotation
    if kind.__module__ in ("typing", "typing_extensions"):
        # `Any`, `Self` and their like.
        name = getattr(annotation, "_name", None) or getattr(annotation, "__name__", None)
        return f"typing.{name or kind.__name__}"
    text = repr(annotation)
    return qualified_name(kind), "" if " at 0x" in text else text


def _metadata(value: Any) -> object:
    """Something beside the type in an annotation."""
    if not is_library_class(type(value)) or type(value).__module__ == "builtins":
        return value
    # Much of it is written in C and does not say how it is pickled.
    text = repr(value)
    return value if " at 0x" in text else (qualified_name(type(value)), text)


def _once(name: str, scope: Scope, alias: Any = None) -> object:
    """What a text or an alias stands for; its name within itself."""
    if name in scope.open:
        return name
    scope.open.add(name)
    try:
        return _looked_up(name, scope) if alias is None else said(alias.__value__, scope)
    except NameError:  # the value of an alias is computed late
        return name
    finally:
        scope.open.discard(name)


def _looked_up(text: str, scope: Scope) -> object:
    try:
        tree = ast.parse(text.strip(), mode="eval")
        if not all(isinstance(node, _OF_TYPES) for node in ast.walk(tree)):
            return text
        code = compile(tree, "<annotation>", "eval")
        # Nothing is called, see `_OF_TYPES`, and the text stands in the user's own code.
        found = eval(code, scope.globals, scope.locals)  # noqa: S307
    except Exception:  # what the names stand for is the user's and may raise anything
        return text
    if isinstance(found, str):  # a text under `from __future__ import annotations`
        return _once(found, scope)
    return said(found, scope)


# Nothing is called to find out what an annotation says.
_OF_TYPES = (
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
