"""Says which files are no inputs of a function, and to which folder paths are relative.

The extension records the files that a function opens, see rust/py/src/reads/.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FunctionType

from funes._code.project_paths import project_of
from funes._code.user_code import library_roots

#: Folders of the system, whose files belong to the machine; and pseudo file systems.
_SYSTEM_FOLDERS = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/etc",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
)

#: The folder in which funes is installed.
_OWN = os.path.dirname(os.path.dirname(__file__))

#: The folder of the interpreter's own modules; as its path is spelled, and with links resolved.
_STANDARD = os.path.dirname(os.__file__)


def read_settings() -> tuple[str, list[str], list[str], tuple[int, int, int, int]]:
    """Returns what the extension must know of the interpreter and the system.

    Returns:
        The folder of funes; the folders of the standard library; the folders whose files do not count; the flags of
        `os.open` for a file that is created, truncated, or must not exist, and for one that is appended to.
    """
    standard = list(dict.fromkeys((_STANDARD, os.path.realpath(_STANDARD))))
    flags = tuple(getattr(os, name, 0) for name in ("O_CREAT", "O_TRUNC", "O_EXCL", "O_APPEND"))
    return _OWN, standard, _skipped_folders(), flags  # type: ignore[return-value]


def _skipped_folders() -> list[str]:
    folders = [*library_roots(), _STANDARD]
    # The folders of `sys.path` as they are spelled, beside those with links resolved.
    folders += [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    if os.name == "nt":
        folders.append(os.environ.get("SYSTEMROOT", "C:\\Windows"))
    else:
        folders += _SYSTEM_FOLDERS
    folders += _cache_folders()
    # The root folder of a file system is no folder to skip.
    return [folder for folder in dict.fromkeys(folders) if Path(folder).parent != Path(folder)]


def _cache_folders() -> tuple[str, ...]:
    """Returns the folder in which libraries cache files of their own, if the system has one."""
    if sys.platform == "win32":
        return ()
    if sys.platform == "darwin":
        return (os.path.expanduser("~/Library/Caches"),)
    return (os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),)


def project_folders(function: FunctionType) -> tuple[str, ...]:
    """Returns the folder from which the function's module is imported, as `project_of` does."""
    return project_of(function.__globals__)
