"""Reads and writes `definition.json`, the file beside the entries that records the definition graph."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from typing import Any, NamedTuple

from funes._atomic_json import name_new, write_json
from funes._funes import DESCRIPTION

FILE_NAME = DESCRIPTION

#: The version of the file format that is written. docs/format.md describes all versions.
FORMAT = 2

#: The format versions that can be read.
_FORMATS = (1, 2)

#: The start of the list of functions in the text of the file.
_FUNCTIONS = '"functions": '

#: The text of an empty list of nodes. The process that wrote it did not know the nodes, or may not
#: store them.
_NO_NODES = '"nodes": []'

#: The parsed content of the file.
Content = dict[str, Any]


def read_definition(folder: str | os.PathLike[str]) -> Content | None:
    """Reads the `definition.json` of a definition; returns None if there is none.

    Args:
        folder: The folder of the definition's entries. Its name is the definition hash.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, belongs to another definition, or has a newer format.
    """
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, encoding="utf-8", errors="surrogatepass") as file:
            content = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    problem = _problem(content, os.path.basename(os.path.normpath(folder)))
    if problem:
        raise ValueError(f"{path} {problem}")
    found: Content = content
    return found


def _problem(content: Any, definition: str) -> str:
    """Checks the parts on which every reader relies. Returns the problem; empty if the parts are valid."""
    if not isinstance(content, dict):
        return "is damaged: it is not a JSON object"
    if content.get("format") not in _FORMATS:
        return f"has the format {content.get('format')!r}; this version of funes reads 1 and 2"
    if content.get("definition") != definition:
        return f"belongs to the definition {content.get('definition')!r}"
    nodes = content.get("nodes")
    if not isinstance(nodes, list) or not all(_is_node(node, len(nodes)) for node in nodes):
        return "is damaged: its nodes are not valid"
    return ""


def libraries_in(content: Content | None) -> frozenset[str]:
    """Returns the top-level modules of the libraries that a definition names; empty if they are not recorded.

    Args:
        content: The content of `definition.json`; None if it is not known.
    """
    libraries = (content or {}).get("libraries")
    found = libraries if isinstance(libraries, list) else ()
    return frozenset(each for each in found if isinstance(each, str))


def _is_node(node: Any, count: int) -> bool:
    if not isinstance(node, dict) or not isinstance(node.get("links"), dict):
        return False
    if not all(isinstance(node.get(part), str) for part in ("name", "kind", "own", "source")):
        return False
    return all(
        isinstance(reference, dict)
        and all(isinstance(p, int) and 0 <= p < count for p in reference.get("nodes", ()))
        for reference in node["links"].values()
    )


class _Summary(NamedTuple):
    """The parts of a `definition.json` that a process keeps in memory."""

    stamp: tuple[int, int, int]
    functions: tuple[str, ...]
    #: False if the file has an empty list of nodes.
    has_nodes: bool


#: Summaries by path. A process reads a file again only if its stamp has changed.
_summaries: dict[str, _Summary] = {}


def read_functions(folder: str) -> tuple[str, ...]:
    """Returns the identities of the functions with this definition; empty if they are not known.

    Parses only the list of functions in the file.
    """
    try:
        return _summary(folder).functions
    except (OSError, ValueError):
        return ()


def is_recorded(folder: str, function: str) -> bool:
    """Returns true if `record_definition` would add nothing for the function with an identity."""
    try:
        found = _summary(folder)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return found.has_nodes and function in found.functions


def _summary(folder: str) -> _Summary:
    path = os.path.join(folder, FILE_NAME)
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
        raise ValueError(f"{path} is not a regular file")
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    summary = _summaries.get(path)
    if summary is None or summary.stamp != stamp:
        with open(path, encoding="utf-8", errors="surrogatepass") as file:
            text = file.read()
        functions = _functions(text, os.path.basename(folder))
        summary = _summaries[path] = _Summary(stamp, functions, _NO_NODES not in text)
    return summary


def _functions(text: str, definition: str) -> tuple[str, ...]:
    # JSON escapes quotes inside strings, so only the name of the list matches.
    start = text.find(_FUNCTIONS)
    if start < 0 or f'"definition": "{definition}"' not in text:
        return ()
    return _identities(json.JSONDecoder().raw_decode(text, start + len(_FUNCTIONS))[0])


def _identities(functions: Any) -> tuple[str, ...]:
    """Returns the identities in the list of functions; empty if it is none."""
    if not isinstance(functions, list) or not all(isinstance(each, str) for each in functions):
        return ()
    return tuple(each for each in functions if ":" in each)


def record_definition(folder: str, content: Content, *, shared: bool = False) -> None:
    """Writes `definition.json` into the folder of a definition, atomically.

    If the file exists, only two changes are made: the function is added to the list of functions,
    and the nodes are added if the file has none.

    Args:
        folder: The folder of the definition's entries.
        content: The content to write.
        shared: If true, the owner's group can access the file.

    Raises:
        OSError: The file cannot be written. An existing file stays as it was.
    """
    path = os.path.join(folder, FILE_NAME)
    if not os.path.lexists(path):
        try:
            write_json(folder, FILE_NAME, content, shared=shared, publish=name_new)
        except FileExistsError:  # another process was faster
            pass
        else:
            return
    try:
        present = read_definition(folder)
    except ValueError:  # a damaged or newer file is not repaired
        return
    if present is not None:
        merged = _merged(present, content)
        if merged != present:
            write_json(folder, FILE_NAME, merged, shared=shared)


def _merged(present: Content, content: Content) -> Content:
    """Adds the functions of a content to a present one, and the nodes if it has none."""
    kept = content if content["nodes"] and not present["nodes"] else present
    # The present one may have keys of its own, see `change_definition`.
    merged = {**present, **content, **kept}
    functions = (*_identities(present.get("functions")), *_identities(content.get("functions")))
    return {**merged, "functions": list(dict.fromkeys(functions))}


def merged_bytes(present: bytes, own: bytes, definition: str) -> bytes | None:
    """Merges the definition files of two machines.

    Args:
        present: The file that is to be replaced. A damaged one is replaced by the own file, and one with a newer format
            stays.
        own: The own file.
        definition: The definition hash.

    Returns:
        The content that replaces the present file; None if that file stays.

    Raises:
        ValueError: The own file is damaged.
    """
    content, found = _parsed(own), _parsed(present)
    if _problem(content, definition):
        raise ValueError("the definition file is damaged")
    if isinstance(found, dict) and found.get("format", 0) not in (0, *_FORMATS):
        return None  # a newer one
    if _problem(found, definition):
        return own
    merged = _merged(found, content)
    if merged == found:
        return None
    text = json.dumps(merged, indent=1, ensure_ascii=False)
    return text.encode(errors="surrogatepass")


def _parsed(file: bytes) -> Any:
    try:
        return json.loads(file.decode(errors="surrogatepass"))
    except (ValueError, RecursionError):
        return None


def change_definition(
    folder: str, change: Callable[[Content], Content], *, shared: bool = False
) -> None:
    """Replaces the `definition.json` in a folder, if it is readable and the change makes a difference.

    Args:
        folder: The folder of the definition's entries.
        change: A function that returns the new content. It must not change its argument.
        shared: If true, the owner's group can access the file.

    Raises:
        OSError: The file cannot be read or written. It stays as it was.
    """
    try:
        present = read_definition(folder)
    except ValueError:  # a damaged or newer file is not repaired
        return
    if present is not None and (changed := change(present)) != present:
        write_json(folder, FILE_NAME, changed, shared=shared)
