"""docs/architecture.md names files and functions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

#: A path, and the names that follow it after a colon, possibly on the next line.
LOCATION = re.compile(r"`([\w/]+/[\w/.]+)`(?::\s+((?:`\w+`(?:,\s+)?)+))?")
LOCATIONS = [(path, re.findall(r"`(\w+)`", names)) for path, names in LOCATION.findall(PAGE)]

DEFINITION = r"\b(?:def|class|fn|struct|enum|trait|type)\s+{name}\b|^\s*{name}\b.*=[^=]"


@pytest.mark.parametrize("path", sorted({path for path, _ in LOCATIONS}))
def test_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    ("path", "name"), sorted({(path, name) for path, names in LOCATIONS for name in names})
)
def test_name_on_the_page_is_defined_in_its_file(path: str, name: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(DEFINITION.format(name=name), source, re.M), f"{path} does not define {name}"


def test_every_row_of_the_tables_names_a_file() -> None:
    start = PAGE.index("## Where is")
    rows = [line for line in PAGE[start:].splitlines() if line.startswith("| ")]
    without = [row for row in rows if not LOCATION.search(row)]
    assert len(rows) > 60
    assert [row.split("|")[1].strip() for row in without] == [
        "behaviour",
        "term",
        "stale, invalidate, recompute",
    ]
