"""Lets a process fork while another thread imports the modules that its first call needs.

The import system locks a module while a thread imports it. A child that is forked meanwhile
inherits the lock without the thread, so that any import of the module hangs there. Therefore a fork
waits until no other thread imports modules of funes, dill or the standard library. Such imports
wait for nothing themselves.
"""

from __future__ import annotations

import _imp
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import _bootstrap
from typing import Any

_OURS = frozenset({"funes", "dill"}) | sys.stdlib_module_names

#: Weak references to the locks of the modules that are being imported, by module name.
_locks: dict[str, Any] = getattr(_bootstrap, "_module_locks", {})


def _imported_elsewhere() -> Iterator[str]:
    """Yields the modules that other threads are importing."""
    me = threading.get_ident()
    for name, reference in list(_locks.items()):
        lock = reference()
        if name.partition(".")[0] in _OURS and getattr(lock, "owner", None) not in (None, me):
            yield name


def _before() -> None:
    # Without this lock no thread can take the lock of a module. It is re-entrant.
    _imp.acquire_lock()
    seen: set[str] = set()
    while True:
        name = next((name for name in _imported_elsewhere() if name not in seen), None)
        if name is None:
            return
        seen.add(name)
        _imp.release_lock()
        try:
            with suppress(Exception):
                importlib.import_module(name)
        finally:
            _imp.acquire_lock()


def _after() -> None:
    with suppress(RuntimeError):  # Ctrl-C came before the lock was taken
        _imp.release_lock()


def register() -> None:
    """Registers the fork handlers, on systems that can fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
