"""What a value does not show: the context of decimals, the mapping behind a proxy, the metadata of a data type."""

from __future__ import annotations

import decimal
from collections import ChainMap, Counter, OrderedDict, defaultdict
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from funes import hash_value, memorious
from values.comparing import assert_all_differ, assert_all_equal

CHANGES: dict[str, object] = {
    "prec": 5,
    "rounding": decimal.ROUND_UP,
    "Emax": 9,
    "Emin": -9,
    "capitals": 0,
    "clamp": 1,
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_context_counts_with_a_decimal(name: str) -> None:
    value = [Decimal("1.50")]
    before = hash_value(value)
    with decimal.localcontext() as context:
        assert hash_value(value) == before
        setattr(context, name, CHANGES[name])
        assert hash_value(value) != before
        assert hash_value([1.5]) == hash_value([1.5])
    assert hash_value(value) == before


def test_a_trap_counts_with_a_decimal() -> None:
    value = Decimal(1)
    before = hash_value(value)
    with decimal.localcontext() as context:
        context.traps[decimal.Inexact] = True
        assert hash_value(value) != before


@pytest.mark.parametrize("held", [list, tuple, pd.Series, lambda parts: np.array(parts, object)])
def test_code_that_names_no_decimal_computes_in_the_context(held: Any, cache: Path) -> None:
    @memorious
    def third(parts: Any) -> Any:
        return sum(parts) / 3

    parts = [Decimal(1), Decimal(0)]
    long = third(held(parts))
    with decimal.localcontext() as context:
        context.prec = 3
        assert third(held(parts)) == Decimal("0.333")
    assert third(held(parts)) == long == Decimal(1) / 3


def test_a_proxy_counts_by_the_mapping_behind_it() -> None:
    assert_all_differ(
        map(
            MappingProxyType,
            [
                {"a": 1, "b": 2},
                OrderedDict(a=1, b=2),
                OrderedDict(b=2, a=1),
                Counter(a=1, b=2),
                defaultdict(int, a=1, b=2),
                defaultdict(list, a=1, b=2),
                ChainMap({"a": 1, "b": 2}),
            ],
        )
    )
    assert_all_equal([MappingProxyType({"a": 1, "b": 2}), MappingProxyType({"b": 2, "a": 1})])


def test_metadata_of_a_data_type_counts() -> None:
    text, data = (np.dtype("O", metadata={"vlen": kind}) for kind in (str, bytes))
    assert_all_differ([np.dtype("O"), text, data, np.dtype("O", metadata={"vlen": str, "a": 1})])
    one, other = (np.dtype("i1", metadata={"enum": {name: 0}}) for name in "ab")
    assert_all_differ(np.zeros(2, kind) for kind in ("i1", one, other))
    assert_all_differ(np.zeros(2, [("x", kind)]) for kind in ("i1", one, other))
    assert_all_equal([np.zeros(4, one)[::2], np.zeros(2, one)])
