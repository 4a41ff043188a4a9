"""Shows the progress of a sweep."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

#: Seconds between two updates.
_UPDATE_SECONDS = 0.1
#: Seconds between two lines, where no bar can be shown.
_LINE_SECONDS = 60.0


class Progress(NamedTuple):
    """The progress of a sweep, passed to the function given as `progress=`.

    Example:
        >>> Progress(total=80, cached=74, computed=3, failed=0).done
        77
    """

    #: The number of distinct points; None while points are taken from an iterator.
    total: int | None
    #: Points whose results were stored before.
    cached: int
    #: Points that were computed.
    computed: int
    #: Points whose computation raised an exception.
    failed: int

    @property
    def done(self) -> int:
        """The number of points that need no more work."""
        return self.cached + self.computed + self.failed


#: The argument `progress=`.
Show = Callable[[Progress], object] | Literal[False] | None


class Display:
    """Shows the progress during one iteration: with tqdm, as lines, or by a function of the user."""

    def __init__(
        self,
        show: Show,
        name: str,
        count: Callable[[], Progress],
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._show = show
        self._at_end = at_end
        self._name = name
        self._count = count
        self._bar: Any = None
        self._last = 0.0
        self._last_line = time.monotonic()
        self._is_open = False

    def update(self) -> None:
        """Shows the present state, unless it was shown a moment ago."""
        now = time.monotonic()
        if self._show is False or now - self._last < _UPDATE_SECONDS:
            return
        if not self._is_open:
            self._is_open = True
            self._bar = _bar(self._name) if self._show is None else None
        self._last = now
        self._put(self._count())

    def close(self) -> None:
        """Shows the last state and ends the bar."""
        self._at_end()
        if not self._is_open:
            return
        self._is_open = False
        self._put(self._count())
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _put(self, progress: Progress) -> None:
        if callable(self._show):
            self._show(progress)
        elif self._bar is not None:
            self._bar.total, self._bar.n = progress.total, progress.done
            self._bar.set_postfix_str(_shown(progress), refresh=False)
            self._bar.refresh()
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            of = "" if progress.total is None else f" of {progress.total:,}"
            line = f"{self._name}: {progress.done:,}{of} points, {_shown(progress)}"
            with contextlib.suppress(OSError, ValueError, AttributeError):  # no error output
                print(line, file=sys.stderr, flush=True)


def _shown(progress: Progress) -> str:
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    return f"{progress.cached:,} cached, {progress.computed:,} computed{failed}"


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


def _bar(name: str) -> Any:
    """Returns a bar of tqdm; None if it is not installed, or if the error output is not looked at."""
    is_notebook = _is_notebook()
    try:
        if not is_notebook and not sys.stderr.isatty():
            return None
        tqdm = importlib.import_module("tqdm.auto" if is_notebook else "tqdm").tqdm
    except (ImportError, AttributeError, ValueError):
        return None
    return tqdm(desc=name, unit="point", total=0)
