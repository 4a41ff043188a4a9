"""Attributes that a program sets on objects of libraries: `frame.unit = "m"`."""

from __future__ import annotations

import argparse
import datetime
import decimal
import fractions
import io
import ipaddress
import logging
import random
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import xarray as xr
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
    "polars frame": lambda: pytest.importorskip("polars").DataFrame({"a": [1]}),
    "polars series": lambda: pytest.importorskip("polars").Series([1]),
    "graph": lambda: nx.path_graph(2),
    "multigraph": lambda: nx.MultiDiGraph([(1, 2)]),
    "masked array": lambda: np.ma.array([1, 2], mask=[False, True]),
    "record array": lambda: np.rec.array([(1,)], dtype=[("a", int)]),
    "ordered dict": lambda: OrderedDict(a=1),
    "counter": lambda: Counter("a"),
    "chain map": lambda: ChainMap({"a": 1}),
    "bytes": lambda: io.BytesIO(b"a"),
    "text": lambda: io.StringIO("a"),
    "network": lambda: ipaddress.ip_network("10.0.0.0/31"),
    "interface": lambda: ipaddress.ip_interface("::1/64"),
    "logger": lambda: logging.Logger("a"),
    "type variable": lambda: TypeVar("T"),  # type: ignore[misc]
    "timestamp": lambda: pd.Timestamp("2020", tz="UTC"),
    "time difference": lambda: pd.Timedelta(1),
    "period": lambda: pd.Period("2020"),
    "type of categories": lambda: pd.CategoricalDtype(["a"]),
    "type of texts": pd.StringDtype,
    "type of times": lambda: pd.DatetimeTZDtype("ns", "UTC"),
    "function of numpy": lambda: np.vectorize(abs),
    "data tree": lambda: xr.DataTree(xr.Dataset({"a": 1})),
    "expression": lambda: pytest.importorskip("polars").col("a") + 1,
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


def test_an_attribute_of_an_instance_of_a_subclass_counts() -> None:
    """A type rule of a base class covers no attributes of the instances of a subclass."""
    bases: dict[type, tuple[Any, ...]] = {
        fractions.Fraction: (1, 2),
        decimal.Decimal: (1,),
        datetime.datetime: (2020, 1, 1),
        datetime.date: (2020, 1, 1),
        datetime.timedelta: (1,),
        type(Path("a")): ("a",),
        uuid.UUID: ("0" * 32,),
        OrderedDict: ({"a": 1},),
        deque: ([1],),
        defaultdict: (int,),
        Counter: ("a",),
        UserDict: ({"a": 1},),
        random.Random: (1,),
        np.ndarray: ((0,),),
        np.float64: (1.0,),
        pd.DataFrame: (),
        pd.Series: ([1],),
        argparse.Namespace: (),
        SimpleNamespace: (),
        int: (1,),
        str: ("a",),
        float: (1.0,),
        bytes: (b"a",),
        tuple: ((1,),),
        list: ([1],),
        dict: ({"a": 1},),
        set: ([1],),
        frozenset: ([1],),
        Elements: (1,),
    }
    for base, arguments in bases.items():
        kind = type(f"Own{base.__name__}", (base,), {"__module__": __name__})
        values = []
        for attributes in ({}, {"my_unit": "m"}, {"my_unit": "s"}):
            value = kind(*arguments)
            vars(value).update(attributes)
            values.append(value)
        assert_all_differ(values)
        before = hash_value(values[-1])
        str(values[-1]), repr(values[-1])
        with suppress(TypeError):
            hash(values[-1])
        assert hash_value(values[-1]) == before


class Elements(tuple[int, ...]):
    """A tuple whose constructor takes its elements one by one."""

    def __new__(cls, *elements: int) -> Elements:
        return super().__new__(cls, elements)

    def __getnewargs__(self) -> tuple[int, ...]:
        return tuple(self)


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


def test_a_frozen_graph_is_another_value() -> None:
    marked = nx.path_graph(2)
    marked.frozen = True
    assert_all_differ([nx.path_graph(2), nx.freeze(nx.path_graph(2)), marked])
    assert_all_differ([nx.DiGraph([(1, 2)]), nx.freeze(nx.DiGraph([(1, 2)]))])


def test_functions_in_the_place_of_methods_count() -> None:
    graphs = [nx.path_graph(2) for _ in range(3)]
    graphs[1].order = len
    graphs[2].order = max
    frame = pd.DataFrame({"a": [1]})
    vars(frame)["head"] = len
    assert_all_differ([*graphs, frame, pd.DataFrame({"a": [1]})])
    # Properties that a graph keeps in its attributes do not count.
    used = nx.path_graph(2)
    assert used.nodes
    assert used.edges
    assert used.adj
    assert_all_equal([used, nx.path_graph(2)])
