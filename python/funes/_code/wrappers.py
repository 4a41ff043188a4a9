"""What a library's functions and wrappers consist of: a name, and what they were given to wrap."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any

from funes._code.annotations import annotations_of
from funes._code.function_attributes import attributes_of
from funes._code.functions import cells_of, defaults_of
from funes._code.node import MISSING, Description, by_name
from funes._code.references import References
from funes._code.third_party import (
    depends_on,
    is_a,
    is_library_class,
    is_library_function,
    library_of,
    module_name,
    named_in_library,
    qualified_name,
    type_token,
)
from funes._funes import count_attributes, counted
from funes.errors import UnhashableArgumentError


def describe_library_function(function: FunctionType) -> Description:
    """A library's function counts by its name.

    One that has none, because a library made it around something of the user's as
    `contextlib.contextmanager` does, counts by what it is made from.
    """
    if "registry" in function.__dict__ and function.__globals__.get("__name__") == "functools":
        return _single_dispatch(function)
    name = named_in_library(function)
    if name:
        return by_name(name, library_of(function))
    references = References()
    module = module_name(str(function.__globals__.get("__name__", "")))
    references.modules.add(module)
    if "__wrapped__" in function.__dict__:
        _add_wrapped(references, function.__dict__["__wrapped__"], module)
    for name, cell in cells_of(function).items():
        _add_given(references, f"captured {name}", _content(cell))
    for name, value in defaults_of(function).items():
        _add_given(references, f"default {name}", value)
    attributes = attributes_of(function)
    # A library may keep something there that changes from call to call, such as a cache.
    keeps = module not in _KEEP_NOTHING
    kept = tuple(name for name, value in attributes.items() if keeps and not _is_given(value))
    for name in attributes.keys() - {"__wrapped__", *kept}:
        references.add(f"attribute {name}", attributes[name])
    # The dict itself, so that an attribute that is set later is noticed.
    references.attributes.append((function.__dict__, kept))
    # Its own name is that of what it wraps, by `functools.wraps`, and says nothing.
    return _wrapper(f"{module}.{function.__code__.co_name}", references)


# Modules whose wrappers have no attributes of their own: what is there was set by the user.
_KEEP_NOTHING = frozenset(("contextlib", "functools", "reprlib"))


def _single_dispatch(function: FunctionType) -> Description:
    """A `functools.singledispatch` function: its implementations. What it captured caches them."""
    references = References()
    # The registry itself, so that a registration to come is noticed.
    references.add("implementations", function.registry)  # type: ignore[attr-defined]
    references.add_attributes(
        function, "__wrapped__", "_clear_cache", "dispatch", "register", "registry"
    )
    return _wrapper("functools.singledispatch", references)


def is_wrapper(thing: object) -> bool:
    """Whether an object is a library's wrapper around something, such as `lru_cache` returns."""
    kind = type(thing)
    try:
        return (
            is_library_class(kind)
            and not is_a(thing, type)
            and not is_a(thing, FunctionType)
            and (
                any("__wrapped__" in base.__dict__ for base in kind.__mro__)
                # Some classes answer every name, with a new object each time.
                or "__wrapped__" in getattr(thing, "__dict__", ())
            )
            and getattr(thing, "__wrapped__", None) is not None
        )
    except Exception:  # the attribute access of a class may raise anything
        return False


def _has_end(wrapper: Any) -> bool:
    """Whether the chain of what is wrapped ends, as `inspect.unwrap` asks: not if each look makes a new wrapper."""
    seen: set[int] = set()
    kept = []
    while is_wrapper(wrapper) and id(wrapper) not in seen:
        if len(seen) > sys.getrecursionlimit():
            return False
        seen.add(id(wrapper))
        kept.append(wrapper)  # so that its address stays its own
        wrapper = wrapper.__wrapped__
    return True


# Wrappers that change no result, so that only what they wrap counts: what else they hold is about
# when and where they store it.
_WITHOUT_EFFECT = frozenset(
    (
        "functools._lru_cache_wrapper",
        "joblib.memory.AsyncMemorizedFunc",
        "joblib.memory.MemorizedFunc",
        "joblib.memory.NotMemorizedFunc",
    )
)


def describe_wrapper(wrapper: Any) -> Description:
    """A library's wrapper: its type by name, what it wraps, and with what it was made."""
    name = qualified_name(type(wrapper))
    if not _has_end(wrapper):
        raise UnhashableArgumentError(f"a {name} wraps another one, and so on without an end")
    references = References()
    attributes: dict[str, Any] = getattr(wrapper, "__dict__", {})
    _add_wrapped(references, wrapper.__wrapped__, "" if name in _WITHOUT_EFFECT else name)
    if "__wrapped__" in attributes:
        references.note_read(attributes, "__wrapped__", attributes["__wrapped__"])
    if name == "functools._lru_cache_wrapper":
        references.add_attributes(wrapper, "__wrapped__", "cache_parameters")
    elif name not in _WITHOUT_EFFECT:
        state = attributes.copy()
        count_attributes(attributes, state)
        for attribute, value in state.items():
            if not attribute.startswith("__") and _add_given(
                references, f"attribute {attribute}", value
            ):
                references.note_read(attributes, attribute, value)
        # What wrapt's decorators call around the function stands in no `__dict__`.
        around = getattr(wrapper, "_self_wrapper", None)
        if around is not None:
            references.add("around", around)
    return _wrapper(name, references)


def _add_wrapped(references: References, wrapped: object, library: str) -> None:
    """Link what a library wraps; with its annotations where the library may act on them."""
    references.add("wrapped", wrapped)
    is_plain = library.partition(".")[0] in sys.stdlib_module_names
    if (
        library
        and not is_plain
        and is_a(wrapped, FunctionType)
        and not is_library_function(wrapped)
    ):
        references.compute("annotations of wrapped", annotations_of, wrapped)


def describe_memorious(memo: Any, describe: Callable[[Any], Description]) -> Description:
    """A function that funes remembers.

    It is its function, since remembering changes no result, with what it was told to depend on and what was set on
    it.

    describe: describes the function, if it is no more than that.
    """
    references = References()
    references.add("wrapped", memo.__wrapped__)
    references.add_memo_attributes(memo)
    if depends_on(memo):
        references.add("depends on", depends_on(memo))
    description = _wrapper("funes.memorious", references)
    if len(description.links) > 1:
        return description
    function: Description = describe(memo.__wrapped__)
    return function._replace(attributes=description.attributes)


def _wrapper(name: str, references: References) -> Description:
    modules = frozenset(references.modules)
    return Description(
        "wrapper",
        name,
        None,
        references.links,
        references.reads,
        modules,
        tools=references.tools,
        attributes=tuple(references.attributes),
        computed=tuple(references.computed),
    )


def _content(cell: CellType) -> object:
    try:
        value = counted(cell, "", cell.cell_contents)
    except ValueError:
        value = counted(cell, "", MISSING)
    return ("empty",) if value is MISSING else value


def _add_given(references: References, label: str, value: object) -> bool:
    """Link what a library's wrapper holds, if the user gave it: code, or a value that stays.

    What else it holds (a cache, a counter, a lock) is its own, and changes from call to call.
    """
    if _is_given(value):
        references.add(label, value)
        return True
    if type_token(value) is None:
        references.add(f"type of {label}", qualified_name(type(value)))
    return False


def _is_given(value: Any) -> bool:
    if type(value) in (tuple, frozenset, set):
        return all(map(_is_given, value))
    if type(value) is slice:
        return all(map(_is_given, (value.start, value.stop, value.step)))
    if type(value) is MappingProxyType:
        return all(map(_is_given, (*value.keys(), *value.values())))
    if is_a(value, BuiltinFunctionType):
        return isinstance(value.__self__, (ModuleType, type))
    if is_a(value, MethodType):
        return _is_given(value.__self__)
    kind = type(value)
    return (
        issubclass(kind, _GIVEN)
        or not is_library_class(kind)
        or is_wrapper(value)
        or qualified_name(kind) in _CONSTANT
    )


_GIVEN = (
    type(None), bool, int, float, complex, str, bytes, range, type, FunctionType, partial, PurePath
)  # fmt: skip

# Types of the standard library whose objects cannot change.
_CONSTANT = frozenset(
    (
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "re.Pattern",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    )
)
