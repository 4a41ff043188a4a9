"""Attributes that a program sets on objects of libraries: `frame.unit = "m"`."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from funes import hash_value, memorious
from funes.errors import UnhashableArgumentError
from values.comparing import assert_all_differ, assert_all_equal

MAKERS: dict[str, Callable[[], Any]] = {
    "frame": lambda: pd.DataFrame({"a": [1]}),
    "series": lambda: pd.Series([1]),
    "index": lambda: pd.Index(["a"]),
    "multi index": lambda: pd.MultiIndex.from_tuples([(1, 2)]),
    "dates": lambda: pd.DatetimeIndex(["2020"]),
    "categorical": lambda: pd.Categorical(["a"]),
    "integers": lambda: pd.array([1], "Int64"),
    "polars frame": lambda: pl.DataFrame({"a": [1]}),
    "polars series": lambda: pl.Series([1]),
    "graph": lambda: nx.path_graph(2),
    "multigraph": lambda: nx.MultiDiGraph([(1, 2)]),
    "masked array": lambda: np.ma.array([1, 2], mask=[False, True]),
    "record array": lambda: np.rec.array([(1,)], dtype=[("a", int)]),
    "ordered dict": lambda: OrderedDict(a=1),
    "counter": lambda: Counter("a"),
    **{
        f"{name}": lambda name=name: getattr(sparse, f"{name}_array")(np.eye(2))
        for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_an_attribute_that_was_set_counts(name: str) -> None:
    plain, metres, seconds, both = (MAKERS[name]() for _ in range(4))
    metres.my_unit = both.my_unit = "m"
    seconds.my_unit = "s"
    both.scale = 2
    assert_all_differ([plain, metres, seconds, both])
    again = MAKERS[name]()
    again.scale, again.my_unit = 2, "m"
    assert_all_equal([both, again])


@pytest.mark.parametrize("name", MAKERS)
def test_what_an_object_keeps_for_itself_does_not_count(name: str) -> None:
    value = MAKERS[name]()
    before = hash_value(value)
    for attribute in dir(type(value)):
        if not attribute.startswith("_") and isinstance(
            vars(type(value)).get(attribute, property()), property
        ):
            with suppress(Exception):
                getattr(value, attribute)
    repr(value)
    assert hash_value(value) == before


def test_the_way_to_a_culprit_is_told() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.__dict__["source"] = open(__file__)  # noqa: SIM115
    with frame.__dict__["source"], pytest.raises(UnhashableArgumentError, match="open file"):
        hash_value({"a": frame})


def test_a_call_sees_the_attribute(cache: Path) -> None:
    @memorious
    def unit(series: Any) -> Any:
        return series.unit

    one, other = pd.Series([1]), pd.Series([1])
    one.__dict__["unit"], other.__dict__["unit"] = "m", "s"
    assert [unit(one), unit(other), unit(one)] == ["m", "s", "m"]
    one.__dict__["unit"] = "km"
    assert unit(one) == "km"


def test_a_frozen_graph_is_the_graph() -> None:
    assert_all_equal([nx.path_graph(2), nx.freeze(nx.path_graph(2))])
