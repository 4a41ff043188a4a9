"""Rules for polars: names, data types and elements, however they are cut into chunks, and whatever lies under a null.

A column is written as blocks of `BLOCK` rows each, as in `arrow`. Frames that are lazy are refused: what they
read, such as files, may change between the hash and the reading.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes

Rule = Callable[[Any], object]

#: Rows of a block.
BLOCK = 1 << 20

#: Data types whose elements numpy has, under the same name.
_NUMBERS = frozenset(
    {"Boolean", "Float16", "Float32", "Float64"}
    | {f"{sign}{size}" for sign in ("Int", "UInt") for size in (8, 16, 32, 64)}
)
#: Those that are such numbers in memory: since 1970, of units, of categories.
_COUNTED = frozenset({"Date", "Datetime", "Duration", "Time", "Enum"})
#: Those whose numbers are too long for numpy.
_LONG = frozenset({"Decimal", "Int128", "UInt128"})


def _frame(value: Any) -> object:
    return value.height, [_series(series) for series in value.get_columns()]


def _series(value: Any) -> tuple[object, ...]:
    parts = value.name, _data_type(value.dtype), _column(value)
    return (*parts, _order(value)) if _is_out_of_order(value) else parts


def _order(value: Any) -> str:
    """In which order polars takes the elements to be, since it sorted them or was told so; "" for none."""
    return "".join(sorted(name for name, is_set in value.flags.items() if is_set))


def _is_out_of_order(value: Any) -> bool:
    """Whether polars was told of an order that the elements do not have: it finds other results then."""
    order = _order(value)
    if "SORTED" not in order:
        return False
    present = value.drop_nulls()
    before, after = present.slice(0, max(len(present) - 1, 0)), present.slice(1)
    try:
        return not (after <= before if "DESC" in order else before <= after).all()
    except Exception:  # not every data type can be compared
        return True


def _column(values: Any) -> list[object]:
    return [_block(values.slice(start, BLOCK)) for start in range(0, len(values), BLOCK)]


def _block(values: Any) -> tuple[object, ...]:
    """How many elements there are, which of them are nulls (None if none is), the others."""
    if values.null_count() == 0:
        return len(values), None, _elements(values)
    return len(values), ArrayBytes(values.is_null().to_numpy()), _elements(values.drop_nulls())


def _elements(values: Any) -> object:
    """Elements none of which is a null."""
    kind = _kind(values.dtype)
    if kind in _NUMBERS:
        return ArrayBytes(values.to_numpy())
    if kind in _COUNTED:
        return ArrayBytes(values.to_physical().to_numpy())
    if kind == "String":
        # One text after the other, and where each ends.
        return ArrayBytes(values.str.len_bytes().to_numpy()), values.str.join("").item()
    if kind == "Categorical":
        # Which number stands for a text depends on what else the process has seen.
        return _elements(values.cast(_named("String")))
    if kind == "Binary":
        texts = values.to_list()
        return [len(text) for text in texts], b"".join(texts)
    if kind in _LONG:
        # As int; a decimal counts its last digit, and the type says where the point is.
        return (values.to_physical() if kind == "Decimal" else values).to_list()
    if kind == "List":
        # An empty list would be exploded to a null.
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


def _named(kind: str) -> Any:
    import polars

    return getattr(polars, kind)


def _kind(value: Any) -> str:
    # `List(Int8)` holds the class, and means an instance of it.
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _data_type(value: Any) -> object:
    """What two data types differ in, if they are not equal."""
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
    """Where a categorical has its categories from; before polars 1.32, how it is sorted."""
    categories = getattr(value, "categories", None)
    if categories is None:
        return getattr(value, "ordering", None)
    return categories.name(), categories.namespace()


def _expression(value: Any) -> object:
    written = value.__getstate__()
    if b"PLPYFN" in written:
        raise TypeError("an expression with a function of Python in it does not say what that does")
    return written


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "polars.dataframe.frame.DataFrame": ("polars.DataFrame", _frame),
    "polars.series.series.Series": ("polars.Series", _series),
    "polars.datatypes.classes.DataType": ("polars.DataType", _data_type),
    "polars.expr.expr.Expr": ("polars.Expr", _expression),
}

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "polars.lazyframe.frame.LazyFrame": "a lazy frame cannot be part of a key: what it reads may"
    " change; collect it, or pass what it is made from",
}

#: Qualified name of a type -> attributes that its rule speaks for, so that they are none of a derived class's own.
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
