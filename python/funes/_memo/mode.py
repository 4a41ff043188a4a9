"""Modes of the cache: `funes.mode`, and the environment variable `FUNES_MODE`.

The mode is in a context variable, which the extension reads at each call once a mode was set; see
rust/py/src/call/mode.rs. Code that runs in no mode of its own has the mode of the environment.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal, TypeVar, get_args

from funes._entries.settings import setting
from funes._funes import (
    collect_usage,
    hooks,
    set_environment_mode,
    set_recheck_share,
    skip_usage,
    watch_modes,
)

ModeName = Literal["off", "readonly", "offline", "refresh"]
F = TypeVar("F", bound=Callable[..., Any])

_NAMES: tuple[str, ...] = get_args(ModeName)
_ALLOWED = ", ".join(f'"{name}"' for name in _NAMES)


class _Active(str):
    """The name of an active mode, with the mode of the code around it."""

    __slots__ = ("outer",)
    outer: str | None


_variable: ContextVar[str | None] = ContextVar("funes_mode", default=None)

#: The modes that write no file, not even the statistics of their hits.
_WRITE_NOTHING = ("readonly", "offline")

#: The mode of `FUNES_MODE`.
_environment: str | None = None

#: The modes of all ``with`` blocks of the process that were not left.
entered: list[str] = []


class mode:  # noqa: N801  # used like a function
    """Sets how memorious functions use the cache, in a ``with`` block or in a decorated function.

    - ``"off"``: calls run their functions. Nothing is read or stored.
    - ``"readonly"``: stored results are read. Missing ones are computed and not stored. No file or folder is created.
    - ``"offline"``: stored results are read. A missing one raises `CacheMissError`. Nothing is stored.
    - ``"refresh"``: results are computed, and replace the stored ones. To refresh one result, use `f.refresh`.

    The mode holds for all calls that the code makes, also for memorious calls within memorious functions, and for tasks
    that it creates. It travels with calls that are sent to other processes, and a sweep keeps the mode in which it was
    made. A new thread has no mode, as for any `contextvars.ContextVar`; see docs/turn-the-cache-off.md. ``FUNES_MODE``
    sets the mode of a whole process.

    Raises:
        ValueError: There is no mode of this name.

    Example:
        >>> import tempfile
        >>> from funes import memorious
        >>> @memorious(cache_dir=tempfile.mkdtemp())
        ... def double(x):
        ...     return x * 2
        >>> with mode("readonly"):
        ...     double(21), double.is_cached(21)
        (42, False)
    """

    __slots__ = ("name",)

    def __init__(self, name: ModeName) -> None:
        if name not in _NAMES:
            raise ValueError(f"mode must be one of {_ALLOWED}, not {name!r}")
        self.name = name

    def __enter__(self) -> None:
        _enter(self.name)

    def __exit__(self, *_raised: object) -> None:
        _leave(self.name)

    def __call__(self, function: F) -> F:
        """Returns the function, so that it runs in the mode."""
        decorated: F = hooks().decorate_in_mode()(self, function)
        return decorated

    def __repr__(self) -> str:
        return f"mode({self.name!r})"


class in_mode(mode):  # noqa: N801  # used like a function
    """Sets a mode that may be None: that of the environment."""

    __slots__ = ()

    def __init__(self, name: str | None) -> None:
        self.name = name  # type: ignore[assignment]


def _enter(name: str | None) -> None:
    watch_modes(_variable)
    active = _Active(name or "")
    active.outer = _variable.get()
    _variable.set(active)
    entered.append(active)
    if name in _WRITE_NOTHING:
        collect_usage()


def _leave(name: str | None) -> None:
    if name in _WRITE_NOTHING:
        skip_usage()
    active = _variable.get()
    # A generator may be closed in another context than that in which it entered the mode.
    if isinstance(active, _Active) and active == (name or ""):
        _variable.set(active.outer)
    entered.remove(name or "")


def current_mode() -> str | None:
    """Returns the name of the mode of the present code; None for the usual one."""
    return str(_variable.get() or "") or _environment


def stores() -> bool:
    """Returns whether calls of the present code may store results."""
    return current_mode() in (None, "refresh")


def apply_environment() -> None:
    """Applies `FUNES_MODE` and `FUNES_RECHECK`."""
    global _environment
    share = setting("FUNES_RECHECK")
    if share:
        set_recheck_share(share)
    wanted = setting("FUNES_MODE")
    if wanted:
        _environment = wanted
        set_environment_mode(wanted)
