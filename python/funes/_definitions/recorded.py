"""`definition.json`, which records beside the entries what their definition consists of."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from funes._funes import DESCRIPTION, forget_surveys
from funes._whole import write_json

__all__ = [
    "FILE_NAME",
    "FORMAT",
    "Content",
    "read_definition",
    "replace_definition",
    "write_definition",
]

FILE_NAME = DESCRIPTION

#: Version of the file; docs/format.md describes all of them.
FORMAT = 2

#: The versions that are understood.
_FORMATS = (1, 2)

#: What the file holds.
Content = dict[str, Any]


def read_definition(folder: str | os.PathLike[str]) -> Content | None:
    """What the `definition.json` of a definition holds; None if there is none.

    Args:
        folder: That of the definition's entries, whose name is the definition hash.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not what funes writes, or not this definition's, or of a later version.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, encoding="utf-8", errors="surrogatepass") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not what was written: {error}") from error
    flaw = _flaw(content, os.path.basename(os.path.normpath(folder)))
    if flaw:
        raise ValueError(f"{path} {flaw}")
    found: Content = content
    return found


def _flaw(content: Any, definition: str) -> str:
    """What is wrong with the parts that every reader relies on; empty if nothing is."""
    if not isinstance(content, dict):
        return "is not what was written: it holds no object"
    if content.get("format") not in _FORMATS:
        return f"has the format {content.get('format')!r}; this funes reads 1 and 2"
    if content.get("definition") != definition:
        return f"belongs to the definition {content.get('definition')!r}"
    nodes = content.get("nodes")
    if not isinstance(nodes, list) or not all(_is_node(node, len(nodes)) for node in nodes):
        return "is not what was written: its nodes are damaged"
    return ""


def _is_node(node: Any, count: int) -> bool:
    if not isinstance(node, dict) or not isinstance(node.get("links"), dict):
        return False
    if not all(isinstance(node.get(part), str) for part in ("name", "kind", "own", "source")):
        return False
    return all(
        isinstance(link, dict)
        and all(isinstance(p, int) and 0 <= p < count for p in link.get("nodes", ()))
        for link in node["links"].values()
    )


def write_definition(
    folder: str | os.PathLike[str], content: Content, *, shared: bool = False
) -> None:
    """Write `definition.json` into the folder of a definition, whole or not at all, unless it is there.

    Args:
        folder: That of the definition's entries.
        content: What it is to hold.
        shared: Whether the owner's group may use it too.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    path = os.path.join(folder, FILE_NAME)
    if not os.path.lexists(path):
        with suppress(FileExistsError):  # somebody was faster, and may have added to it meanwhile
            write_json(folder, FILE_NAME, content, shared=shared, publish=_name_new)


def replace_definition(
    folder: str | os.PathLike[str], content: Content, *, shared: bool = False
) -> None:
    """The same, in the place of what is there, and so that a power cut leaves the one or the other.

    Who does this has to keep others from doing it at the same time.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    write_json(folder, FILE_NAME, content, shared=shared, durable=True)
    forget_surveys()


def _name_new(temporary: str, path: str) -> None:
    """Give a file a name that no file has."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError, AttributeError):  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(temporary, path)
    else:
        with suppress(OSError):  # it has its name; the other one is swept later
            os.unlink(temporary)
