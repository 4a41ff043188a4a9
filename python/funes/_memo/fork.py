"""Lets a process fork while another thread imports what its first call needs.

A module that is being imported is locked by the thread that imports it. A child that is forked meanwhile has the lock,
and not the thread: whatever imports the module there hangs. So a fork waits for the imports of funes, of what it is
made of and of the standard library, which wait for nothing themselves.
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

#: The locks of the modules that are being imported: weak references, by name.
_locks: dict[str, Any] = getattr(_bootstrap, "_module_locks", {})


def _imported_elsewhere() -> Iterator[str]:
    """The modules that other threads are importing."""
    me = threading.get_ident()
    for name, reference in list(_locks.items()):
        lock = reference()
        if name.partition(".")[0] in _OURS and getattr(lock, "owner", None) not in (None, me):
            yield name


def _before() -> None:
    # No thread comes by the lock of a module without this lock, which is its thread's own as often as it likes.
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
    with suppress(RuntimeError):  # Ctrl-C came before it was taken
        _imp.release_lock()


def register() -> None:
    """Watch the forks of this process, on systems that have them."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
