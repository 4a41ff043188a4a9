"""`definition.json`, which records beside the entries what their definition consists of."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from typing import Any, NamedTuple

from funes._atomic_json import write_json
from funes._funes import DESCRIPTION

FILE_NAME = DESCRIPTION

#: Version of the file; docs/format.md describes all of them.
FORMAT = 2

#: The versions that are understood.
_FORMATS = (1, 2)

#: How the file says which functions have the definition.
_FUNCTIONS = '"functions": '

#: How it says that the process that wrote it did not know the nodes, or may not tell.
_NO_NODES = '"nodes": []'

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


class _Read(NamedTuple):
    """What a file said when it was read."""

    stamp: tuple[int, int, int]
    functions: tuple[str, ...]
    #: Whether it says what the definition consists of.
    has_nodes: bool


#: By path. A file is read once in a process, as long as it is the same.
_read: dict[str, _Read] = {}


def read_functions(folder: str) -> tuple[str, ...]:
    """The identities of the functions that have this definition; empty if that is not known.

    Only the part of the file that says so is parsed.
    """
    try:
        return _looked_at(folder).functions
    except (OSError, ValueError):
        return ()


def is_recorded(folder: str, function: str) -> bool:
    """Whether `record_definition` would add nothing for a function of this identity."""
    try:
        found = _looked_at(folder)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return found.has_nodes and function in found.functions


def _looked_at(folder: str) -> _Read:
    path = os.path.join(folder, FILE_NAME)
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
        raise ValueError(f"{path} is no file")
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    read = _read.get(path)
    if read is None or read.stamp != stamp:
        with open(path, encoding="utf-8", errors="surrogatepass") as file:
            text = file.read()
        functions = _functions(text, os.path.basename(folder))
        read = _read[path] = _Read(stamp, functions, _NO_NODES not in text)
    return read


def _functions(text: str, definition: str) -> tuple[str, ...]:
    # A quote within a text has a backslash before it, so that nothing else looks like these.
    place = text.find(_FUNCTIONS)
    if place < 0 or f'"definition": "{definition}"' not in text:
        return ()
    found = json.JSONDecoder().raw_decode(text, place + len(_FUNCTIONS))[0]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        return ()
    return tuple(each for each in found if ":" in each)


def record_definition(folder: str, content: Content, *, shared: bool = False) -> None:
    """Write `definition.json` into the folder of a definition, whole or not at all.

    A file that is there stays, but for two things: the function is added to those that have this definition, and nodes
    to a file that has none.

    Args:
        folder: That of the definition's entries.
        content: What it is to hold.
        shared: Whether the owner's group may use it too.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    path = os.path.join(folder, FILE_NAME)
    if not os.path.lexists(path):
        try:
            write_json(folder, FILE_NAME, content, shared=shared, publish=_name_new)
        except FileExistsError:  # another process was faster
            pass
        else:
            return
    try:
        present = read_definition(folder)
    except ValueError:  # not ours to mend
        return
    if present is not None:
        functions = list(dict.fromkeys((*read_functions(folder), *content["functions"])))
        kept = content if content["nodes"] and not present["nodes"] else present
        merged = {**content, **kept, "functions": functions}
        if merged != present:
            write_json(folder, FILE_NAME, merged, shared=shared)


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
