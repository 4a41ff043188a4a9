"""What counts by its name only, and under which name."""

from __future__ import annotations

import builtins
import io
import sys
import threading
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard, TypeVar

from funes._code.user_code import is_user_code
from funes._funes import is_memo_type

# One thing has several names: the module of an accelerator or of a platform is not the one that
# people import, and not every platform, version and implementation has it.
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
    "_wrappers": "wrapt",  # where its types in C say that they are
    "nt": "os",
    "ntpath": "os.path",
    "pathlib._abc": "pathlib",
    "pathlib._local": "pathlib",
    "posix": "os",
    "posixpath": "os.path",
}

_Kind = TypeVar("_Kind")

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made while running, by a class statement or an extension


def is_a(thing: object, kind: type[_Kind]) -> TypeGuard[_Kind]:
    """`isinstance` by the type alone, since a proxy may claim to be anything, or raise an error."""
    return issubclass(type(thing), kind)


def module_name(module: str) -> str:
    """The name by which a library's module counts on every platform and version."""
    return _PUBLIC_MODULES.get(module, module)


def qualified_name(thing: object) -> str:
    """The name of a class or function with its module's.

    >>> qualified_name(dict), qualified_name(sys.exc_info)
    ('builtins.dict', 'sys.exc_info')
    """
    module = _text(thing, "__module__") or "builtins"
    name = _text(thing, "__qualname__") or _text(thing, "__name__")
    return f"{module_name(module)}.{name}"


def is_library_function(function: FunctionType) -> bool:
    """Whether the code of a function is a library's.

    By its globals, since `functools.wraps` gives it another's `__module__`.
    """
    name = function.__globals__.get("__name__")
    return not is_user_code(name if isinstance(name, str) else "", function.__code__.co_filename)


def stands_for_builtin(value: object, name: str) -> bool:
    """Returns whether a library put this function in the place of a builtin of the same name.

    IPython gives notebooks an ``open`` of its own.
    """
    builtin: object = getattr(builtins, name, None)
    if builtin is None or not is_a(value, FunctionType) or not is_library_function(value):
        return False
    return value.__dict__.get("__wrapped__") is builtin


def is_library_class(cls: type) -> bool:
    """Whether a class is a library's, and the one that its name stands for.

    A class that a library made for its caller (`dataclasses.make_dataclass`) may carry the
    library's module and no name of its own there: its name would say nothing about it.
    """
    module = _text(cls, "__module__")
    if is_user_code(module):
        return False
    return not cls.__flags__ & _HEAP_TYPE or any(
        _is_found(cls, name, cls.__qualname__)
        for name in dict.fromkeys((module, module_name(module)))
    )


def is_library_module(module: ModuleType) -> bool:
    """Whether a module is a library's."""
    return not is_user_code(_text(module, "__name__"))


def named_in_library(thing: object, *modules: str) -> str:
    """The qualified name of a thing that stands in a library's module under its own name, else "".

    modules: modules to look in, beside the one that `thing` names.
    """
    for name in (_text(thing, "__qualname__"), _text(thing, "__name__")):
        for module in (_text(thing, "__module__"), *modules):
            if name and module and not is_user_code(module) and _is_found(thing, module, name):
                return f"{module_name(module)}.{name}"
    return ""


def library_of(value: object) -> str:
    """The library module that a value comes from; "" if it is the user's or the language's own."""
    if is_a(value, ModuleType):
        module = _text(value, "__name__")
    else:
        module = _text(value if is_a(value, type) else type(value), "__module__")
        if module == "builtins":  # a function; or a method in C, which knows only its object
            owner = getattr(value, "__self__", None)
            module = _text(value, "__module__") or _text(type(owner), "__module__")
    return "" if module in ("", "builtins") or is_user_code(module) else module


def is_mock(kind: type) -> bool:
    """Whether a type is one of `unittest.mock`, whose objects make further ones whenever they are looked at."""
    return any(
        base.__name__ in _MOCKS and base.__module__ in ("unittest.mock", "mock.mock")
        for base in kind.__mro__
    )


_MOCKS = frozenset(("NonCallableMock", "_Call"))


def is_memorious(thing: object) -> bool:
    """Whether a thing is a function that funes remembers."""
    kind = type(thing)
    return kind is not FunctionType and is_memo_type(kind) and hasattr(thing, "__wrapped__")


def depends_on(memo: Any) -> tuple[object, ...]:
    """What a remembered function was told to depend on, as it is now.

    Raises:
        OSError: A file that it depends on cannot be read.
    """
    return tuple(memo._extras()) if memo._options.depends_on else ()


def public_name(module: str) -> str:
    """The name by which a module counts whether it is imported or the program that runs."""
    root, dot, rest = module.partition(".")
    if root != "__main__":
        return module
    from funes._entries import main_module

    own = main_module.name_of_own()
    # Where the same file is imported too, there are two modules.
    return f"{root if own is None or own in sys.modules else own}{dot}{rest}"


def type_token(value: object, home: object = "") -> tuple[str, ...] | None:
    """What counts in place of a value that is no input but a tool to work with; else None.

    A lock, thread or open file says nothing about a result, and cannot be hashed. Its type stands for it. A logger
    counts by its name, which is mostly ``__name__``: that of its module is the same wherever the module lies.

    home: The module of the code that uses the value.
    """
    kind = type(value)
    if kind is FunctionType:
        return None  # at once, since most globals of a function are functions
    if issubclass(kind, ModuleType):
        return ("module", module_name(_text(value, "__name__")))
    if issubclass(kind, _TOOLS) or (
        issubclass(kind, io.IOBase) and not issubclass(kind, (io.BytesIO, io.StringIO))
    ):
        return ("type", qualified_name(kind))
    logging = sys.modules.get("logging")
    if logging is not None and issubclass(kind, (logging.Logger, logging.LoggerAdapter)):
        name = str(getattr(value, "name", ""))
        if isinstance(home, str) and f"{name}.".startswith(f"{home}."):
            return ("logger of the module", qualified_name(kind), name[len(home) :])
        return ("logger", qualified_name(kind), public_name(name))
    loguru = sys.modules.get("loguru")
    if loguru is not None and kind is type(getattr(loguru, "logger", None)):
        return ("type", "loguru.Logger")
    if issubclass(kind, MethodType) and _is_shell(value.__self__):  # type: ignore[attr-defined]
        return ("type", "IPython.get_ipython")
    return ("type", "IPython.InteractiveShell") if _is_shell(value) else None


def _is_shell(value: object) -> bool:
    """Whether an object is the prompt or notebook in which all this happens."""
    shell = sys.modules.get("IPython.core.interactiveshell")
    return shell is not None and issubclass(type(value), shell.InteractiveShell)


_TOOLS = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Barrier,
    threading.Condition,
    threading.Event,
    threading.Semaphore,
    threading.Thread,
)


def _is_found(thing: object, module: str, name: str) -> bool:
    found: object = sys.modules.get(module)
    try:
        for part in name.split("."):
            found = getattr(found, part)
        # Methods are made anew each time. Those of one function and the same object are equal.
        return found is thing or (
            type(found) is type(thing) and hasattr(thing, "__self__") and found == thing
        )
    except Exception:  # a library's own attribute access may raise anything
        return False


def _text(thing: object, attribute: str) -> str:
    """An attribute that should be a text; "" if it is missing or something else."""
    try:
        value = getattr(thing, attribute, "")
    except Exception:  # the attribute access of somebody's class may raise anything
        return ""
    return value if isinstance(value, str) else ""
