"""The reference implementation of segments, written from docs/format.md alone: writer and reader.

It shares only the BLAKE3 primitive with the extension. It reads packs too, except compressed records.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import blake3

from reference.entries import DamagedError, Entry, Name, OtherFormatError, write

VERSION = 1
SEGMENT, PACK = b"\x89fseg\r\n\x1a", b"\x89fpak\r\n\x1a"
HEADER = 48
RESULT, TOMBSTONE, INDEX, END = 1, 2, 3, 4
COMPRESSED, SIGNED = 1, 2


class Record(NamedTuple):
    """A record. The payload of a result is the time, the length of the body, body, footer and MAC."""

    kind: int
    flags: int
    digest: bytes
    payload: bytes


def result(name: Name, entry: Entry, time: int, key: bytes | None = None) -> Record:
    """Returns the record of an entry that was stored at a time, in nanoseconds since 1970."""
    file = write(name, entry, key)
    payload = struct.pack("<qI", time, len(entry.body)) + file[:-96]
    mac = b"" if key is None else file[-80:-48]
    return Record(
        RESULT, 0 if key is None else SIGNED, bytes.fromhex(name.arguments), payload + mac
    )


def tombstone(name: Name, *records: Record) -> Record:
    """Returns the record that deletes other records of the same digest."""
    sums = b"".join(_sum(name, record) for record in records)
    return Record(TOMBSTONE, 0, records[0].digest, sums)


def segment(name: Name, records: list[Record]) -> bytes:
    """Returns a segment that was closed properly."""
    file = _header(SEGMENT, name)
    entries, tombstones = [], []
    for record in records:
        if record.kind == RESULT:
            entries.append((record.digest[:8], len(file)))
        else:
            tombstones.append(len(file))
        file += _record(name, record)
    index = len(file)
    file += _record(name, Record(INDEX, 0, bytes(20), _index(sorted(entries), tombstones)))
    return file + _record(name, Record(END, 0, bytes(20), struct.pack("<QQ", index, 0)))


def read(name: Name, file: bytes) -> list[Record]:
    """Parses a file: returns its records, except the index and the end mark.

    Raises:
        DamagedError: A byte has changed, or the file belongs to another definition.
        OtherFormatError: It has another version of the format.
    """
    version, inverse = struct.unpack("<II", file[8:16])
    if file[:8] not in (SEGMENT, PACK) or version ^ 0xFFFFFFFF != inverse:
        raise DamagedError("the header")
    if version != VERSION:
        raise OtherFormatError(version)
    if file[:HEADER] != _header(file[:8], name):
        raise DamagedError("the header")
    found, at = [], HEADER
    while at < len(file):
        length, kind, flags = struct.unpack("<IBB", file[at : at + 6])
        start = at + 28
        record = Record(kind, flags, file[at + 8 : start], file[start : start + length])
        whole = _record(name, record)
        if file[at : at + len(whole)] != whole:
            raise DamagedError(f"the record at {at}")
        if kind == INDEX:
            entries = sorted(
                (item.digest[:8], place) for place, item in found if item.kind == RESULT
            )
            if record.payload != _index(
                entries, [p for p, item in found if item.kind == TOMBSTONE]
            ):
                raise DamagedError("the index")
        found.append((at, record))
        at += len(whole)
    return [record for _, record in found if record.kind in (RESULT, TOMBSTONE)]


def stored(name: Name, records: list[Record]) -> dict[str, bytes]:
    """Returns the results that are not deleted: the body and footer of each argument hash."""
    killed = {
        (record.digest, record.payload[at : at + 16])
        for record in records
        if record.kind == TOMBSTONE
        for at in range(0, len(record.payload), 16)
    }
    found: dict[str, bytes] = {}
    for record in records:
        if record.kind == RESULT and (record.digest, _sum(name, record)) not in killed:
            end = len(record.payload) - (32 if record.flags & SIGNED else 0)
            found.setdefault(record.digest.hex(), record.payload[12:end])
    return found


def _header(magic: bytes, name: Name) -> bytes:
    header = magic + struct.pack("<II", VERSION, VERSION ^ 0xFFFFFFFF)
    header += bytes.fromhex(name.definition) + bytes(4)
    return header + blake3.blake3(header).digest(8)


def _record(name: Name, record: Record) -> bytes:
    opening = struct.pack("<IBB", len(record.payload), record.kind, record.flags)
    head = (
        opening + struct.pack("<H", _head_hash(opening + bytes(2) + record.digest)) + record.digest
    )
    whole = head + record.payload + _sum(name, record)
    return whole + bytes(-len(whole) % 8)


def _head_hash(head: bytes) -> int:
    mixed = 0
    for word in struct.unpack("<QQQI", head):
        mixed = ((mixed ^ word) * 0x9E3779B97F4A7C15) % 2**64
        mixed ^= mixed >> 32
    return max(mixed % 2**16, 1)


def _sum(name: Name, record: Record) -> bytes:
    encoded = [part.encode() for part in name[:2]]
    names = b"".join(struct.pack("<Q", len(part)) + part for part in encoded)
    key = blake3.blake3(names, derive_key_context="funes 2026-11 record 1 sum").digest()
    start = bytes([record.kind, record.flags & ~COMPRESSED]) + record.digest
    return blake3.blake3(start + record.payload, key=key).digest(16)


def _index(entries: list[tuple[bytes, int]], tombstones: list[int]) -> bytes:
    bits = max((len(entries) // 16).bit_length() - 1, 0)
    numbers = [int.from_bytes(prefix, "big") for prefix, _ in entries]
    buckets = [number >> (64 - bits) for number in numbers]
    index = struct.pack("<QQII", len(entries), 0, bits, len(tombstones))
    for bucket in range(2**bits + 1):
        index += struct.pack("<I", sum(other < bucket for other in buckets))
    for number in numbers:
        index += struct.pack("<H", (number << bits) % 2**64 >> 48)
    offsets = [offset for _, offset in entries] + tombstones
    return index + b"".join(offset.to_bytes(5, "little") for offset in offsets)
