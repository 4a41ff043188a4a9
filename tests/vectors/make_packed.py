"""Writes packed.json: segments and what is in them, from the reference implementation.

python tests/vectors/make_packed.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.entries import Buffered, Entry, Head, Name, write
from reference.packed import Record, result, segment, stored, tombstone

FILE = Path(__file__).with_name("packed.json")

DEFINITION = "0123456789abcdef0123456789abcdef01234567"
TIME = 1_800_000_000_123_456_789
INPUTS = b"\x80\x05}\x8c\x05input}\x8c\x01xK\x01ss."


def _entry(number: int) -> Entry:
    body = b"\x80\x05\x8c" + bytes([number % 100]) + b"x" * (number % 100) + b"."
    return Entry(body, Head(number / 8, Buffered(INPUTS)))


def _name(number: int) -> Name:
    # The digests are spread over all buckets of the index.
    return Name("größe", DEFINITION, f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:024x}")


def document() -> str:
    """Returns the text of the file."""
    vectors = []
    for title, count, deleted, key in [
        ("few results", 3, [], None),
        ("signed results", 2, [], b"a key"),
        ("deleted results", 5, [1, 4], None),
        ("an index with buckets", 100, [7], None),
    ]:
        results = [
            result(_name(number), _entry(number), TIME + number, key) for number in range(count)
        ]
        records: list[Record] = [
            *results,
            *(tombstone(_name(0), results[number]) for number in deleted),
        ]
        there = stored(_name(0), records)
        vector: dict[str, Any] = {"name": title, "function": "größe", "definition": DEFINITION}
        vector["key"] = key and key.hex()
        vector["deleted"] = [_name(number).arguments for number in deleted]
        vector["entries"] = [
            {
                "arguments": _name(number).arguments,
                "time": TIME + number,
                "body": _entry(number).body.hex(),
                "file": write(_name(number), _entry(number), key).hex(),
                "is_deleted": _name(number).arguments not in there,
            }
            for number in range(count)
        ]
        vector["file"] = segment(_name(0), records).hex()
        vectors.append(vector)
    return json.dumps(vectors, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
