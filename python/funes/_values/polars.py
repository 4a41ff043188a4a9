"""Type rules for polars: names, data types and elements, for any chunks and memory under nulls.

A column is written in blocks of `BLOCK` rows, as in `arrow`. Lazy frames are refused: the files
that they read may change between hashing and reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes

Rule = Callable[[Any], object]

#: Rows per block.
BLOCK = 1 << 20

#: Data types that numpy has under the same name.
_NUMBERS = frozenset(
    {"Boolean", "Float16", "Float32", "Float64"}
    | {f"{sign}{size}" for sign in ("Int", "UInt") for size in (8, 16, 32, 64)}
)
#: Data types that are stored as such numbers: time units since 1970, category codes.
_STORED_AS_NUMBERS = frozenset({"Date", "Datetime", "Duration", "Time", "Enum"})
#: Data types whose numbers are too long for numpy.
_LONG_NUMBERS = frozenset({"Decimal", "Int128", "UInt128"})


def _frame(value: Any) -> object:
    return value.height, [_series(series) for series in value.get_columns()]


def _series(value: Any) -> tuple[object, ...]:
    parts = value.name, _data_type(value.dtype), _column(value)
    return (*parts, _order(value)) if _is_out_of_order(value) else parts


def _order(value: Any) -> str:
    """Returns the sort order that polars assumes for the elements; "" if none.

    Other flags are left out: a pickle loses them, and they only make operations faster.
    """
    return "".join(
        sorted(name for name, is_set in value.flags.items() if is_set and "SORTED" in name)
    )


def _is_out_of_order(value: Any) -> bool:
    """Returns whether the assumed sort order is wrong, which changes the results of polars."""
    order = _order(value)
    if not order:
        return False
    present = value.drop_nulls()
    if len(present) < 2:
        return False
    before, after = present.slice(0, max(len(present) - 1, 0)), present.slice(1)
    try:
        return not (after <= before if "DESC" in order else before <= after).all()
    except Exception:  # some data types cannot be compared
        return True


def _column(values: Any) -> list[object]:
    return [_block(values.slice(start, BLOCK)) for start in range(0, len(values), BLOCK)]


def _block(values: Any) -> tuple[object, ...]:
    """Returns the length, a mask of the nulls (None if there are none), the other elements."""
    if values.null_count() == 0:
        return len(values), None, _elements(values)
    return len(values), ArrayBytes(values.is_null().to_numpy()), _elements(values.drop_nulls())


def _elements(values: Any) -> object:
    """Returns the elements of a column without nulls."""
    kind = _kind(values.dtype)
    if kind in _NUMBERS:
        return ArrayBytes(values.to_numpy())
    if kind in _STORED_AS_NUMBERS:
        return ArrayBytes(values.to_physical().to_numpy())
    if kind == "String":
        # The length of each text, and the joined texts.
        return ArrayBytes(values.str.len_bytes().to_numpy()), values.str.join("").item()
    if kind == "Categorical":
        # The code of a text depends on the categoricals that the process made before.
        return _elements(values.cast(_polars_type("String")))
    if kind == "Binary":
        texts = values.to_list()
        return [len(text) for text in texts], b"".join(texts)
    if kind in _LONG_NUMBERS:
        # As ints; a decimal in units of its last digit, since the data type has the scale.
        return (values.to_physical() if kind == "Decimal" else values).to_list()
    if kind == "List":
        # `explode` turns an empty list into a null.
        lengths = values.list.len()
        return ArrayBytes(lengths.to_numpy()), _column(values.filter(lengths > 0).explode())
    if kind == "Array":
        return _column(values.explode())
    if kind == "Struct":
        return [_column(field) for field in values.struct.unnest().get_columns()]
    if kind == "Map":
        return _elements(values.map.entries())
    if kind == "Object":
        return values.to_list()
    if kind == "Null":
        return ()
    if hasattr(values.dtype, "ext_storage"):
        return _elements(values.ext.storage())
    raise TypeError(f"there is no rule for a column of {kind}")


def _polars_type(kind: str) -> Any:
    import polars

    return getattr(polars, kind)


def _kind(value: Any) -> str:
    # `List(Int8)` contains the class, but means an instance of it.
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _data_type(value: Any) -> object:
    """Reduces a data type to a value that is equal for equal data types only."""
    kind = _kind(value)
    if isinstance(value, type):
        return kind
    if kind == "Datetime":
        return kind, value.time_unit, value.time_zone
    if kind == "Duration":
        return kind, value.time_unit
    if kind == "Decimal":
        return kind, value.precision, value.scale
    if kind == "Enum":
        return kind, value.categories.to_list()
    if kind == "Categorical":
        return kind, _categories(value)
    if kind == "List":
        return kind, _data_type(value.inner)
    if kind == "Array":
        return kind, value.shape, _data_type(value.inner)
    if kind == "Struct":
        return kind, [(field.name, _data_type(field.dtype)) for field in value.fields]
    if kind == "Map":
        return kind, _data_type(value.key), _data_type(value.value)
    if hasattr(value, "ext_storage"):
        return kind, value.ext_name(), value.ext_metadata(), _data_type(value.ext_storage())
    return kind


def _categories(value: Any) -> object:
    """Returns name and namespace of the categories; before polars 1.32, the sort order."""
    categories = getattr(value, "categories", None)
    if categories is None:
        return getattr(value, "ordering", None)
    return categories.name(), categories.namespace()


def _expression(value: Any) -> object:
    serialized = value.__getstate__()
    if b"PLPYFN" in serialized:
        raise TypeError("the expression contains a Python function, whose code it does not expose")
    return serialized


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "polars.dataframe.frame.DataFrame": ("polars.DataFrame", _frame),
    "polars.series.series.Series": ("polars.Series", _series),
    "polars.datatypes.classes.DataType": ("polars.DataType", _data_type),
    "polars.expr.expr.Expr": ("polars.Expr", _expression),
}

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "polars.lazyframe.frame.LazyFrame": "a lazy frame cannot be part of a key: the data that it"
    " reads may change; collect it, or pass its sources",
}

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    "polars.dataframe.frame.DataFrame": frozenset({"_accessors", "_df"}),
    "polars.series.series.Series": frozenset({"_accessors", "_s"}),
    "polars.expr.expr.Expr": frozenset({"_accessors", "_pyexpr"}),
    "polars.datatypes.classes.DataType": frozenset(
        {
            "_metadata",
            "_name",
            "_storage",
            "categories",
            "fields",
            "inner",
            "key",
            "ordering",
            "precision",
            "scale",
            "shape",
            "size",
            "time_unit",
            "time_zone",
            "value",
            "width",
        }
    ),
}
