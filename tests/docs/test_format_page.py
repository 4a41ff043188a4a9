"""docs/format.md lists the tag bytes that the core writes."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_format_page_lists_every_tag() -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    source = (ROOT / "rust" / "core" / "src" / "tags.rs").read_text(encoding="utf-8")
    documented = re.findall(r"^\| 0x([0-9A-F]{2})(?: \.\.\. 0x18)? \| (\w+) \|", page, re.M)
    written = re.findall(r"^    (\w+) = 0x([0-9A-F]{2});$", source, re.M)
    assert len(written) > 25
    assert [(name, tag) for tag, name in documented] == written
