"""Type rules for pandas: labels, names, data types and elements, for any memory layout.

A frame counts column by column, independent of its blocks; a text column by its texts, independent
of the storage; an index by its labels, so that a `RangeIndex` equals an index of the same integers.
Part of the value: names, the order of rows, columns and categories, unused categories, the
frequency of an index. Not part of the value: the memory under a missing value, `attrs`, unused
levels of a `MultiIndex`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes
from funes._values import arrow

Rule = Callable[[Any], object]


def _frame(value: Any) -> object:
    columns = list(value._iter_column_arrays())
    return value.index, value.columns, columns, value.flags.allows_duplicate_labels


def _series(value: Any) -> object:
    return value.index, value.name, _array(value), value.flags.allows_duplicate_labels


def _index(value: Any) -> object:
    return value.name, _labels(value), getattr(value, "freq", None)


def _multi_index(value: Any) -> object:
    # The public attribute `levels` would store its result in the index.
    levels = [_used(level, codes) for level, codes in zip(value._levels, value.codes, strict=True)]
    return list(value.names), levels


def _used(level: Any, codes: Any) -> tuple[object, object]:
    """Returns a level without unused labels, and the codes of the rows; -1 means missing."""
    from numpy import arange, bincount, full

    used = bincount(codes[codes >= 0], minlength=len(level)).nonzero()[0]
    # The last position is for code -1.
    renumbered = full(len(level) + 1, -1, dtype="i8")
    renumbered[used] = arange(len(used))
    return _labels(level.take(used)), renumbered[codes]


def _array(value: Any) -> Any:
    """Returns the elements of a series or index, as for a column of a frame."""
    # The public attribute `array` would store its result in the index.
    return value._values


def _labels(value: Any) -> object:
    """Returns the labels of an index; for evenly spaced integers start, step and count."""
    if hasattr(value, "step"):
        return _evenly(value.start, value.step, len(value))
    array = _array(value)
    if getattr(array, "dtype", None) != "int64" or not hasattr(array, "strides"):
        return array
    if len(array) < 2:
        return _evenly(int(array[0]) if len(array) else 0, 1, len(array))
    first, second, last = (int(array[place]) for place in (0, 1, -1))
    step = second - first
    # Comparing the last label first rejects most arrays. If it fits, no difference overflows.
    if first + step * (len(array) - 1) == last and (array[1:] - array[:-1] == step).all():
        return _evenly(first, step, len(array))
    return array


def _evenly(first: int, step: int, count: int) -> object:
    return first if count else 0, step if count > 1 else 1, count


def _dates(value: Any) -> object:
    """Reduces dates and time differences to unit, time zone, and units since 1970 or 0."""
    zone = _zone(getattr(value, "tz", None))
    return value.asi8.dtype.str, getattr(value, "unit", "ns"), zone, ArrayBytes(value.asi8)


def _periods(value: Any) -> object:
    return str(value.dtype), ArrayBytes(value.asi8)


def _intervals(value: Any) -> object:
    return value.closed, _labels(value.left), _labels(value.right)


def _zone(zone: Any) -> object:
    """Returns a time zone; one of pytz by its name, since each offset of a zone is another object."""
    is_named = type(zone).__module__.partition(".")[0] == "pytz" and isinstance(zone.zone, str)
    return ["pytz", zone.zone] if is_named else zone


def _categorical(value: Any) -> object:
    return _labels(value.categories), value.ordered, value.codes


def _masked(value: Any) -> object:
    data, mask = value._data, value._mask
    if mask.any():
        return value.dtype.name, mask, data[~mask]
    return value.dtype.name, data


def _sparse(value: Any) -> object:
    from pandas import isna

    fill = value.fill_value
    stored = value.sp_values
    # Stored elements may be equal to the fill value.
    kept = ~isna(stored) if isna(fill) else stored != fill
    places = value.sp_index.to_int_index().indices
    return value.dtype.subtype, fill, len(value), places[kept], stored[kept]


def _arrow(value: Any) -> object:
    array = value.__arrow_array__()
    return arrow.data_type(array.type), arrow.column(array)


def _arrow_texts(value: Any) -> object:
    from pyarrow import large_string

    # A string column may also be stored as a dictionary.
    array = value.__arrow_array__().cast(large_string())
    return value.dtype.na_value, arrow.column(array)


def _object_texts(value: Any) -> object:
    """Returns texts that are stored as Python objects in the form of those in pyarrow."""
    block = arrow.BLOCK
    pieces = (value[start : start + block] for start in range(0, len(value), block))
    return getattr(value.dtype, "na_value", None), [_text_block(piece) for piece in pieces]


def _text_block(value: Any) -> tuple[object, ...]:
    from numpy import cumsum, fromiter, zeros

    missing = value.isna()
    texts: list[str] = value.to_numpy(object)[~missing].tolist()
    memory = "".join(texts).encode("utf-8", "surrogatepass")
    lengths = fromiter(map(len, texts), "i8", len(texts))
    if lengths.sum() != len(memory):
        encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
        lengths = fromiter(map(len, encoded), "i8", len(texts))
    ends = zeros(len(texts) + 1 if texts else 0, "<i8")
    cumsum(lengths, out=ends[1:])
    valid = ArrayBytes((~missing).view("u1")) if missing.any() else None
    return len(value), valid, (ArrayBytes(ends), ArrayBytes(memory))


def _moment(value: Any) -> object:
    return value.asm8, _zone(getattr(value, "tz", None))


def _name(value: Any) -> object:
    return value.name


def _categorical_dtype(value: Any) -> object:
    return None if value.categories is None else _labels(value.categories), value.ordered


def _sparse_dtype(value: Any) -> object:
    return value.subtype, value.fill_value


_NUMBERS = """
Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype
Float32Dtype Float64Dtype BooleanDtype
"""

# Module of the type before pandas 3, name, rule.
_TABLE: list[tuple[str, str, Rule]] = [
    ("core.frame", "DataFrame", _frame),
    ("core.series", "Series", _series),
    ("core.indexes.base", "Index", _index),
    ("core.indexes.range", "RangeIndex", _index),
    ("core.indexes.category", "CategoricalIndex", _index),
    ("core.indexes.datetimes", "DatetimeIndex", _index),
    ("core.indexes.interval", "IntervalIndex", _index),
    ("core.indexes.multi", "MultiIndex", _multi_index),
    ("core.indexes.period", "PeriodIndex", _index),
    ("core.indexes.timedeltas", "TimedeltaIndex", _index),
    ("core.arrays.arrow.array", "arrays.ArrowExtensionArray", _arrow),
    ("core.arrays.boolean", "arrays.BooleanArray", _masked),
    ("core.arrays.categorical", "Categorical", _categorical),
    ("core.arrays.datetimes", "arrays.DatetimeArray", _dates),
    ("core.arrays.floating", "arrays.FloatingArray", _masked),
    ("core.arrays.integer", "arrays.IntegerArray", _masked),
    ("core.arrays.interval", "arrays.IntervalArray", _intervals),
    ("core.arrays.numpy_", "arrays.NumpyExtensionArray", lambda value: value.to_numpy()),
    ("core.arrays.numpy_", "arrays.PandasArray", lambda value: value.to_numpy()),
    ("core.arrays.period", "arrays.PeriodArray", _periods),
    ("core.arrays.sparse.array", "arrays.SparseArray", _sparse),
    ("core.arrays.string_", "arrays.StringArray", _object_texts),
    ("core.arrays.string_", "arrays.StringArrayNumpySemantics", _object_texts),
    ("core.arrays.string_arrow", "arrays.ArrowStringArray", _arrow_texts),
    ("core.arrays.string_arrow", "arrays.ArrowStringArrayNumpySemantics", _arrow_texts),
    ("core.arrays.timedeltas", "arrays.TimedeltaArray", _dates),
    ("core.dtypes.dtypes", "ArrowDtype", lambda value: value.pyarrow_dtype),
    ("core.dtypes.dtypes", "CategoricalDtype", _categorical_dtype),
    ("core.dtypes.dtypes", "DatetimeTZDtype", lambda value: (value.unit, _zone(value.tz))),
    ("core.dtypes.dtypes", "IntervalDtype", lambda value: (value.subtype, value.closed)),
    ("core.dtypes.dtypes", "PeriodDtype", _name),
    ("core.dtypes.dtypes", "SparseDtype", _sparse_dtype),
    ("core.arrays.string_", "StringDtype", lambda value: (value.storage, value.na_value)),
    ("_libs.interval", "Interval", lambda value: (value.left, value.right, value.closed)),
    ("_libs.missing", "api.typing.NAType", lambda _: ()),
    ("_libs.tslibs.nattype", "api.typing.NaTType", lambda _: ()),
    ("_libs.tslibs.period", "Period", lambda value: (value.ordinal, value.freqstr)),
    ("_libs.tslibs.timedeltas", "Timedelta", _moment),
    ("_libs.tslibs.timestamps", "Timestamp", _moment),
    *(("core.arrays.integer", name, _name) for name in _NUMBERS.split()),
    *(("core.arrays.floating", name, _name) for name in _NUMBERS.split()),
    *(("core.arrays.boolean", name, _name) for name in _NUMBERS.split()),
]

# Types that mean the same to a user have one name in the encoding.
_ALIASES = {
    "arrays.ArrowStringArray": "StringArray",
    "arrays.ArrowStringArrayNumpySemantics": "StringArray",
    "arrays.StringArray": "StringArray",
    "arrays.StringArrayNumpySemantics": "StringArray",
    "CategoricalIndex": "Index",
    "DatetimeIndex": "Index",
    "IntervalIndex": "Index",
    "PeriodIndex": "Index",
    "RangeIndex": "Index",
    "TimedeltaIndex": "Index",
}

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    f"pandas.{qualified}": (f"pandas.{_ALIASES.get(name, name)}", rule)
    for module, name, rule in _TABLE
    for qualified in (name, f"{module}.{name.rpartition('.')[2]}")
}

_GROUPS = "it caches its results in itself; pass the frame and the grouping keys"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "pandas._libs.indexing.NDFrameIndexerBase": "it is an indexer of a frame; pass the frame",
    "pandas.core.groupby.groupby.BaseGroupBy": _GROUPS,
    "pandas.core.window.rolling.BaseWindow": _GROUPS,
}

#: Qualified name of a class -> attributes that its objects fill in on demand.
LAZY_ATTRIBUTES: dict[str, frozenset[str]] = {
    "pandas.tseries.holiday.AbstractHolidayCalendar": frozenset({"_cache"})
}

_COVERED = frozenset(
    {
        "_attrs",
        "_cacher",
        "_flags",
        "_is_copy",
        "_item_cache",
        "_metadata",
        "_mgr",
        "_name",
        "_typ",
    }
)

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("pandas.MultiIndex", "pandas.core.indexes.multi.MultiIndex"), frozenset({"sortorder"})
    ),
    "pandas.DataFrame": _COVERED,
    "pandas.Series": _COVERED,
    "pandas.core.frame.DataFrame": _COVERED,
    "pandas.core.series.Series": _COVERED,
}
