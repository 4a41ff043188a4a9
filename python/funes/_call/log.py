"""Logs a line for each miss if ``FUNES_LOG=info``, or if the logger ``funes`` has the level INFO.

This module does not import `logging`. If a program has not imported it either, only the variable can
turn the lines on.
"""

from __future__ import annotations

import os
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._entries.settings import setting
from funes._funes import EXTENSION, Listing, hooks

if TYPE_CHECKING:
    from funes._funes import Call
    from funes._memo.memo import Memo

_NAME, _INFO = "funes", 20

#: The number of newest entries that are compared with a call.
_MAX_COMPARED = 20

#: The maximum number of single files, and of packed entries, of a folder that are searched for the
#: newest ones, once per process.
_MAX_LISTED = 2000

#: The newest entries known to this process, by folder.
_recent: dict[str, list[str]] = {}

#: The number of single files of a definition above which a line suggests to pack them.
_MANY_FILES = 100_000

#: The number of logged misses of a definition after which its files are counted again.
_COUNTED_MISSES = 10_000

#: The number of logged misses, by folder.
_misses: dict[str, int] = {}

#: The folders for which the line was logged.
_told: set[str] = set()


#: The logger; None until it exists.
_logger: Any = None


def is_on() -> bool:
    """Returns whether misses are logged."""
    global _logger
    if _logger is None:
        # Another thread may be importing the module just now.
        get_logger = getattr(sys.modules.get("logging"), "getLogger", None)
        if get_logger is None:
            return False
        _logger = get_logger(_NAME)
    is_enabled: bool = _logger.isEnabledFor(_INFO)
    return is_enabled


def log_miss(memo: Memo[Any, Any], call: Call) -> None:
    """Logs that a call computes its result, and the reason, if misses are logged. Raises nothing."""
    if not is_on():
        return
    _count_files(memo, call)
    _log(f"{memo.__qualname__} is computed: {reason_for_miss(memo, call)}")


def reason_for_miss(memo: Memo[Any, Any], call: Call) -> str:
    """Returns why a call is a miss, in one line."""
    try:
        if memo._is_sound(call.definition, call.arguments):
            return "its result is refreshed"
        return hooks().explain_miss()(memo, call, _newest(memo, call))
    except Exception as error:
        return f"the reason is not known ({_warnings.one_line(error)})"


def log_uncached(memo: Memo[Any, Any], error: Exception) -> None:
    """Logs that a call without a cache key computes its result."""
    _log(f"{memo.__qualname__} is computed: {_warnings.one_line(error)}")


def _log(text: str) -> None:
    import logging

    with _warnings.beside_bars():
        logging.getLogger(_NAME).info("%s", text)


def _newest(memo: Memo[Any, Any], call: Call) -> list[str]:
    """Returns the argument digests of the newest entries, newest first. Lists the folder only at the first miss."""
    folder = memo._store.folder(memo._function_name, call.definition)
    recent = _recent.get(folder)
    if recent is None:
        recent = _recent[folder] = _listed(folder)
    entries = recent[::-1]
    recent.append(call.arguments)  # a later search skips it if it was not stored
    del recent[:-_MAX_COMPARED]
    return entries


def _listed(folder: str) -> list[str]:
    try:
        dated = [(modified, name) for name, _, modified in Listing(folder, most=_MAX_LISTED)]
    except OSError:
        return []
    return [name for _, name in sorted(dated)[-_MAX_COMPARED:]]


def _count_files(memo: Memo[Any, Any], call: Call) -> None:
    """Logs once that a definition has many single files. Counts them at some misses only."""
    try:
        folder = memo._store.folder(memo._function_name, call.definition)
        count = _misses.get(folder, 0)
        _misses[folder] = count + 1
        if count % _COUNTED_MISSES or folder in _told:
            return
        # On common file systems, the size of a folder is at least the number of its files.
        if os.stat(folder).st_size < _MANY_FILES:
            return
        with os.scandir(folder) as files:
            names = (file for file in files if file.name.endswith(EXTENSION))
            if next(islice(names, _MANY_FILES, None), None) is None:
                return
        _told.add(folder)
        _log(
            f"{memo.__qualname__} has more than {_MANY_FILES:,} results in single files in {folder}: packed=True, or"
            " funes pack, keeps them in few files"
        )
    except OSError:  # there is no folder yet
        return


def _set_up() -> None:
    """Applies `FUNES_LOG`: lines go to standard error, unless the program configures logging."""
    level = setting("FUNES_LOG")
    if level is None:
        return
    import logging

    logger = logging.getLogger(_NAME)
    logger.setLevel(level)
    if not logger.hasHandlers():

        class StandardError(logging.StreamHandler):  # type: ignore[type-arg]
            """Writes to standard error as it is then, since progress bars of rich replace it."""

            def emit(self, record: logging.LogRecord) -> None:
                self.stream = sys.stderr
                super().emit(record)

            def format(self, record: logging.LogRecord) -> str:
                # One write: between two, the parent process might draw its bar.
                return _warnings.erasure() + super().format(record)

        handler = StandardError()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


_set_up()
