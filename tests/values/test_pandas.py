"""pandas: labels, names, types and elements count; blocks, chunks and storage do not."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import zoneinfo
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pandas.tseries.holiday
import pyarrow as pa
import pytest

from funes import UnhashableArgumentError, hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

NAN_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)

#: Columns of each kind: values and type.
COLUMNS: dict[str, tuple[list[Any], Any]] = {
    "bool": ([True, False, False], "bool"),
    "int64": ([1, 2, 4], "int64"),
    "int8": ([1, 2, 4], "int8"),
    "float64": ([1.5, np.nan, -0.0], "float64"),
    "float32": ([1.5, np.nan, -0.0], "float32"),
    "complex": ([1j, 2, 3], "complex128"),
    "object": (["a", None, 3], "object"),
    "text": (["a", None, "c"], NAN_TEXT),
    "nullable text": (["a", None, "c"], pd.StringDtype("pyarrow")),
    "datetime": (["2020-01-01", None, "2020-01-03"], "datetime64[ns]"),
    "datetime in seconds": (["2020-01-01", None, "2020-01-03"], "datetime64[s]"),
    "datetime in Paris": (["2020-01-01", None, "2020-01-03"], "datetime64[ns, Europe/Paris]"),
    "datetime in UTC": (["2020-01-01", None, "2020-01-03"], "datetime64[ns, UTC]"),
    "timedelta": ([1, None, 3], "timedelta64[ns]"),
    "period": (["2020-01", None, "2020-03"], "period[M]"),
    "period of days": (["2020-01", None, "2020-03"], "period[D]"),
    "interval": ([pd.Interval(0, 1), None, pd.Interval(1, 2)], "interval[float64, right]"),
    "category": (["a", None, "b"], "category"),
    "category in order": (["a", None, "b"], pd.CategoricalDtype(["a", "b"], ordered=True)),
    "category turned": (["a", None, "b"], pd.CategoricalDtype(["b", "a"])),
    "category to spare": (["a", None, "b"], pd.CategoricalDtype(["a", "b", "c"])),
    "category of ints": ([1, None, 2], "category"),
    "Int64": ([1, None, 3], "Int64"),
    "UInt8": ([1, None, 3], "UInt8"),
    "Float64": ([1, None, 3], "Float64"),
    "boolean": ([True, None, False], "boolean"),
    "sparse": ([0, 1, 2], pd.SparseDtype("int64")),
    "sparse with another fill": ([0, 1, 2], pd.SparseDtype("int64", 1)),
    "sparse floats": ([np.nan, 1, 2], pd.SparseDtype("float64")),
    "arrow ints": ([1, None, 3], "int64[pyarrow]"),
    "arrow text": (["a", None, "c"], pd.ArrowDtype(pa.string())),
    "arrow lists": ([[1], None, []], pd.ArrowDtype(pa.list_(pa.int64()))),
}
with_each = pytest.mark.parametrize(("values", "kind"), COLUMNS.values(), ids=COLUMNS)


def column(values: list[Any], kind: Any, **options: Any) -> pd.Series[Any]:
    return pd.Series(values, dtype=kind, **options)


@with_each
def test_column_counts_by_elements(values: list[Any], kind: Any) -> None:
    whole = column(values, kind)
    longer = column(values + values, whole.dtype)
    assert_all_equal(
        [
            whole,
            whole.copy(),
            copy.deepcopy(whole),
            pickle.loads(pickle.dumps(whole)),
            longer[:3],
            longer[3:].reset_index(drop=True),
            whole.iloc[::-1].iloc[::-1],
            whole.take([0, 1, 2]),
            pd.concat([whole[:1], whole[1:]]),
            pd.DataFrame({"a": whole, "b": whole})["a"].rename(None),
        ]
    )
    assert_all_equal([whole.array, longer[:3].array])
    assert_all_equal([whole[:0], whole[3:].reset_index(drop=True)])


@with_each
def test_every_element_counts(values: list[Any], kind: Any) -> None:
    whole = column(values, kind)
    changed = [
        column([*values[:place], values[place - 1], *values[place + 1 :]], whole.dtype)
        for place in range(3)
        if values[place] != values[place - 1]
    ]
    assert len(changed) > 1
    assert_all_differ([whole, *changed, whole[:2], whole[1:]])
    assert_all_differ([whole, whole.iloc[::-1], whole.rename("a"), whole.to_frame("a")])


@with_each
def test_an_index_of_each_kind(values: list[Any], kind: Any) -> None:
    index = pd.Index(column(values, kind))
    assert_all_equal(
        [
            index,
            index.copy(),
            pickle.loads(pickle.dumps(index)),
            pd.Index(column(values + values, index.dtype))[3:],
            column([1, 2, 3], "int64", index=index).index,
        ]
    )
    assert_all_differ([index, index[:2], index[::-1], index.rename("a"), index.to_series()])


def test_types_differ() -> None:
    columns = [column(values, kind) for values, kind in COLUMNS.values()]
    assert_all_differ(columns)
    assert_all_differ(each[:0] for each in columns)
    assert_all_differ(each.to_frame() for each in columns)
    assert_all_differ(each.array for each in columns)
    assert_all_differ(
        pd.Index(each) for each in columns if not isinstance(each.dtype, pd.SparseDtype)
    )
    assert_all_differ(each.dtype for each in columns)
    for each in columns:
        assert_all_equal([each.dtype, pickle.loads(pickle.dumps(each.dtype))])


def test_text_storage_does_not_count() -> None:
    texts = ["a", None, "ä\U0001f600", "", "c"]
    for missing in (np.nan, pd.NA):
        stores = [pd.StringDtype(store, na_value=missing) for store in ("python", "pyarrow")]
        for rows in (texts, texts[:1], texts[2:], ["a", "bc"], [None], []):
            first, second = (column(rows, store) for store in stores)
            chunked = pd.concat([column(rows[:1], stores[1]), column(rows[1:], stores[1])])
            assert_all_equal([first, second, chunked.reset_index(drop=True)])
            assert_all_equal([pd.Index(first), pd.Index(second)])
    assert_all_differ(
        column(rows, NAN_TEXT)
        for rows in (["ab", ""], ["a", "b"], ["", "ab"], ["ab", None], [None, "ab"])
    )


def test_blocks_do_not_count() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    one_block = pd.DataFrame(rows, columns=list("abc"))
    grown = pd.DataFrame(index=range(4))
    for place, name in enumerate("abc"):
        grown[name] = rows[:, place]
    assert_all_equal(
        [
            one_block,
            grown,
            grown.copy(),
            pd.DataFrame({name: rows[:, place] for place, name in enumerate("abc")}),
            pd.DataFrame(np.asfortranarray(rows), columns=list("abc")),
            pd.DataFrame(rows.T.copy(), index=list("abc")).T,
            pd.DataFrame(rows[:, ::-1], columns=list("cba"))[list("abc")],
            pd.concat([one_block[["a"]], one_block[["b", "c"]]], axis=1),
            pd.concat([one_block[:1], one_block[1:]]),
            pickle.loads(pickle.dumps(one_block)),
        ]
    )


def mixed() -> pd.DataFrame:
    return pd.DataFrame({name: column(values, kind) for name, (values, kind) in COLUMNS.items()})


def test_frame_with_all_column_types() -> None:
    frame = mixed()
    assert_all_equal(
        [
            frame,
            mixed(),
            frame.copy(),
            pickle.loads(pickle.dumps(frame)),
            pd.concat([frame, frame])[:3],
            frame.loc[[True, True, True]],
        ]
    )
    changed = [frame]
    for place in range(frame.shape[1]):
        other = frame.copy()
        other.isetitem(place, other.iloc[::-1, place].set_axis(other.index))
        changed.append(other)
    assert_all_differ([*changed, frame[:2], frame.iloc[:, ::-1], frame.iloc[:, 1:]])


def test_labels_count() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [1, 2]})
    assert_all_differ(
        [
            frame,
            frame[["b", "a"]],
            frame.set_axis(["a", "a"], axis=1),
            frame.set_axis(["a", "c"], axis=1),
            frame.set_axis([0, 1], axis=1),
            frame.set_axis(["x", "y"]),
            frame.set_axis([1, 0]),
            frame.set_axis([0.0, 1.0]),
            frame.rename_axis("i"),
            frame.rename_axis("i", axis=1),
            frame.iloc[::-1],
            frame.astype("int32"),
            frame.set_flags(allows_duplicate_labels=False),
            frame.to_dict(),
            frame.to_numpy(),
            frame["a"],
            pd.DataFrame(index=[0, 1]),
            pd.DataFrame(columns=["a", "b"]),
            pd.DataFrame(),
        ]
    )
    twice = frame.set_axis(["a", "a"], axis=1)
    assert_all_equal([twice, pd.concat([frame["a"], frame["b"].rename("a")], axis=1)])


def test_attrs_do_not_count() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    noted = frame.copy()
    noted.attrs["source"] = "somewhere"
    assert_all_equal([frame, noted])


def test_range_index_equals_integer_index() -> None:
    assert_all_equal([pd.RangeIndex(3), pd.Index([0, 1, 2]), pd.Index(np.arange(6)[::2]) // 2])
    assert_all_equal([pd.RangeIndex(4, 0, -2), pd.Index([4, 2])])
    assert_all_equal(
        [pd.RangeIndex(0), pd.RangeIndex(5, 5), pd.Index([], "int64"), pd.RangeIndex(3)[:0]]
    )
    assert_all_equal([pd.RangeIndex(5, 6), pd.RangeIndex(5, 7, 3), pd.Index([5])])
    assert_all_differ(
        [
            pd.RangeIndex(3),
            pd.RangeIndex(1, 4),
            pd.RangeIndex(0, 6, 2),
            pd.RangeIndex(4),
            pd.RangeIndex(3, name="a"),
            pd.Index([0, 1, 3]),
            pd.Index([0, 2, 1]),
            pd.Index([0, 2, 1, 3]),
            pd.Index([0, 1, 2], "int32"),
            pd.Index([0, 1, 2], "float64"),
            pd.Index([0, 1, 2], "Int64"),
            pd.Index([0, 1, 2], "object"),
            pd.Index([1, 1, 1]),
            pd.Index([2**63 - 1, -(2**63)]),
            pd.Index([0, 2**62, -(2**63), -(2**62)]),
            range(3),
        ]
    )


def test_unused_levels_do_not_count() -> None:
    product = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2]], names=["x", "y"])
    part = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", "y"])
    assert_all_equal([part, product[:3], pickle.loads(pickle.dumps(product[:3])), part.copy()])
    rows = pd.Series([1, 2, 3], index=product[:3])
    assert_all_equal([rows, pd.Series([1, 2, 3], index=part), pd.Series(range(1, 7), product)[:3]])
    missing = pd.MultiIndex.from_arrays([["a", None, "b"], [1, 2, 3]])
    assert_all_differ(
        [
            product,
            part,
            part[::-1],
            part.set_names(["x", None]),
            part.swaplevel(),
            part.droplevel(1),
            part.to_flat_index(),
            part.append(part[:1]),
            missing,
            missing[:2],
            pd.MultiIndex(
                levels=[["b", "a"], [1, 2]], codes=[[1, 1, 0], [0, 1, 0]], names=["x", "y"]
            ),
            pd.MultiIndex.from_tuples([("a", 1.0), ("a", 2.0), ("b", 1.0)], names=["x", "y"]),
        ]
    )
    assert_all_equal([missing, missing[[0, 1, 2]], pickle.loads(pickle.dumps(missing))])


def test_the_frequency_of_an_index_counts() -> None:
    days = pd.date_range("2020", periods=3)
    assert_all_equal([days, pd.date_range("2020", periods=5)[:3], pickle.loads(pickle.dumps(days))])
    assert_all_differ(
        [days, pd.DatetimeIndex(list(days)), pd.date_range("2020", periods=3, freq="2D")]
    )
    # A column has no frequency.
    assert_all_equal([pd.Series(days), pd.Series(list(days), dtype=days.dtype)])


def test_memory_under_missing_value_does_not_count() -> None:
    mask = np.array([False, True, False])
    for kind in (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray):
        data = {"IntegerArray": "int64", "FloatingArray": "float64", "BooleanArray": "bool"}[
            kind.__name__
        ]
        values = [kind(np.array([1, hidden, 1]).astype(data), mask) for hidden in (0, 1)]
        assert_all_equal(values)
        assert_all_equal(map(pd.Series, values))


def test_sparse_arrays_count_by_elements() -> None:
    dense = np.array([0, 0, 1, 0, 2])
    places = pd.arrays.SparseArray([1, 0, 1, 0, 1]).sp_index
    stored = pd.arrays.SparseArray._simple_new(np.array([0, 1, 2]), places, pd.SparseDtype("int64"))
    assert stored.npoints == 3
    assert_all_equal(
        [
            pd.arrays.SparseArray(dense),
            pd.arrays.SparseArray(dense, kind="block"),
            stored,
            pd.arrays.SparseArray([0, 0, 0, 1, 0, 2])[1:],
        ]
    )
    assert_all_differ(
        [
            pd.arrays.SparseArray(dense),
            pd.arrays.SparseArray(dense, fill_value=1),
            pd.arrays.SparseArray(dense[::-1]),
            pd.arrays.SparseArray([*dense, 0]),
            pd.arrays.SparseArray(dense.astype(float)),
        ]
    )


def test_scalars() -> None:
    values = [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-01").as_unit("ns"),
        pd.Timestamp("2020-01-01T00:00:00.000000001"),
        pd.Timestamp("2020-01-01", tz="UTC"),
        pd.Timestamp("2020-01-01", tz="Europe/Paris"),
        pd.Timestamp("2020-01-01", tz=dt.timezone(dt.timedelta(hours=1))),
        pd.Timestamp("2020-10-25 02:30").tz_localize("Europe/Paris", ambiguous=True),
        pd.Timestamp("2020-10-25 01:30", tz="UTC").tz_convert("Europe/Paris"),
        dt.datetime(2020, 1, 1),
        np.datetime64("2020-01-01"),
        pd.Timedelta(1, "s"),
        pd.Timedelta(1, "ns"),
        pd.Timedelta(1, "s").as_unit("s"),
        dt.timedelta(seconds=1),
        pd.Period("2020"),
        pd.Period("2020-01"),
        pd.Period("2020-01-01"),
        pd.Interval(0, 1),
        pd.Interval(0, 1, closed="left"),
        pd.Interval(0.0, 1.0),
        pd.NaT,
        pd.NA,
        np.nan,
        None,
        *(
            pd.tseries.frequencies.to_offset(name)
            for name in ("D", "2D", "W-SUN", "W-MON", "ME", "h")
        ),
        pd.DateOffset(months=1),
        pd.DateOffset(months=2),
    ]
    assert_all_differ(values)
    for value in values:
        assert_all_equal([value, pickle.loads(pickle.dumps(value))])


def test_time_zone_counts_by_type_and_name() -> None:
    zones = [zoneinfo.ZoneInfo("Europe/Paris"), "Europe/Paris"]
    if int(pd.__version__.split(".")[0]) < 3:
        zones.pop()  # which means a zone of pytz there
    assert_all_equal(pd.Series(pd.to_datetime(["2020"]).tz_localize(zone)) for zone in zones)
    assert_all_equal(pd.Timestamp("2020", tz=zone) for zone in (dt.timezone.utc, "UTC"))
    assert_all_differ(
        pd.Timestamp("2020", tz=zone) for zone in (dt.timezone.utc, zoneinfo.ZoneInfo("UTC"))
    )


def test_categories() -> None:
    one = pd.Categorical(["a", "b", "a"])
    assert_all_equal(
        [
            one,
            pd.Categorical.from_codes([0, 1, 0], ["a", "b"]),
            pd.Categorical(["a", "b", "a", "c"])[:3].remove_unused_categories(),
            pd.concat([pd.Series(one)[:1], pd.Series(one)[1:]]).array,
        ]
    )
    assert_all_equal(
        [pd.Categorical([3, 4]), pd.Categorical([3, 4], categories=pd.RangeIndex(3, 5))]
    )


class Rows(pd.DataFrame):
    """A frame with attributes, as the documentation of pandas recommends."""

    _metadata = ["unit"]  # noqa: RUF012 - as pandas wants it

    @property
    def _constructor(self) -> type[Rows]:
        return Rows


def test_subclass_counts_with_its_attributes() -> None:
    def made(unit: str, grown: bool = False) -> Rows:
        rows = Rows({"a": [1.0, 2.0]})
        if grown:
            rows["b"] = [3.0, 4.0]
        else:
            rows = Rows(np.array([[1.0, 3.0], [2.0, 4.0]]), columns=["a", "b"])
        rows.unit = unit
        return rows

    assert_all_equal([made("m"), made("m", grown=True), pickle.loads(pickle.dumps(made("m")))])
    assert_all_differ([made("m"), made("s"), pd.DataFrame(made("m"))])


def test_objects_count_one_by_one() -> None:
    values = pd.Series(["a", 1, 1.0, None, [1, {"k": 2}], pd.Timestamp(0), (1,)], dtype=object)
    other = copy.deepcopy(values)
    assert_all_equal([values, other, pickle.loads(pickle.dumps(values))])
    other[4] = [1, {"k": 3}]
    assert_all_differ([values, other])
    frame = pd.DataFrame({"a": [1, 2], "b": [1, iter([])]})
    with pytest.raises(UnhashableArgumentError, match=r"value -> \['b'\]\.iloc\[1\]: an iterator"):
        hash_value(frame)


LOOKS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "groupby": lambda frame: frame.groupby("a"),
    "groupby of a column": lambda frame: frame["b"].groupby(frame["a"]),
    "column of a groupby": lambda frame: frame.groupby("a")["b"],
    "rolling": lambda frame: frame.rolling(2),
    "rolling groups": lambda frame: frame.groupby("a").rolling(2),
    "expanding": lambda frame: frame.expanding(),
    "ewm": lambda frame: frame.ewm(1),
    "resample": lambda frame: frame.resample("D"),
    "loc": lambda frame: frame.loc,
    "iloc": lambda frame: frame.iloc,
    "at": lambda frame: frame.at,
}


@pytest.mark.parametrize("kind", LOOKS)
def test_indexers_and_groupings_are_refused(kind: str) -> None:
    frame = pd.DataFrame({"a": [1, 2, 1], "b": [1.0, 2, 3]}, pd.date_range("2020", periods=3))
    for value in (LOOKS[kind](frame), [LOOKS[kind](frame)]):
        with pytest.raises(UnhashableArgumentError, match="pass the frame"):
            hash_value(value)


def test_grouping_specifications_count() -> None:
    makers: list[Callable[[int], Any]] = [
        lambda n: pd.Grouper(key="ab"[n]),
        lambda n: pd.Grouper(freq="Dh"[n]),
        lambda n: pd.NamedAgg("a", ("sum", "min")[n]),
        lambda n: pd.offsets.BusinessDay(n + 1),
        lambda n: pd.api.indexers.FixedForwardWindowIndexer(window_size=n + 1),
    ]
    for make in makers:
        assert_all_equal([make(0), make(0), copy.deepcopy(make(0))])
    assert_all_differ(make(n) for make in makers for n in (0, 1))


class Holidays(pd.tseries.holiday.AbstractHolidayCalendar):
    rules: ClassVar[Any] = [pd.tseries.holiday.Holiday("a", month=1, day=1)]


@pytest.mark.parametrize("kind", [Holidays, pd.tseries.holiday.USFederalHolidayCalendar])
def test_cached_holidays_do_not_count(kind: Any) -> None:
    one, two, other = kind(), kind(), kind()
    assert len(two.holidays("2020", "2021"))
    other.rules = []
    assert_all_equal([one, two, copy.deepcopy(two)])
    assert_all_differ([one, other])


def test_hashing_does_not_change_values() -> None:
    frame = mixed()
    before = pickle.dumps(frame)
    attributes = {name: id(value) for name, value in vars(frame).items()}
    hash_value(frame)
    assert {name: id(value) for name, value in vars(frame).items()} == attributes
    assert pickle.dumps(frame) == before
    for index in (
        pd.Index([3, 1, 2]),
        pd.RangeIndex(3),
        pd.date_range("2020", periods=3),
        pd.MultiIndex.from_product([[1, 2], [3]])[:1],
    ):
        kept = dict(index._cache)
        hash_value(index)
        assert index._cache.keys() == kept.keys()


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import pandas as pd
frame = pd.DataFrame({
    "a": [1, 2, 3],
    "b": ["x", "yz", None],
    "c": pd.Categorical(["u", "v", "u"]),
    "d": pd.date_range("2020", periods=3, tz="Europe/Paris"),
    "e": pd.array([1, None, 3], "Int64"),
    "f": pd.Series([1, "a", {"p", "q", "r"}], dtype=object),
})
values = [
    frame,
    frame["b"],
    frame.set_index(["a", "c"]).index,
    pd.Timestamp("2020", tz="Europe/Paris"),
    pd.NaT,
    pd.NA,
    pd.Period("2020"),
    frame["c"].dtype,
]
""",
    )
