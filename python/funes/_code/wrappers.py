"""Describes library functions and wrappers: by name, and by the user objects that they wrap."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any

from funes._code.annotations import annotations_of
from funes._code.function_attributes import attributes_of, slots_of
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
    """Describes a library function by its name.

    A function that cannot be imported counts by its parts: a library created it around a user object,
    as `contextlib.contextmanager` does.
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
        _add_captured(references, f"captured {name}", _content(cell))
    for name, value in defaults_of(function).items():
        _add_given(references, f"default {name}", value)
    # Pass the dict itself, so that an attribute that is set later is noticed.
    then = function.__dict__.copy()
    attributes = attributes_of(function)
    # A library may keep state in the ``__dict__`` that changes from call to call, such as a cache.
    keeps = module not in _KEEP_NOTHING
    kept = tuple(name for name, value in attributes.items() if keeps and not _is_given(value))
    for name in attributes.keys() - {"__wrapped__", *kept}:
        references.add(f"attribute {name}", attributes[name])
    references.attributes.append((function.__dict__, kept, then))
    # `functools.wraps` copies `__name__` from the wrapped function, so the code's name is used.
    return _wrapper(f"{module}.{function.__code__.co_name}", references)


# Modules whose wrappers have no attributes of their own: the user set all of them.
_KEEP_NOTHING = frozenset(("contextlib", "functools", "reprlib"))


def _single_dispatch(function: FunctionType) -> Description:
    """Describes a `functools.singledispatch` function by its implementations, without their cache."""
    references = References()
    # Pass the registry itself, so that later registrations are noticed.
    references.add("implementations", function.registry)  # type: ignore[attr-defined]
    references.add_attributes(
        function, "__wrapped__", "_clear_cache", "dispatch", "register", "registry"
    )
    return _wrapper("functools.singledispatch", references)


def is_wrapper(thing: object) -> bool:
    """Returns true for a wrapper object of a library, such as the result of `lru_cache`."""
    kind = type(thing)
    try:
        return (
            is_library_class(kind)
            and not is_a(thing, type)
            and not is_a(thing, FunctionType)
            and (
                any("__wrapped__" in base.__dict__ for base in kind.__mro__)
                # `hasattr` is not used: some classes return a new object for every name.
                or "__wrapped__" in getattr(thing, "__dict__", ())
            )
            and getattr(thing, "__wrapped__", None) is not None
        )
    except Exception:  # the attribute access of a class may raise anything
        return False


def _has_end(wrapper: Any) -> bool:
    """Returns true if a chain of wrappers ends; false if each access creates a new wrapper."""
    seen: set[int] = set()
    kept = []
    while is_wrapper(wrapper) and id(wrapper) not in seen:
        if len(seen) > sys.getrecursionlimit():
            return False
        seen.add(id(wrapper))
        kept.append(wrapper)  # so that its address is not reused
        wrapper = wrapper.__wrapped__
    return True


# The wrappers that do not read the annotations of the wrapped function. Except for the options of
# `lru_cache`, their other state configures a cache and does not count.
_WITHOUT_EFFECT = frozenset(
    (
        "functools._lru_cache_wrapper",
        "joblib.memory.AsyncMemorizedFunc",
        "joblib.memory.MemorizedFunc",
        "joblib.memory.NotMemorizedFunc",
    )
)


def describe_wrapper(wrapper: Any) -> Description:
    """Describes a library's wrapper by the name of its type, the wrapped object and its parameters."""
    name = qualified_name(type(wrapper))
    if not _has_end(wrapper):
        raise UnhashableArgumentError(f"a {name} wraps an endless chain of wrappers")
    references = References()
    attributes: dict[str, Any] = getattr(wrapper, "__dict__", {})
    _add_wrapped(references, wrapper.__wrapped__, "" if name in _WITHOUT_EFFECT else name)
    if "__wrapped__" in attributes:
        references.note_read(attributes, "__wrapped__", attributes["__wrapped__"])
    if name == "functools._lru_cache_wrapper":
        references.add_attributes(wrapper, "__wrapped__", "cache_parameters")
        # The options decide which calls share a result, and code may read them.
        references.add("options", wrapper.cache_parameters())
    elif name not in _WITHOUT_EFFECT:
        state = attributes.copy()
        count_attributes(attributes, state)
        for attribute, value in state.items():
            if not attribute.startswith("__") and _add_given(
                references, f"attribute {attribute}", value
            ):
                references.note_read(attributes, attribute, value)
        references.compute("slots", given_slots_of, wrapper)
        # The function that a decorator of wrapt calls is not in a `__dict__`.
        around = getattr(wrapper, "_self_wrapper", None)
        if around is not None:
            references.add("around", around)
        for attribute in ("_self_args", "_self_kwargs"):  # of the partial of wrapt
            if hasattr(type(wrapper), attribute):
                references.add(attribute, getattr(wrapper, attribute))
    return _wrapper(name, references)


def given_slots_of(wrapper: object) -> dict[str, object]:
    """Returns the values in the slots of a third-party wrapper that the user passed to it."""
    without = _RANDOM_SLOTS.get(qualified_name(type(wrapper)), ())
    return {
        name: value
        for name, value in slots_of(wrapper, object).items()
        if name not in without and _is_given(value)
    }


# The slots of a wrapper that hold a random name, which differs from process to process.
_RANDOM_SLOTS = {"dask.delayed.DelayedLeaf": ("_key", "_layer")}


def is_like_partial(thing: Any) -> bool:
    """Returns whether a library's object holds a function with arguments, as `functools.partial` and `toolz.curry` do.

    Such an object may be pickled as the name of its function. The name does not say what the function
    does.
    """
    kind = type(thing)
    try:
        return (
            all(hasattr(kind, name) for name in ("func", "args", "keywords", "__call__"))
            and is_library_class(kind)
            and callable(thing.func)
            and type(thing.args) is tuple
            and type(thing.keywords) is dict
        )
    except Exception:  # the attribute access of a class may raise anything
        return False


def describe_like_partial(thing: Any) -> Description:
    """Describes a third-party object that is like `functools.partial`: type by name, function and arguments."""
    references = References()
    for name in ("func", "args", "keywords"):
        references.add(name, getattr(thing, name))
    return _wrapper(qualified_name(type(thing)), references)


def _add_wrapped(references: References, wrapped: object, library: str) -> None:
    """Adds the wrapped object, with its annotations if the library may act on them."""
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
    """Describes a memorious function as the function that it wraps: memoization changes no result.

    The ``depends_on=`` of the memorious function and the attributes that were set on it count too.

    describe: A function that describes the wrapped function. Its result is returned if nothing else
        counts.
    """
    references = References()
    references.add("wrapped", memo.__wrapped__)
    references.add_memo_attributes(memo)
    if depends_on(memo):
        references.add("depends on", depends_on(memo))
    description = _wrapper("funes.memorious", references)
    if len(description.references) > 1:
        return description
    function: Description = describe(memo.__wrapped__)
    return function._replace(attributes=description.attributes)


def _wrapper(name: str, references: References) -> Description:
    return references.description("wrapper", name, None)


def _content(cell: CellType) -> object:
    try:
        value = counted(cell, "", cell.cell_contents)
    except ValueError:
        value = counted(cell, "", MISSING)
    return ("empty",) if value is MISSING else value


def _add_given(references: References, label: str, value: object) -> bool:
    """Adds an object that a wrapper holds, if the object is a parameter: code, or an immutable value.

    Other objects (a cache, a counter, a lock) are internal state of the wrapper, which changes from
    call to call.
    """
    if _is_given(value):
        references.add(label, value)
        return True
    if type_token(value) is None:
        references.add(f"type of {label}", qualified_name(type(value)))
    return False


def _add_captured(references: References, label: str, value: Any, depth: int = 0) -> bool:
    """Adds an object that a library function captured, or the parameters in a library's object.

    A decorator often captures an object that holds what the user passed: a context manager, a policy
    or a validator. Returns false if only the type of the object counts.
    """
    if _add_given(references, label, value):
        return True
    if type_token(value) is not None:
        return False
    if is_a(value, MethodType):
        value = value.__self__
        references.add(f"type of object of {label}", qualified_name(type(value)))
    kind = type(value)
    if kind.__module__ == "builtins" or depth > _MAX_DEPTH:
        return False
    if kind.__name__ == "ValidateCallWrapper" and kind.__module__.startswith("pydantic."):
        _add_validation(references, label, value)
        return True
    attributes = getattr(value, "__dict__", None)
    state: dict[str, Any] = attributes.copy() if type(attributes) is dict else {}
    if state:
        count_attributes(attributes, state)
    is_context = any(hasattr(kind, name) for name in ("__exit__", "__aexit__"))
    is_of_generator = is_context and all(name in state for name in ("func", "args", "kwds"))
    # The numbers of an object with a lock are mostly counters and times, which change with each call.
    has_counters = any(type_token(part) is not None for part in state.values())
    for name, part in state.items():
        if (
            name in _PLACES
            or type(part) in _RUNNING
            or (has_counters and type(part) in (int, float))
        ):
            continue
        if is_of_generator or (is_context and _is_collection_of_given(part)):
            references.add(f"{label}.{name}", part)
        elif not _add_captured(references, f"{label}.{name}", part, depth + 1):
            continue
        references.note_read(attributes, name, part)
    references.compute(f"slots of {label}", given_slots_of, value)
    return True


_MAX_DEPTH = 3  # the levels of library objects inside library objects that are searched

# Attributes in which an object of a library keeps the location of what it wraps.
_PLACES = frozenset(("__doc__", "__module__", "__name__", "__qualname__", "module", "qualname"))

# A context manager that `contextlib` made holds the generator that it runs.
_RUNNING = (GeneratorType, AsyncGeneratorType)


def _add_validation(references: References, label: str, wrapper: Any) -> None:
    """Adds the options of ``pydantic.validate_call``; its other attributes follow from the function."""
    for name in ("validate_return", "_validate_return"):
        if hasattr(wrapper, name):
            references.add(f"{label}.validate_return", bool(getattr(wrapper, name)))
    config = getattr(wrapper, "config_wrapper", getattr(wrapper, "_config_wrapper", None))
    options = getattr(config, "config_dict", getattr(wrapper, "_config", None))
    if options:
        references.add(f"{label}.config", dict(options))


def _is_collection_of_given(value: Any) -> bool:
    if type(value) is dict:
        return all(map(_is_given, (*value.keys(), *value.values())))
    return type(value) is list and all(map(_is_given, value))


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

# Types of the standard library whose instances are immutable.
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
