"""Recognizes objects that count by name or type, and gives their names."""

from __future__ import annotations

import builtins
import io
import sys
import threading
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard, TypeVar

from funes._code.user_code import is_user_code
from funes._funes import is_memo_type

# Public names of internal modules. Users import another module than the accelerator or platform
# module that defines the object, and not every platform, version and implementation has the latter.
_PUBLIC_MODULES = {
    "_abc": "abc",
    "_bisect": "bisect",
    "_collections": "collections",
    "_collections_abc": "collections.abc",
    "_decimal": "decimal",
    "_functools": "functools",
    "_heapq": "heapq",
    "_io": "io",
    "_json": "json",
    "_operator": "operator",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_random": "random",
    "_sre": "re",
    "_struct": "struct",
    "_thread": "threading",
    "_weakref": "weakref",
    "_wrappers": "wrapt",  # the module name of its types in C
    "nt": "os",
    "ntpath": "os.path",
    "pathlib._abc": "pathlib",
    "pathlib._local": "pathlib",
    "posix": "os",
    "posixpath": "os.path",
}

_Kind = TypeVar("_Kind")

_HEAP_TYPE = (
    1 << 9
)  # Py_TPFLAGS_HEAPTYPE: created at run time, by a class statement or an extension


def is_a(thing: object, kind: type[_Kind]) -> TypeGuard[_Kind]:
    """Works like `isinstance`, but uses only the type, since the ``__class__`` of a proxy may be wrong or raise."""
    return issubclass(type(thing), kind)


def class_attribute(cls: type, name: str, default: Any = None) -> Any:
    """Works like `getattr` with a default, but never calls the ``__getattr__`` of a metaclass.

    That method may raise anything.
    """
    try:
        return type.__getattribute__(cls, name)
    except Exception:  # a descriptor of the user may raise anything
        return default


def module_name(module: str) -> str:
    """Returns the name of a library module that is equal on every platform and version."""
    return _PUBLIC_MODULES.get(module, module)


def qualified_name(thing: object) -> str:
    """Returns the name of a class or function with the name of its module.

    >>> qualified_name(dict), qualified_name(sys.exc_info)
    ('builtins.dict', 'sys.exc_info')
    """
    module = text_of(thing, "__module__") or "builtins"
    name = text_of(thing, "__qualname__") or text_of(thing, "__name__")
    return f"{module_name(module)}.{name}"


def is_library_function(function: FunctionType) -> bool:
    """Returns true if the code of a function belongs to a library.

    Its globals decide, since `functools.wraps` changes `__module__`.
    """
    name = function.__globals__.get("__name__")
    return not is_user_code(name if isinstance(name, str) else "", function.__code__.co_filename)


def stands_for_builtin(value: object, name: str) -> bool:
    """Returns true for a library's replacement of a builtin of the same name.

    IPython replaces ``open`` in notebooks.
    """
    builtin: object = getattr(builtins, name, None)
    if builtin is None or not is_a(value, FunctionType) or not is_library_function(value):
        return False
    return value.__dict__.get("__wrapped__") is builtin


def is_library_class(cls: type) -> bool:
    """Returns true for a library class that can be imported under its qualified name.

    A class that a library created for its caller (`dataclasses.make_dataclass`) may have the module
    name of the library, but it cannot be imported from there. So its name does not identify it.
    """
    module = text_of(cls, "__module__")
    if is_user_code(module):
        return False
    return not cls.__flags__ & _HEAP_TYPE or any(
        _is_found(cls, name, cls.__qualname__)
        for name in dict.fromkeys((module, module_name(module)))
    )


def is_library_module(module: ModuleType) -> bool:
    """Returns true for a library module."""
    return not is_user_code(text_of(module, "__name__"))


def named_in_library(thing: object, *modules: str) -> str:
    """Returns the qualified name under which a library module has an object; "" if there is none.

    modules: Modules to search in addition to the one that `thing` names.
    """
    for name in (text_of(thing, "__qualname__"), text_of(thing, "__name__")):
        for module in (text_of(thing, "__module__"), *modules):
            if name and module and not is_user_code(module) and _is_found(thing, module, name):
                return f"{module_name(module)}.{name}"
    return ""


def library_of(value: object) -> str:
    """Returns the name of the library module of a value; empty for user code and builtins."""
    if is_a(value, ModuleType):
        module = text_of(value, "__name__")
    else:
        module = text_of(value if is_a(value, type) else type(value), "__module__")
        if module == "builtins":  # a function, or a method of a C type, which has only its object
            owner = getattr(value, "__self__", None)
            module = text_of(value, "__module__") or text_of(type(owner), "__module__")
    return "" if module in ("", "builtins") or is_user_code(module) else module


def is_mock(kind: type) -> bool:
    """Returns true for a type of `unittest.mock`, whose instances create further objects at each access."""
    return any(
        base.__name__ in _MOCKS and base.__module__ in ("unittest.mock", "mock.mock")
        for base in kind.__mro__
    )


_MOCKS = frozenset(("NonCallableMock", "_Call"))


def is_memorious(thing: object) -> bool:
    """Returns true for a memorious function."""
    kind = type(thing)
    return kind is not FunctionType and is_memo_type(kind) and hasattr(thing, "__wrapped__")


def depends_on(memo: Any) -> tuple[object, ...]:
    """Returns the current values of the ``depends_on=`` of a memorious function.

    Raises:
        OSError: A file in ``depends_on=`` cannot be read.
    """
    return tuple(memo._extras()) if memo._options.depends_on else ()


def public_name(module: str) -> str:
    """Returns the name of a module, which is the same if the module is imported and if it runs as ``__main__``."""
    root, dot, rest = module.partition(".")
    if root != "__main__":
        return module
    from funes._entries import main_module

    own = main_module.name_of_own()
    # If the same file is imported too, there are two modules.
    return f"{root if own is None or own in sys.modules else own}{dot}{rest}"


def type_token(value: object, home: object = "") -> tuple[str, ...] | None:
    """Returns the token that is hashed instead of an opaque resource; None for any other value.

    A lock, thread or open file does not determine a result and cannot be hashed, so only its type
    counts. A logger counts by its name. A logger that is named after the module that uses it
    (``__name__``) has the same token in every module.

    home: The name of the module of the code that uses the value.
    """
    kind = type(value)
    if kind is FunctionType:
        return None  # this check comes first, since most globals of a function are functions
    if issubclass(kind, ModuleType):
        return ("module", module_name(text_of(value, "__name__")))
    if issubclass(kind, _OPAQUE) or (
        issubclass(kind, io.IOBase) and not issubclass(kind, (io.BytesIO, io.StringIO))
    ):
        return ("type", qualified_name(kind))
    if is_logger(value, "Logger"):
        name = text_of(value, "name")
        if isinstance(home, str) and f"{name}.".startswith(f"{home}."):
            return ("logger of the module", qualified_name(kind), name[len(home) :])
        return ("logger", qualified_name(kind), public_name(name))
    loguru = sys.modules.get("loguru")
    if loguru is not None and kind is type(getattr(loguru, "logger", None)):
        return ("type", "loguru.Logger")
    if issubclass(kind, MethodType) and _is_shell(value.__self__):  # type: ignore[attr-defined]
        return ("type", "IPython.get_ipython")
    return ("type", "IPython.InteractiveShell") if _is_shell(value) else None


LOGGER_STATE = frozenset(
    (
        "_cache",
        "disabled",
        "filters",
        "handlers",
        "level",
        "manager",
        "name",
        "parent",
        "propagate",
    )
)
"""The attributes that every logger has: its name, and attributes that are not part of its value."""


def is_logger(thing: object, kind: str) -> bool:
    """Returns whether an object is an instance of the class of `logging` with the name `kind`, or of a subclass."""
    # Another thread may be importing the module just now, which then has no such class yet.
    return issubclass(type(thing), getattr(sys.modules.get("logging"), kind, ()))


def _is_shell(value: object) -> bool:
    """Returns true for the running IPython shell or notebook."""
    shell = sys.modules.get("IPython.core.interactiveshell")
    return issubclass(type(value), getattr(shell, "InteractiveShell", ()))


_OPAQUE = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Barrier,
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.Thread,
)


def loaded_object(module: str, path: str) -> Any:
    """Returns the object that a loaded module has under a qualified name; None if there is none."""
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _is_found(thing: object, module: str, name: str) -> bool:
    found: object = sys.modules.get(module)
    try:
        for part in name.split("."):
            found = getattr(found, part)
        # Each access creates a new method. Methods of the same function and object are equal.
        return found is thing or (
            type(found) is type(thing) and hasattr(thing, "__self__") and found == thing
        )
    except Exception:  # the attribute access of a library may raise anything
        return False


def text_of(thing: object, attribute: str) -> str:
    """Returns an attribute that should be a string; an empty string if it is missing or no string."""
    try:
        value = getattr(thing, attribute, "")
    except Exception:  # the attribute access of a user class may raise anything
        return ""
    return value if isinstance(value, str) else ""
