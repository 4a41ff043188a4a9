"""docs/supported-types.md names every type rule and every refusal, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from funes._values import rules

PAGE = (Path(__file__).parents[2] / "docs" / "supported-types.md").read_text(encoding="utf-8")
TABLES, REFUSED = PAGE.split("\n## Refused\n")
LIBRARIES = {name.partition(".")[0] for name, _ in rules.RULES.values()}


@pytest.mark.parametrize("name", sorted({name for name, _ in rules.RULES.values()}))
def test_every_rule_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in TABLES


OF_LIBRARIES = sorted(name for name in rules.REFUSALS if not name.startswith("funes."))


@pytest.mark.parametrize("name", OF_LIBRARIES)
def test_every_refused_type_is_in_the_table(name: str) -> None:
    assert f"`{name.rpartition('.')[2].lstrip('_')}`" in REFUSED


def test_every_fully_named_type_has_a_rule() -> None:
    named = set(re.findall(r"`((?:\w+\.)+\w+)`", TABLES))
    # Types that count by their pickle or by their definition, and names that are not types.
    known = {"functools.partial", "functools.cached_property", "random.Random", "enum.Enum", "funes.register",
             "numpy.random.seed"}  # fmt: skip
    assert {name for name in named if name.partition(".")[0] in LIBRARIES} <= known | {
        name for name, _ in rules.RULES.values()
    }
