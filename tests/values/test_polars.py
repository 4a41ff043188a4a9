"""polars: names, types and elements count; chunks, slices and memory under nulls do not."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from funes import UnhashableArgumentError, hash_value
from funes._values import polars
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

pl: Any = pytest.importorskip("polars")

PAIR = pl.Struct({"a": pl.Int8, "b": pl.String})

#: Data types with values, of which the second is null.
KINDS: dict[str, tuple[Any, list[Any]]] = {
    str(kind): (kind, values)
    for kind, values in [
        (pl.Boolean(), [True, None, False]),
        (pl.Int8(), [1, None, 3]),
        (pl.Int64(), [1, None, 3]),
        (pl.UInt64(), [1, None, 2**64 - 1]),
        (pl.Int128(), [1, None, -(2**100)]),
        (pl.Float32(), [1.5, None, -0.0]),
        (pl.Float64(), [1.5, None, -0.0]),
        (pl.Decimal(5, 2), [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
        (pl.Decimal(6, 2), [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
        (pl.Date(), [dt.date(2020, 1, 1), None, dt.date(2020, 1, 2)]),
        (pl.Datetime("us"), [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2)]),
        (pl.Datetime("ns"), [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2)]),
        (pl.Datetime("us", "UTC"), [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2)]),
        (pl.Time(), [dt.time(1), None, dt.time(2)]),
        (pl.Duration("us"), [dt.timedelta(1), None, dt.timedelta(2)]),
        (pl.Duration("ms"), [dt.timedelta(1), None, dt.timedelta(2)]),
        (pl.String(), ["ab", None, "", "ä\U0001f600"]),
        (pl.Binary(), [b"ab", None, b"", b"\xff"]),
        (pl.Categorical(), ["a", None, "b"]),
        (pl.Enum(["a", "b"]), ["a", None, "b"]),
        (pl.Enum(["b", "a"]), ["a", None, "b"]),
        (pl.Enum(["a", "b", "c"]), ["a", None, "b"]),
        (pl.List(pl.Int8), [[1, None], None, [], [3]]),
        (pl.List(pl.Int16), [[1, None], None, [], [3]]),
        (pl.List(pl.List(pl.String)), [[["a"], None], None, [[]], [["b", "c"], []]]),
        (pl.List(PAIR), [[{"a": 1, "b": "x"}], None, [], [None]]),
        (pl.Array(pl.Int8, 2), [[1, None], None, [3, 4]]),
        (pl.Array(pl.Int8, (1, 2)), [[[1, None]], None, [[3, 4]]]),
        (PAIR, [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
        (pl.Object(), [{"a": 1}, None, (2, "x")]),
    ]
}
with_each = pytest.mark.parametrize(("kind", "values"), KINDS.values(), ids=KINDS)


def made(kind: Any, values: list[Any]) -> pl.Series:
    return pl.Series("s", values, dtype=kind, strict=False)


@with_each
def test_chunks_and_slices_do_not_count(kind: Any, values: list[Any]) -> None:
    whole = made(kind, values)
    chunked = pl.concat([whole[:1], whole[1:2], whole[2:]], rechunk=False)
    longer = made(kind, values + values)
    assert_all_equal(
        [
            whole,
            whole.clone(),
            chunked,
            chunked.rechunk(),
            longer[: len(values)],
            longer[len(values) :],
            made(kind, values[1:] + values)[len(values) - 1 :],
        ]
    )
    assert_all_equal([whole[:0], whole[2:2], made(kind, [])])


@with_each
def test_every_element_counts(kind: Any, values: list[Any]) -> None:
    assert_all_differ(
        [
            *(made(kind, values[:end]) for end in range(len(values) + 1)),
            made(kind, values[::-1]),
            made(kind, [*values, None]),
            made(kind, [*values[:-1], None]),
            made(kind, [*values[:-1], values[0]]),
            made(kind, values).rename("t"),
            made(kind, values).to_frame(),
        ]
    )


@with_each
def test_a_value_equals_its_pickle(kind: Any, values: list[Any]) -> None:
    if kind != pl.Object:
        whole = made(kind, values)
        assert_all_equal([whole, pickle.loads(pickle.dumps(whole)), copy.deepcopy(whole)])
    assert_all_equal([kind, pickle.loads(pickle.dumps(kind)), made(kind, []).dtype])


def test_types_differ() -> None:
    kinds = [kind for kind, _ in KINDS.values()]
    assert_all_differ(made(kind, []) for kind in kinds)
    assert_all_differ(made(kind, [None]) for kind in [*kinds, pl.Null()])
    assert_all_differ([*kinds, pl.Struct({"b": pl.String, "a": pl.Int8}), pl.Null(), "Int8"])


def test_memory_under_null_does_not_count() -> None:
    for values in ([1, 2, 3], ["a", "b", "c"], [[1], [2, 5], [3]], [True, False, True]):
        whole = pl.Series(values)
        masked = (
            pl.select(pl.when(pl.Series([True, False, True])).then(whole)).to_series().alias("")
        )
        assert_all_equal([masked, pl.Series([values[0], None, values[2]])])


def test_boundaries_between_texts_count() -> None:
    rows = (["ab", ""], ["a", "b"], ["", "ab"], ["ab"], ["ab", None], [None, "ab"])
    assert_all_differ(made(pl.String, texts) for texts in rows)
    assert_all_differ(made(pl.Binary, [t and t.encode() for t in texts]) for texts in rows)


def test_list_nesting_counts() -> None:
    rows = ([[1, 2], []], [[1], [2]], [[], [1, 2]], [[1, 2]], [[1, 2], None], [[1, 2], [None]])
    assert_all_differ(made(pl.List(pl.Int8), lists) for lists in rows)


def test_category_codes_do_not_count() -> None:
    before = hash_value(made(pl.Categorical, ["p", "q"]))
    made(pl.Categorical, [str(number) for number in range(100)])
    assert hash_value(made(pl.Categorical, ["q", "p"])[::-1]) == before
    assert hash_value(made(pl.Categorical, ["p", "q", "r"])[:2]) == before


def frame() -> pl.DataFrame:
    return pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"], "c": [[1], [], None]})


def test_frames() -> None:
    value = frame()
    assert_all_equal(
        [
            value,
            frame(),
            value.clone(),
            pickle.loads(pickle.dumps(value)),
            pl.concat([value[:1], value[1:]], rechunk=False),
            value.lazy().collect(),
            value.select("c", "b", "a").select("a", "b", "c"),
            value.sort("a", nulls_last=True),
        ]
    )
    assert_all_differ(
        [
            value,
            value.select("b", "a", "c"),
            value.rename({"a": "A"}),
            value.cast({"a": pl.Int32}),
            value.with_columns(a=pl.Series([1, 2, 3])),
            value.with_columns(d=pl.Series([1, 2, 3])),
            value[:2],
            value[::-1],
            value.to_dict(as_series=False),
            pl.DataFrame(),
            value[:0],
            value.schema,
        ]
    )
    assert_all_equal([value.schema, frame().schema])


def test_the_order_of_columns_counts() -> None:
    value = frame()
    for make in (lambda it: it, lambda it: it.schema, lambda it: [it], lambda it: it[:0]):
        assert_all_differ([make(value), make(value.select("b", "a", "c")), make(value[:, ::-1])])
        assert_all_equal([make(value), make(value.select("c", "b", "a").select("a", "b", "c"))])
    nested = [pl.Series([{"a": 1, "b": 2}]), pl.Series([{"b": 2, "a": 1}])]
    assert_all_differ(nested)
    assert_all_differ(
        [pl.col("a", "b"), pl.col("b", "a"), pl.struct("a", "b"), pl.struct("b", "a")]
    )


def test_wrong_sorted_flag_counts() -> None:
    wrong = [pl.Series([3, 1, 2]).set_sorted(), pl.Series([3, 1, 2]).set_sorted(descending=True)]
    assert_all_differ([pl.Series([3, 1, 2]), *wrong])
    right = pl.Series([1, None, 2, 3])
    assert_all_equal([right, right.set_sorted(), right.clone()])
    assert_all_equal([pl.Series([1, 2, 3]), pl.Series([3, 1, 2]).sort()])
    told = pl.DataFrame({"a": [3, 1, 2]})
    assert_all_differ([told, told.set_sorted("a")])


def test_blocks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polars, "BLOCK", 4)
    texts = [str(number) if number % 5 else None for number in range(22)]
    for whole in (pl.Series(texts), pl.Series([[text, None] for text in texts])):
        assert_all_equal(
            [
                whole,
                pl.concat([whole[:3], whole[3:9], whole[9:]], rechunk=False),
                pl.concat([whole[:4], whole[4:]], rechunk=False),
            ]
        )


class Rows(pl.DataFrame):
    """A frame with an attribute."""

    unit = "m"


def test_subclass_counts_with_its_attributes() -> None:
    one, two, three = Rows({"a": [1]}), Rows({"a": [1]}), Rows({"a": [1]})
    two.unit = three.unit = "s"
    assert_all_equal([two, three])
    assert_all_differ([one, two, pl.DataFrame({"a": [1]})])


def test_objects_count_one_by_one() -> None:
    with pytest.raises(UnhashableArgumentError, match="an iterator"):
        hash_value(pl.Series([iter([])], dtype=pl.Object))


def test_lazy_frames_are_refused() -> None:
    with pytest.raises(UnhashableArgumentError, match=r"a lazy frame .* collect it"):
        hash_value(frame().lazy())


def test_expressions() -> None:
    assert_all_equal(
        [pl.col("a") + 1, pl.col("a") + 1, pickle.loads(pickle.dumps(pl.col("a") + 1))]
    )
    assert_all_differ([pl.col("a"), pl.col("b"), pl.col("a") + 1, pl.col("a") + 2, pl.lit(1)])
    with pytest.raises(UnhashableArgumentError, match="Python function"):
        hash_value(pl.col("a").map_batches(len, return_dtype=pl.Int64))


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import polars as pl
pl.Series(["v", "u"], dtype=pl.Categorical)
frame = pl.DataFrame({
    "a": [1, None, 3],
    "b": ["x", "yz", None],
    "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
    "d": [[1, 2], [], None],
    "e": pl.Series([1, "a", frozenset("pqr")], dtype=pl.Object),
})
values = [frame, frame["b"], frame.schema, frame["c"].dtype]
""",
    )


@pytest.mark.parametrize(
    "values", [[[1]], [[1, 2, 3]], [["a"]], [[[1]]], [[1], [2, 3]], [None], [[None]]], ids=str
)
def test_lists_have_the_hash_of_their_copy(values: list[Any]) -> None:
    series = pl.Series("a", values)
    frame = series.to_frame()
    for value in (series, frame):
        assert_all_equal([value, pickle.loads(pickle.dumps(value))])
