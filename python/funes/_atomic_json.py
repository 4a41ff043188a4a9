"""Small files of JSON beside the entries: written whole or not at all."""

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
    """Write a file into the folder of a definition.

    Args:
        folder: Where.
        name: The file's name.
        content: What it is to hold.
        shared: Whether the owner's group may use it too.
        durable: Whether a power cut must leave the file of before or this one.
        publish: Gives the written file its name; by default in the place of what has it.

    Raises:
        OSError: It cannot be written; what was there stays, and nothing else is left behind.
    """
    # The same name rule as for entries that are being written: what a crash leaves behind is swept with them.
    temporary = os.path.join(folder, f".tmp-{os.urandom(8).hex()}")
    mode = 0o660 if shared else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:
            if os.name == "posix" and os.fstat(descriptor).st_mode & mode != mode:
                # An unusual umask took it away. A file system without permissions of its own may refuse.
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


def is_shared(folder: str | os.PathLike[str]) -> bool:
    """Whether the owner's group may write into a folder, as ``memorious(shared=True)`` has it."""
    return os.name == "posix" and os.stat(folder).st_mode & 0o020 != 0
