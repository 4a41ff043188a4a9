"""Small JSON files beside the entries, written atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def write_json(
    folder: str | os.PathLike[str],
    name: str,
    content: Any,
    *,
    shared: bool,
    durable: bool = False,
    publish: Callable[[str, str], None] = os.replace,
) -> None:
    """Writes a file into the folder of a definition, completely or not at all.

    Args:
        folder: The folder.
        name: The file's name.
        content: The content.
        shared: If true, the owner's group can access the file.
        durable: If true, the file is synced: after a power cut, either the former or the new file exists.
        publish: A function that gives the written file its name. By default, it replaces the former file.

    Raises:
        OSError: The file cannot be written. The former file stays, and no other file is left behind.
    """
    # Temporary entries have the same kind of name, so that one sweep deletes the remains of a
    # crash.
    temporary = os.path.join(folder, f".tmp-{os.urandom(8).hex()}")
    mode = 0o660 if shared else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:
            if os.name == "posix" and os.fstat(descriptor).st_mode & mode != mode:
                # An unusual umask removed permissions. A file system without its own permissions
                # may refuse.
                with suppress(OSError):
                    os.fchmod(descriptor, mode)
            json.dump(content, file, indent=1, ensure_ascii=False)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        publish(temporary, os.path.join(folder, name))
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def name_new(temporary: str, path: str) -> None:
    """Gives a written file its name. Raises FileExistsError if the name is taken. For `publish` of `write_json`."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError, AttributeError):  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)
    else:
        with suppress(OSError):  # a temporary name that stays is swept later
            os.unlink(temporary)


def is_shared(folder: str | os.PathLike[str]) -> bool:
    """Returns whether a folder was created with ``memorious(shared=True)``, by its write permission for the group."""
    return os.name == "posix" and os.stat(folder).st_mode & 0o020 != 0
