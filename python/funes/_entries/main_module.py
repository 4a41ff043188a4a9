"""The program's own module: its two names, and what it holds under a name.

A script is `__main__` while it runs, and has its own name where another program imports it. Results name its classes,
functions and globals. They are found again under either name: first in the module of the memorious function, then in
the program's own module, then in modules of that name.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Iterator
from typing import Any

#: The names that the program's own module may have; a process started by spawn has the second.
MAINS = ("__main__", "__mp_main__")


def last_name() -> str | None:
    """The last part of the name under which the program's own module could be imported; None if it has none."""
    name = name_of_own()
    return None if name is None else name.rpartition(".")[2]


def name_of_own() -> str | None:
    """The name under which the program's own module could be imported: `train` of ``python train.py``."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if isinstance(name, str) and name not in MAINS:
        return name
    file = getattr(main, "__file__", None)
    return _module_of(file) if isinstance(file, str) else None


@functools.lru_cache(maxsize=1)  # asked for each pickle that is read
def _module_of(file: str) -> str | None:
    """Return the name under which a file could be imported from its own folder."""
    stem, ending = os.path.splitext(os.path.basename(file))
    return stem if ending == ".py" and stem.isidentifier() else None


def stands_for(module: str) -> bool:
    """Whether a name is one under which the program's own module could be imported, from one folder or another."""
    own = name_of_own()
    if own is None or module.rpartition(".")[2] != own.rpartition(".")[2]:
        return False
    if module == own:
        return True
    file = getattr(sys.modules["__main__"], "__file__", None) or ""
    path = os.path.splitext(file)[0].replace(os.sep, "/")
    return f"/{path}".endswith("/" + module.replace(".", "/"))


def is_own(module: str, home: str | None) -> bool:
    """Whether what a result names in a module is to be looked for in the program's own module.

    Args:
        module: The name of the module in the result.
        home: The module of the memorious function. If that is the module that was imported, so is the class.
    """
    if home == module or not stands_for(module):
        return False
    return home in MAINS or module not in sys.modules


def find(name: str | None, qualname: str, home: str | None = None) -> Any:
    """What a module holds that was the own one of the program that wrote a result.

    Args:
        name: The name under which the module could be imported, if it had one.
        qualname: The name of the object in the module.
        home: The module of the memorious function.

    Raises:
        AttributeError: It is not found.
    """
    for module in _candidates(name, home):
        found: Any = module
        try:
            for part in qualname.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        return found
    found = arrived(qualname)
    if found is None:
        raise AttributeError(f"no module has {qualname!r}, which was in {name or '__main__'}")
    return found


def arrive(cls: type) -> None:
    """Notes a class of another process's own module that came here by value: results of its functions name it."""
    if cls.__module__ in MAINS:
        _arrived[cls.__qualname__] = cls


def arrived(qualname: str) -> type | None:
    """Returns the class of this name that came here last."""
    return _arrived.get(qualname)


_arrived: weakref.WeakValueDictionary[str, type] = weakref.WeakValueDictionary()


def globals_of(name: str | None, home: str | None = None) -> dict[str, Any]:
    """The globals of a module that was the own one of the program that wrote a result; raises as `find`."""
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
    # A worker that got a class of its parent's by value writes it under the name of a module of its own.
    names += MAINS
    seen = []
    for each in names:
        module = sys.modules.get(each)
        if module is not None and module not in seen:
            seen.append(module)
            yield module


def _last(module: str) -> str | None:
    return last_name() if module in MAINS else module.rpartition(".")[2]
