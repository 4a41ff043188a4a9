"""Starts the command line. This module imports no optional library."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from typing import NoReturn

#: The libraries of the extra ``funes[cli]``.
_LIBRARIES = ("click", "rich")


def main() -> NoReturn:
    """Runs the command line with the arguments of this process, and ends the process."""
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        text = f"funes: the command line needs {' and '.join(missing)}: pip install 'funes[cli]'"
        print(text, file=sys.stderr)
        sys.exit(2)
    # A character that the encoding of the terminal lacks must not end a listing.
    for stream in sys.stdout, sys.stderr:
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    warnings.showwarning = _warn  # type: ignore[assignment]
    from funes._tools.cli.commands import funes

    funes(prog_name="funes")
    raise AssertionError("click ends the process")


def _warn(message: Warning | str, *_: object) -> None:
    """Prints a warning without its line of code, which is of no use on the command line."""
    print(f"Warning: {message}", file=sys.stderr)
