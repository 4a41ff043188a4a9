"""Finds the objects of a program's own module, under either name of that module.

The program's own module is the script that is run. Its name is `__main__` while it runs; if another
program imports the script, the name is that of its file. Results refer to classes, functions and
globals of this module by name. funes looks for them first in the module of the memorious function,
then in the program's own module, then in modules with the name of the file.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

#: The names of the program's own module while it runs. A process started by spawn uses the second.
MAINS = ("__main__", "__mp_main__")


def last_name() -> str | None:
    """Returns the last part of `name_of_own`; None if the program's own module cannot be imported."""
    name = name_of_own()
    return None if name is None else name.rpartition(".")[2]


def name_of_own() -> str | None:
    """Returns the name under which another program could import the program's own module.

    It is `train` for ``python train.py``; None if there is no such name.
    """
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if isinstance(name, str) and name not in MAINS:
        return name
    file = getattr(main, "__file__", None)
    return _module_of(file) if isinstance(file, str) else None


@functools.lru_cache(maxsize=1)  # called for each pickle that is read
def _module_of(file: str) -> str | None:
    """Returns the name under which a file could be imported from its own folder; None if there is none."""
    stem, ending = os.path.splitext(os.path.basename(file))
    return stem if ending == ".py" and stem.isidentifier() else None


def stands_for(module: str) -> bool:
    """Returns whether the program's own module could be imported as `module`, from some folder."""
    own = name_of_own()
    if own is None or module.rpartition(".")[2] != own.rpartition(".")[2]:
        return False
    if module == own:
        return True
    file = getattr(sys.modules["__main__"], "__file__", None) or ""
    path = os.path.splitext(file)[0].replace(os.sep, "/")
    return f"/{path}".endswith("/" + module.replace(".", "/"))


def is_own(module: str, home: str | None) -> bool:
    """Returns whether names of a module in a result must be looked up in the program's own module.

    Args:
        module: The name of the module in the result.
        home: The module of the memorious function. If it is `module`, the imported module is meant.
    """
    if home == module or not stands_for(module):
        return False
    return home in MAINS or module not in sys.modules


def find(name: str | None, qualname: str, home: str | None = None) -> Any:
    """Finds an object to which a result refers, and which was in the own module of the writing program.

    Args:
        name: The importable name of that module, if it had one.
        qualname: The qualified name of the object in that module.
        home: The module of the memorious function.

    Raises:
        AttributeError: No module has the object.
    """
    for module in _candidates(name, home):
        found: Any = module
        try:
            for part in qualname.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        return found
    found = received_class(qualname)
    if found is None:
        raise AttributeError(f"no module has {qualname!r}, which was in {name or '__main__'}")
    return found


def register_received(cls: type) -> None:
    """Registers a class that was received by value, and that belongs to another process's own module.

    Results of the functions of that process refer to the class by name.
    """
    if cls.__module__ in MAINS:
        _received[cls.__qualname__] = cls


def received_class(qualname: str) -> type | None:
    """Returns the class with a qualified name that was received last; None if there is none."""
    return _received.get(qualname)


_received: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()


def globals_of(name: str | None, home: str | None = None) -> dict[str, Any]:
    """Finds the globals of the own module of the program that wrote a result.

    Raises:
        AttributeError: This process has no such module.
    """
    for module in _candidates(name, home):
        space: dict[str, Any] = vars(module)
        return space
    raise AttributeError(f"there is no module {name or '__main__'}")


def _candidates(name: str | None, home: str | None) -> Iterator[Any]:
    last = None if name is None else name.rpartition(".")[2]
    names: list[str] = []
    if home is not None and (_last(home) == last if last is not None else home in MAINS):
        names.append(home)
    if last == last_name():
        names += MAINS
    if last is not None:
        names += [each for each in list(sys.modules) if each == name]
        names += [each for each in list(sys.modules) if each.rpartition(".")[2] == last]
    # A worker that received a class of its parent by value writes the name of the worker's own
    # module.
    names += MAINS
    seen = []
    for each in names:
        module = sys.modules.get(each)
        if module is not None and module not in seen:
            seen.append(module)
            yield module


def _last(module: str) -> str | None:
    return last_name() if module in MAINS else module.rpartition(".")[2]
