"""Runs functions when a process ends, also in a worker of `multiprocessing`, which skips `atexit` if it was forked."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

_registered: list[Callable[[], None]] = []


def at_exit(function: Callable[[], None]) -> None:
    """Registers a function, unless it is registered, in this process and in its forked children."""
    if function not in _registered:
        _registered.append(function)
        atexit.register(function)
        _register_in_worker(function)


def _register_in_worker(function: Callable[[], None]) -> None:
    process = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, function, exitpriority=-100)


def _after_fork_in_child() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        for function in _registered:
            # Registered later, since a worker first drops the finalizers of its parent.
            util.register_after_fork(function, _register_in_worker)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
