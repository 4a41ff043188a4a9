"""Lets a process fork while another thread imports the modules that its first call needs.

The import system locks a module while a thread imports it. A child that is forked meanwhile
inherits the lock without the thread, so that any import of the module hangs there. Therefore a fork
waits until no other thread imports modules of funes, dill or the standard library.

Such an import may itself wait for a lock that the fork holds: `logging` takes its lock before a
fork, and modules ask for a logger when they are imported. Handlers that are registered later run
earlier. So another of ours is registered after the import of `logging`, and the wait has an end.
"""

from __future__ import annotations

import _imp
import os
import sys
import threading
import time
from importlib import _bootstrap
from typing import Any

_OURS = frozenset({"funes", "dill"}) | sys.stdlib_module_names

#: Weak references to the locks of the modules that are being imported, by module name.
_locks: dict[str, Any] = getattr(_bootstrap, "_module_locks", {})

#: How long a fork waits for imports at most, in seconds. The child may then hang where it imports the same module.
_LONGEST = 10.0

#: How long a fork sleeps between two looks, in seconds. No event tells of the end of an import.
_PAUSE = 0.001


#: `holds` is true in a thread whose fork has run `_before_others`.
_state = threading.local()


def register() -> None:
    """Registers the fork handlers, on systems that can fork."""
    if hasattr(os, "register_at_fork"):
        # A C function releases the lock, since Ctrl-C would interrupt one that is written in Python.
        os.register_at_fork(
            before=_before,
            after_in_parent=_imp.release_lock,
            after_in_child=_imp.release_lock,
        )


def run_first() -> None:
    """Lets ours run before the handlers that are registered now."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_others)


def _before() -> None:
    if getattr(_state, "holds", False):
        _state.holds = False
    else:
        _hold_imports()


def _before_others() -> None:
    if not getattr(_state, "holds", False):  # two threads may have registered this handler
        _state.holds = True
        _hold_imports()


def _hold_imports() -> None:
    """Takes the lock without which no thread can begin an import, and waits for the imports of other threads."""
    _imp.acquire_lock()
    end = time.monotonic() + _LONGEST
    while _is_imported_elsewhere() and time.monotonic() < end:
        _imp.release_lock()
        try:
            time.sleep(_PAUSE)
        finally:
            _imp.acquire_lock()


def _is_imported_elsewhere() -> bool:
    me = threading.get_ident()
    for name, reference in list(_locks.items()):
        if name.partition(".")[0] in _OURS:
            lock = reference()
            if getattr(lock, "owner", None) not in (None, me):
                return True
    return False
