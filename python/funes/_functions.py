"""What a Python function consists of."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType

from ._code import byte_code, names_in
from ._description import Description, LeftOut, by_name
from ._library import (
    by_name_value,
    is_library_class,
    is_library_function,
    library_of,
    module_name,
    named_in_library,
    qualified_name,
)
from ._links import Links
from ._names import Names
from ._source import written
from .errors import CacheWarning

__all__ = ["describe_function"]


def describe_function(function: FunctionType, left_out: LeftOut = frozenset()) -> Description:
    """What a function consists of: its code, and what its names lead to.

    left_out: names that other code of the graph assigns.
    """
    if is_library_function(function):
        return _library_function(function)
    found = written(function)
    if found is None:
        names = names_in(function.__code__)
        content = byte_code(function.__code__)
    else:
        names = found.names
        tree = found.content
        content = (
            "tree",
            found.private if tree.has_private_names else "",
            # Under `python -O` an assertion in the tree is none in the code.
            tree.has_assert and sys.flags.optimize > 0,
            names.only_declared,
            tree.tokens,
        )
    links = Links(names.assigned, left_out)
    _add_defaults(links, function)
    cells = _cells(function)
    links.add_captured(names, cells)
    links.add_globals(names, cells, function.__globals__, _builtins(function))
    links.add_imports(names, function.__globals__)
    if links.left_out:
        _warn_of_left_out(function, links.left_out)
    return Description(
        "function",
        function.__name__,
        content,
        links.links,
        links.reads,
        frozenset(links.modules),
        found.source if found is not None else "",
        tuple(links.assigned.values()),
    )


def _cells(function: FunctionType) -> dict[str, CellType]:
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))


def _builtins(function: FunctionType) -> dict[str, object]:
    builtins: dict[str, object] = function.__builtins__  # type: ignore[attr-defined]
    return builtins


def _add_defaults(links: Links, function: FunctionType) -> None:
    """Link the running defaults, by parameter; those in the tree were evaluated when the function was made."""
    code = function.__code__
    defaults = function.__defaults__ or ()
    positional = code.co_varnames[: code.co_argcount]
    for name, value in zip(reversed(positional), reversed(defaults), strict=False):
        links.add(f"default {name}", value)
    for name, value in (function.__kwdefaults__ or {}).items():
        links.add(f"default {name}", value)


_warned: set[tuple[CodeType, frozenset[str]]] = set()


def _warn_of_left_out(function: FunctionType, names: set[str]) -> None:
    """Warn once of the variables that a function changes while it runs."""
    case = (function.__code__, frozenset(names))
    if case in _warned:
        return
    _warned.add(case)
    listed = ", ".join(repr(name) for name in sorted(names))
    warnings.warn(
        f"{function.__qualname__} assigns or changes {listed} while it runs, so the value is left out of the definition:"
        " what is remembered does not depend on it, and a remembered call does not change it."
        " Pass it as an argument and return it if it matters.",
        CacheWarning,
        stacklevel=2,
    )


def _library_function(function: FunctionType) -> Description:
    """A library's function counts by its name, and so do the wrappers that it makes, but for what they wrap."""
    if (
        getattr(function, "dispatch", None) is not None
        and function.__globals__.get("__name__") == "functools"
    ):
        return _single_dispatch(function)
    name = named_in_library(function)
    if name:
        return by_name(name, library_of(function))
    code = function.__code__
    module = module_name(str(function.__globals__.get("__name__", "")))
    links = Links()
    links.modules.add(module)
    if "__wrapped__" in function.__dict__:
        links.add("wrapped", function.__dict__["__wrapped__"])
    captured = {f"captured {name}": _content(cell) for name, cell in _cells(function).items()}
    defaults = dict(
        zip(reversed(code.co_varnames[: code.co_argcount]), reversed(function.__defaults__ or ()))
    )
    defaults.update(function.__kwdefaults__ or {})
    captured.update((f"default {name}", value) for name, value in defaults.items())
    for label, value in captured.items():
        _add_of_library(links, label, value)
    # The wrapper's own name would be that of what it wraps (`functools.wraps`).
    return Description(
        "wrapper", f"{module}.{code.co_name}", None, links.links, [], frozenset(links.modules)
    )


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return ("empty",)


def _add_of_library(links: Links, label: str, value: object) -> None:
    """Link what a library's wrapper captured, if it was given by the user: code, or a value that cannot change.

    What else it holds (a cache, a counter, a lock) is its own business, and changes from call to call.
    """
    if _is_given(value):
        links.add(label, value)
    elif by_name_value(value) is None:
        links.add(f"type of {label}", qualified_name(type(value)))


def _is_given(value: object) -> bool:
    if isinstance(value, (tuple, frozenset)):
        return all(map(_is_given, value))
    if isinstance(value, BuiltinFunctionType):
        return isinstance(value.__self__, (ModuleType, type))
    if isinstance(value, MethodType):
        return _is_given(value.__self__)
    return isinstance(value, _GIVEN) or not is_library_class(type(value))


_GIVEN = (type(None), bool, int, float, complex, str, bytes, type, FunctionType, partial)


def _single_dispatch(function: FunctionType) -> Description:
    """A `functools.singledispatch` function: its implementations. What it captured is a cache of them."""
    links = Links()
    registry = function.registry  # type: ignore[attr-defined]
    for position, (cls, implementation) in enumerate(registry.items()):
        # Classes of one name are told apart by the order of their registration.
        label = f"for {cls.__qualname__}"
        label = f"{label} {position}" if label in links.links else label
        links.add(label, implementation)
        links.add(f"{label}, class", cls)
    return Description(
        "wrapper", "functools.singledispatch", None, links.links, [], frozenset(links.modules)
    )
