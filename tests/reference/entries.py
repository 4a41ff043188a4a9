"""The reference implementation of entry files, written from docs/format.md alone: writer and reader.

It is slow and simple: an executable specification. It shares only the BLAKE3 primitive with the
extension.
"""

from __future__ import annotations

import hmac
import re
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import blake3

VERSION = 2
MAGIC = b"\x89funes\r\n"
TRAILER = 96
#: The sections that a reader must know.
TAGS = (b"head", b"main", b"fast", b"aged", b"runs")


class Name(NamedTuple):
    """The names that the checksum of an entry covers. ``.error`` follows the arguments of a remembered error."""

    function: str
    definition: str
    arguments: str


class Buffered(NamedTuple):
    """A pickle with the positions of its buffers in the body: pairs of offset and length."""

    pickle: bytes
    buffers: tuple[tuple[int, int], ...] = ()


class Head(NamedTuple):
    """The section `head`."""

    seconds: float
    inputs: Buffered


@dataclass(frozen=True)
class Entry:
    """The content of a file."""

    body: bytes
    head: Head | None = None
    main: Buffered | None = None
    fast: Buffered | None = None
    #: Sections with unknown tags.
    unknown: tuple[tuple[bytes, bytes], ...] = field(default=())
    #: The section `aged`.
    max_age: float | None = None
    #: The section `runs`.
    run: bytes | None = None


class DamagedError(ValueError):
    """The file is damaged, or was stored under another name."""


class ForeignError(ValueError):
    """The file is intact, but not signed with the reader's signing key."""


class OtherFormatError(ValueError):
    """The file has another version of the format."""


def write(name: Name, entry: Entry, key: bytes | None = None) -> bytes:
    """Returns the bytes of an entry's file, signed if there is a signing key."""
    sections = []
    if entry.head is not None:
        time = struct.pack("<d", entry.head.seconds)
        sections.append((b"head", time + _with_buffers(entry.head.inputs)))
    for tag, pickle in ((b"main", entry.main), (b"fast", entry.fast)):
        if pickle is not None:
            sections.append((tag, _with_buffers(pickle)))
    if entry.max_age is not None:
        sections.append((b"aged", struct.pack("<d", entry.max_age)))
    if entry.run is not None:
        sections.append((b"runs", entry.run))
    sections += entry.unknown
    footer = b"".join(tag + _number(len(content)) + content for tag, content in sections)
    file = entry.body + footer + _number(len(entry.body)) + _number(len(footer))
    file += bytes(32) if key is None else _mac(name, file, key)
    file += _checksum(name, file)
    return file + struct.pack("<II", VERSION, VERSION ^ 0xFFFFFFFF) + MAGIC


def read(name: Name, file: bytes, key: bytes | None = None) -> Entry:
    """Parses the file of an entry.

    Raises:
        DamagedError: It is damaged, or was stored under another name.
        OtherFormatError: It has another version of the format.
        ForeignError: There is a signing key, and the file was signed with none or another one.
    """
    if len(file) < 16 or file[-8:] != MAGIC:
        raise DamagedError("the end")
    version, inverse = struct.unpack("<II", file[-16:-8])
    if version ^ 0xFFFFFFFF != inverse or version == 0:
        raise DamagedError("the version")
    if version != VERSION:
        raise OtherFormatError(version)
    if len(file) < TRAILER:
        raise DamagedError("the length")
    body, footer = struct.unpack("<QQ", file[-96:-80])
    if body + footer + TRAILER != len(file):
        raise DamagedError("the lengths")
    if _checksum(name, file[:-48]) != file[-48:-16]:
        raise DamagedError("the checksum")
    if key is not None and not hmac.compare_digest(_mac(name, file[:-80], key), file[-80:-48]):
        raise ForeignError("the MAC")
    if file[body - 1 : body] != b".":
        raise DamagedError("the body")
    sections = _sections(file[body : body + footer])
    known = {tag: content for tag, content in sections if tag in TAGS}
    if len(known) != sum(tag in TAGS for tag, _ in sections):
        raise DamagedError("a section twice")
    head, main, fast, aged, run = map(known.get, TAGS)
    if aged is not None and len(aged) != 8:
        raise DamagedError("the maximum age")
    if run is not None and len(run) != 16:
        raise DamagedError("the id of the run")
    time_and_inputs = head and Head(*struct.unpack("<d", head[:8]), _buffered(head[8:], body))
    return Entry(
        file[:body],
        time_and_inputs,
        main and _buffered(main, body),
        fast and _buffered(fast, body),
        tuple(section for section in sections if section[0] not in TAGS),
        None if aged is None else struct.unpack("<d", aged)[0],
        run,
    )


def _sections(footer: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while footer:
        if len(footer) < 12:
            raise DamagedError("a section")
        tag, length = footer[:4], int.from_bytes(footer[4:12], "little")
        content, footer = footer[12 : 12 + length], footer[12 + length :]
        if len(content) != length:
            raise DamagedError("a section")
        found.append((tag, content))
    return found


def _with_buffers(pickle: Buffered) -> bytes:
    rows = b"".join(_number(offset) + _number(length) for offset, length in pickle.buffers)
    return _number(len(pickle.buffers)) + rows + pickle.pickle


def _buffered(content: bytes, body: int) -> Buffered:
    count = int.from_bytes(content[:8], "little")
    start = 8 + 16 * count
    if len(content) <= start:
        raise DamagedError("a table of buffers")
    buffers = tuple(struct.iter_unpack("<QQ", content[8:start]))
    if any(offset + length > body for offset, length in buffers):
        raise DamagedError("a buffer")
    return Buffered(content[start:], buffers)


def _number(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _names(name: Name) -> bytes:
    encoded = [re.sub("[\ud800-\udfff]", "\ufffd" * 3, part).encode() for part in name]
    return b"".join(_number(len(part)) + part for part in encoded)


def _checksum(name: Name, file: bytes) -> bytes:
    context = "funes 2026-11 entry 2 checksum"
    return blake3.blake3(_names(name) + file, derive_key_context=context).digest()


def _mac(name: Name, file: bytes, key: bytes) -> bytes:
    derived = blake3.blake3(key, derive_key_context="funes 2026-11 entry 2 mac").digest()
    return blake3.blake3(_names(name) + file, key=derived).digest()
