"""Writes `runs.json`: run records with their ids, from the reference implementation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.runs import run_id

FILE = Path(__file__).with_name("runs.json")

RECORDS: list[dict[str, Any]] = [
    {
        "format": 1,
        "python": "3.12.4",
        "implementation": "cpython",
        "platform": "Linux 6.1.0 x86_64",
        "packages": {"numpy": "2.3.5", "pandas": "3.0.0"},
        "commit": "5d41402abc4b2a76b9719d911017c592ae1f2b3c",
        "dirty": False,
        "host": "node7",
        "written": "2026-11-30T10:04:05+00:00",
    },
    {
        "format": 1,
        "python": "3.14.0",
        "implementation": "cpython",
        "platform": "Darwin 25.0.0 arm64",
        "packages": {"größe": "1.0"},
        "commit": None,
        "dirty": None,
        "host": "",
        "written": "2026-11-30T10:04:05+00:00",
        "a key of a later version": [1, "two"],
    },
]


def document() -> str:
    """Returns the text of the file."""
    records = [{"id": run_id(record), **record} for record in RECORDS]
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
