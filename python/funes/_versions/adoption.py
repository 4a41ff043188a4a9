"""The record that results of one definition serve another, in the `definition.json` of the latter."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from typing import Any, NamedTuple

from funes._definitions.recorded import FILE_NAME, Content, read_definition
from funes._entries import pickling
from funes._funes import hash_value, shown
from funes._versions.translation import Translation
from funes.errors import AdoptionError

__all__ = [
    "KEY",
    "Adoption",
    "adoptions_in",
    "adoptions_of",
    "may_have_adopted",
    "recorded",
    "storable",
]

#: Where in the file the records are.
KEY = "adopted"

#: How the file says so: a quote within a text has a backslash before it, so nothing else looks like this.
_MARK = b'"adopted"'


class Adoption(NamedTuple):
    """That results of an earlier definition serve the present one."""

    #: The earlier definition.
    definition: str
    #: What its arguments are now.
    translation: Translation
    #: Present argument hash -> that of the earlier definition; None if they are the same.
    arguments: dict[str, str] | None

    def former(self, arguments: str) -> str | None:
        """The hash that these arguments had; None if they had none."""
        return arguments if self.arguments is None else self.arguments.get(arguments)


def storable(add: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The values of added parameters as the file has them.

    Raises:
        AdoptionError: One cannot be stored.
    """
    return {name: _stored(name, value) for name, value in add.items()}


def recorded(
    function: str, into: str, adoption: Adoption, added: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """An adoption as the file has it; docs/format.md describes it.

    Args:
        function: The function's name.
        into: The definition that the results serve.
        adoption: What is to be recorded.
        added: What `storable` makes of the values that it adds.
    """
    translation = adoption.translation
    record = {
        "definition": adoption.definition,
        "add": added,
        "rename": translation.rename,
        "drop": list(translation.drop),
        "parameters": list(translation.parameters),
        "arguments": adoption.arguments,
    }
    return {**record, "checksum": _checksum(function, into, record)}


def _checksum(function: str, into: str, record: dict[str, Any]) -> str:
    # Of the names too: in another file the record would say what nobody has said.
    return hash_value(("funes adoption", function, into, record))


def _stored(name: str, value: Any) -> dict[str, str]:
    try:
        pickled = pickling.dump_entry({}, value, 0.0)
        stored = {"shown": shown(value), "pickle": _text(bytes(pickled.body))}
        if pickled.second is not None and pickled.spans is None:
            stored["named"] = _text(pickled.second)
        if hash_value(_loaded(stored)) == hash_value(value):
            return stored
        reason = "it is another value when it is read again"
    except Exception as error:
        reason = str(error)
    raise AdoptionError(f"the value to add for {name!r} cannot be stored: {reason}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _loaded(stored: dict[str, str]) -> Any:
    named = base64.b64decode(stored["named"]) if "named" in stored else None
    return pickling.load_entry(base64.b64decode(stored["pickle"]), named)["output"]


def adoptions_in(function: str, content: Content) -> tuple[Adoption, ...]:
    """The adoptions that the content of a `definition.json` records, the latest first.

    Raises:
        AdoptionError: They are not what was recorded.
    """
    try:
        into = content["definition"]
        return tuple(_adoption(function, into, record) for record in reversed(content[KEY]))
    except AdoptionError:
        raise
    except Exception as error:
        raise AdoptionError(f"the record of an adoption is damaged: {error!r}") from error


def _adoption(function: str, into: str, record: dict[str, Any]) -> Adoption:
    said = {part: value for part, value in record.items() if part != "checksum"}
    if record["checksum"] != _checksum(function, into, said):
        raise AdoptionError("the record of an adoption is not what was recorded")
    add = {name: _loaded(stored) for name, stored in record["add"].items()}
    translation = Translation(add, record["rename"], tuple(record["drop"]), record["parameters"])
    return Adoption(record["definition"], translation, record["arguments"])


class _Read(NamedTuple):
    """What a file held when it was read."""

    stamp: tuple[int, int, int]
    adoptions: tuple[Adoption, ...] = ()
    flaw: str = ""


#: By path. Nearly all files have no adoptions, and are read once in a process.
_read: dict[str, _Read] = {}


def adoptions_of(function: str, folder: str) -> tuple[Adoption, ...]:
    """The adoptions that are recorded in the folder of a definition, the latest first.

    As long as the file is the same, this takes one look at its date. What cannot be read has none.

    Raises:
        AdoptionError: The file is not what was recorded.
    """
    try:
        return _recorded_in(function, folder)
    except OSError:
        return ()


def may_have_adopted(function: str, folder: str) -> bool:
    """Whether adoptions are recorded in the folder of a definition, or that cannot be told now."""
    try:
        return bool(_recorded_in(function, folder))
    except (OSError, AdoptionError):
        return True


def _recorded_in(function: str, folder: str) -> tuple[Adoption, ...]:
    path = f"{folder}{os.sep}{FILE_NAME}"
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    read = _read.get(path)
    if read is None or read.stamp != stamp:
        try:
            read = _read[path] = _Read(stamp, _read_from(function, folder, path))
        except (AdoptionError, ValueError) as error:
            read = _read[path] = _Read(stamp, flaw=str(error))
    if read.flaw:
        raise AdoptionError(read.flaw)
    return read.adoptions


def _read_from(function: str, folder: str, path: str) -> tuple[Adoption, ...]:
    with open(path, "rb") as file:
        if _MARK not in file.read():
            return ()
    content = read_definition(folder)
    try:
        return adoptions_in(function, content) if content and KEY in content else ()
    except AdoptionError as error:
        raise AdoptionError(f"{path}: {error}") from error
