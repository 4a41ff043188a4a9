"""Segments: the reference implementation and the vectors agree byte for byte.

The core reads and writes the same vectors in its own tests.
"""

from __future__ import annotations

import json

import pytest

from reference import entries, packed
from vectors import make_packed


def test_packed_vectors_match_reference_implementation() -> None:
    text = make_packed.FILE.read_text(encoding="utf-8")
    assert text == make_packed.document(), "run tests/vectors/make_packed.py"
    for vector in json.loads(text):
        name = entries.Name(vector["function"], vector["definition"], "")
        records = packed.read(name, bytes.fromhex(vector["file"]))
        there = packed.stored(name, records)
        expected = [entry["arguments"] for entry in vector["entries"] if not entry["is_deleted"]]
        assert list(there) == expected
        assert len(there) == len(vector["entries"]) - len(vector["deleted"])


def test_reference_refuses_a_segment_of_another_definition_or_with_any_byte_changed() -> None:
    vector = json.loads(make_packed.FILE.read_text(encoding="utf-8"))[0]
    name = entries.Name(vector["function"], vector["definition"], "")
    file = bytes.fromhex(vector["file"])
    with pytest.raises(entries.DamagedError):
        packed.read(name._replace(function="other"), file)
    for at in range(len(file)):
        changed = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        with pytest.raises((entries.DamagedError, entries.OtherFormatError)):
            packed.read(name, changed)
