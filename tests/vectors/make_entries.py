"""Writes entries.json: files of entries and their content, from the reference implementation.

python tests/vectors/make_entries.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.entries import Buffered, Entry, Head, Name, write

FILE = Path(__file__).with_name("entries.json")

DEFINITION = "0123456789abcdef0123456789abcdef01234567"
ARGUMENTS = "89abcdef0123456789abcdef0123456789abcdef"
NAME = Name("double", DEFINITION, ARGUMENTS)

# {'input': {'x': 1}, 'output': 2, 'time': 0.25}, and the first item alone.
BODY = (
    b"\x80\x05}(\x8c\x05input}\x8c\x01xK\x01s\x8c\x06outputK\x02\x8c\x04timeG?\xd0"
    + bytes(6)
    + b"u."
)
INPUTS = b"\x80\x05}\x8c\x05input}\x8c\x01xK\x01ss."

# {'input': {'x': 1}, 'error': ValueError(2), 'links': [], 'time': 0.25}
ERROR = (
    b"\x80\x05}(\x8c\x05input}\x8c\x01xK\x01s\x8c\x05error"
    b"\x8c\x08builtins\x8c\x0aValueError\x93K\x02\x85R\x8c\x05links]\x8c\x04timeG?\xd0"
    + bytes(6)
    + b"u."
)

#: A name, the key of the entry, its content, its signing key.
ENTRIES: list[tuple[str, Name, Entry, bytes | None]] = [
    ("as most are", NAME, Entry(BODY, Head(0.25, Buffered(INPUTS))), None),
    ("signed", NAME, Entry(BODY, Head(0.25, Buffered(INPUTS))), b"a key"),
    ("a large argument's", Name("", DEFINITION, DEFINITION), Entry(b"\x80\x05N."), None),
    ("a name beyond ASCII", Name("größe <lambda>", *NAME[1:]), Entry(BODY), None),
    (
        "every section",
        NAME,
        Entry(
            BODY,
            Head(1e300, Buffered(b"\x80\x05\x97.", ((0, 1),))),
            Buffered(b"\x80\x05\x97\x97\x86.", ((2, 3), (len(BODY), 0))),
            Buffered(b"\x80\x05\x97.", ((0, len(BODY)),)),
        ),
        None,
    ),
    ("with a maximum age", NAME, Entry(BODY, Head(0.25, Buffered(INPUTS)), max_age=3600.0), None),
    (
        "with the id of a run",
        NAME,
        Entry(BODY, Head(0.25, Buffered(INPUTS)), run=bytes(range(16))),
        None,
    ),
    (
        "a remembered error",
        Name("double", DEFINITION, f"{ARGUMENTS}.error"),
        Entry(ERROR, Head(0.25, Buffered(INPUTS))),
        None,
    ),
    (
        "sections of a later funes",
        NAME,
        Entry(
            BODY,
            Head(0.25, Buffered(INPUTS)),
            unknown=((b"mode", b"\x00" * 5), (b"when", b""), (b"\xff\x00\xff\x00", b"?")),
        ),
        b"a key",
    ),
]


def document() -> str:
    """Returns the text of the file."""
    vectors = []
    for name, names, entry, key in ENTRIES:
        vector: dict[str, Any] = {"name": name, **names._asdict(), "key": key and key.hex()}
        vector["body"] = entry.body.hex()
        vector["seconds"] = entry.head and entry.head.seconds
        vector["head"] = _described(entry.head and entry.head.inputs)
        vector["main"], vector["fast"] = _described(entry.main), _described(entry.fast)
        vector["max_age"] = entry.max_age
        vector["run"] = entry.run and entry.run.hex()
        vector["unknown"] = len(entry.unknown)
        vector["file"] = write(names, entry, key).hex()
        vectors.append(vector)
    return json.dumps(vectors, indent=1) + "\n"


def _described(pickle: Buffered | None) -> dict[str, Any] | None:
    return pickle and {"pickle": pickle.pickle.hex(), "buffers": pickle.buffers}


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
