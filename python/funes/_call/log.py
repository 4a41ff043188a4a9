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
from funes._funes import hooks

if TYPE_CHECKING:
    from funes._funes import Call
    from funes._memo.memo import Memo

_NAME, _INFO = "funes", 20

#: The number of newest entries that are compared with a call.
_MAX_COMPARED = 20

#: The maximum number of entries of a folder that are searched for the newest ones, once per
#: process.
_MAX_LISTED = 2000

#: The newest entries known to this process, by folder.
_recent: dict[str, list[str]] = {}


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
        with os.scandir(folder) as files:
            entries = [file for file in islice(files, _MAX_LISTED) if file.name.endswith(".dill")]
            dated = [(file.stat().st_mtime_ns, file.name.partition(".")[0]) for file in entries]
    except OSError:
        return []
    return [arguments for _, arguments in sorted(dated)[-_MAX_COMPARED:]]


def _set_up(wanted: str) -> None:
    """Applies `FUNES_LOG`: lines go to standard error, unless the program configures logging."""
    import logging

    level = getattr(logging, wanted.strip().upper(), None)
    if not isinstance(level, int):
        _warnings.warn(
            f"FUNES_LOG={wanted} is not a log level: FUNES_LOG=info logs why calls are computed"
        )
        return
    logger = logging.getLogger(_NAME)
    logger.setLevel(level)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


if os.environ.get("FUNES_LOG"):
    _set_up(os.environ["FUNES_LOG"])
