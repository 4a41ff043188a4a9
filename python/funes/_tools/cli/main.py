"""Where the command line begins. Nothing here needs what may be missing."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from typing import NoReturn

#: What the extra ``funes[cli]`` brings.
_NEEDED = ("click", "rich", "tqdm")


def main() -> NoReturn:
    """Run the command line with the arguments of this process, and end it."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        text = f"funes: the command line needs {' and '.join(missing)}: pip install 'funes[cli]'"
        print(text, file=sys.stderr)
        sys.exit(2)
    # A name or value that the terminal's encoding does not have must not end a listing.
    for stream in sys.stdout, sys.stderr:
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    warnings.showwarning = _warn  # type: ignore[assignment]
    from funes._tools.cli.commands import funes

    funes(prog_name="funes")
    raise AssertionError("click ends the process")


def _warn(message: Warning | str, *_: object) -> None:
    """A warning without the line of code that gives it, which is nobody's concern here."""
    print(f"Warning: {message}", file=sys.stderr)
