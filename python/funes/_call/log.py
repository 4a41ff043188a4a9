"""One line for each miss, for those who asked: ``FUNES_LOG=info``, or the logger ``funes`` at INFO.

`logging` is not imported for it: a program that has not imported it has not asked, unless by the variable.
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

#: How many entries, the newest, are compared with a call.
_ENTRIES = 20

#: At so many entries of a folder is looked to find the newest of them, once in a process.
_LISTED = 2000

#: The entries that were stored last, as far as this process knows, by folder.
_recent: dict[str, list[str]] = {}


#: The logger, once there is one.
_logger: Any = None


def is_on() -> bool:
    """Whether anybody wants to know."""
    global _logger
    if _logger is None:
        logging = sys.modules.get("logging")
        if logging is None:
            return False
        _logger = logging.getLogger(_NAME)
    is_enabled: bool = _logger.isEnabledFor(_INFO)
    return is_enabled


def tell(memo: Memo[Any, Any], call: Call) -> None:
    """Say that a call computes, and why. Raises nothing."""
    try:
        reason = hooks().explain_miss()(memo, call, _newest(memo, call))
    except Exception as error:
        reason = f"the reason cannot be told ({_warnings.one_line(error)})"
    _say(f"{memo.__qualname__} is computed: {reason}")


def tell_uncached(memo: Memo[Any, Any], error: Exception) -> None:
    """Say that a call computes, and that it has no key."""
    _say(f"{memo.__qualname__} is computed: {_warnings.one_line(error)}")


def _say(text: str) -> None:
    import logging

    logging.getLogger(_NAME).info("%s", text)


def _newest(memo: Memo[Any, Any], call: Call) -> list[str]:
    """The argument hashes of the newest entries, newest first, without listing the folder at each miss."""
    folder = memo._store.folder(memo._function_name, call.definition)
    recent = _recent.get(folder)
    if recent is None:
        recent = _recent[folder] = _listed(folder)
    entries = recent[::-1]
    recent.append(call.arguments)  # it will be there, or be skipped
    del recent[:-_ENTRIES]
    return entries


def _listed(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as files:
            entries = [file for file in islice(files, _LISTED) if file.name.endswith(".dill")]
            dated = [(file.stat().st_mtime_ns, file.name.partition(".")[0]) for file in entries]
    except OSError:
        return []
    return [arguments for _, arguments in sorted(dated)[-_ENTRIES:]]


def _set_up(wanted: str) -> None:
    """What `FUNES_LOG` asks for: the lines go to the standard error, unless the program says where."""
    import logging

    level = getattr(logging, wanted.strip().upper(), None)
    if not isinstance(level, int):
        _warnings.warn(
            f"FUNES_LOG={wanted} is not understood: FUNES_LOG=info tells why calls are computed"
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
