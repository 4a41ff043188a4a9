"""Type rules for pyarrow: type and elements, independent of chunks, slices and memory under nulls.

A column is written in blocks of `BLOCK` rows; the last one may be shorter. So the encoding does not
depend on the chunks, and joining chunks copies at most one block at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes

Rule = Callable[[Any], object]

#: Rows per block: enough to use every core, and little memory compared to a large table.
BLOCK = 1 << 20


def column(values: Any) -> list[object]:
    """Returns the elements of an array or chunked array, without their type."""
    values = _unified(values)
    return [
        _block(_in_one_piece(values.slice(start, BLOCK))) for start in range(0, len(values), BLOCK)
    ]


def _unified(values: Any) -> Any:
    """Makes all chunks share one dictionary, if they have dictionaries."""
    return values.unify_dictionaries() if hasattr(values, "chunks") else values


def _in_one_piece(values: Any) -> Any:
    from pyarrow import concat_arrays

    if not hasattr(values, "chunks"):
        return _plain(values)
    # A slice may have empty chunks at its ends.
    chunks = [_plain(chunk) for chunk in values.chunks if len(chunk)]
    return chunks[0] if len(chunks) == 1 else concat_arrays(chunks)


def _block(values: Any) -> tuple[object, ...]:
    """Returns the length, a mask of the valid elements (None without nulls), the valid elements."""
    if values.null_count == 0:
        return len(values), None, _elements(values)
    return len(values), _bits(values.is_valid()), _elements(values.drop_null())


def _plain(values: Any) -> Any:
    """Converts elements to a type with fewer memory layouts."""
    from pyarrow import ExtensionArray, compute, large_binary, large_string, types

    if isinstance(values, ExtensionArray):
        return _plain(values.storage)
    kind = values.type
    if types.is_map(kind):
        return _pairs(values)
    if types.is_run_end_encoded(kind):
        return _plain(compute.run_end_decode(values))
    if types.is_string(kind) or _is(kind, "string_view"):
        return values.cast(large_string())
    if types.is_binary(kind) or _is(kind, "binary_view"):
        return values.cast(large_binary())
    return values


def _is(kind: Any, name: str) -> bool:
    """Tests a type by name, since older versions of pyarrow do not have it."""
    from pyarrow import types

    test = getattr(types, f"is_{name}", None)
    return test is not None and bool(test(kind))


def _elements(values: Any) -> object:
    """Returns the elements of an array without nulls."""
    from pyarrow import types

    kind = values.type
    if types.is_null(kind):
        return ()
    if types.is_boolean(kind):
        return _bits(values)
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return _texts(values)
    if types.is_dictionary(kind):
        return column(values.dictionary), column(values.indices)
    if types.is_struct(kind):
        return [column(field) for field in values.flatten()]
    if types.is_union(kind):
        return _union(values)
    if types.is_fixed_size_list(kind):
        return column(values.flatten())
    if types.is_nested(kind):
        return _lengths(values), column(values.flatten())
    return _fixed(values)


def _fixed(values: Any) -> ArrayBytes:
    """Returns the memory of elements of a fixed size."""
    memory = values.buffers()[1]
    if memory is None or len(values) == 0:
        return ArrayBytes(b"")
    width = values.type.bit_width // 8
    return ArrayBytes(memory.slice(values.offset * width, len(values) * width))


def _bits(values: Any) -> ArrayBytes:
    from pyarrow import uint8

    # One byte per element: the bits of a slice may begin anywhere in a byte.
    return _fixed(values.cast(uint8()))


def _lengths(values: Any) -> ArrayBytes:
    from pyarrow import compute, int64

    return _fixed(compute.list_value_length(values).cast(int64()))


def _texts(values: Any) -> object:
    """Returns the end offset of each text, relative to the first text, and the joined texts."""
    from pyarrow import Array, compute, int64

    if len(values) == 0:
        return ArrayBytes(b""), ArrayBytes(b"")
    _, offsets, memory = values.buffers()
    ends = Array.from_buffers(int64(), len(values) + 1, [None, offsets], offset=values.offset)
    first, last = ends[0].as_py(), ends[-1].as_py()
    if first:
        ends = compute.subtract(ends, first)
    return _fixed(ends), ArrayBytes(memory.slice(first, last - first) if last > first else b"")


def _pairs(values: Any) -> Any:
    """Converts a map to a list of pairs, since only lists support slicing."""
    from pyarrow import list_, struct

    return values.cast(list_(struct([values.type.key_field, values.type.item_field])))


def _union(values: Any) -> object:
    """Returns the type code of each element, and the elements of each type."""
    from pyarrow import Array, compute, int8, int32

    memory = values.buffers()
    codes = Array.from_buffers(int8(), len(values), [None, memory[1]], offset=values.offset)
    children = []
    for index, code in enumerate(values.type.type_codes):
        of_kind = compute.equal(codes, code)
        child = values.field(index)
        if values.type.mode == "dense":
            places = Array.from_buffers(
                int32(), len(values), [None, memory[2]], offset=values.offset
            )
            child = child.take(places.filter(of_kind))
        else:
            child = child.filter(of_kind)
        children.append(column(child))
    return _fixed(codes), children


def data_type(kind: Any) -> object:
    """Reduces a type to a value that is equal for equal types only."""
    from pyarrow import BaseExtensionType, types

    name = str(kind).partition("<")[0]
    if isinstance(kind, BaseExtensionType):
        serialized = getattr(kind, "__arrow_ext_serialize__", bytes)()
        parts = kind.extension_name, str(kind), serialized, data_type(kind.storage_type)
        attributes = getattr(kind, "__dict__", None)
        # A class of Python code may have methods and attributes of its own.
        return parts if attributes is None else (*parts, type(kind), dict(attributes))
    if types.is_dictionary(kind):
        return name, data_type(kind.index_type), data_type(kind.value_type), kind.ordered
    if types.is_run_end_encoded(kind):
        return name, data_type(kind.run_end_type), data_type(kind.value_type)
    if types.is_map(kind):
        return name, kind.keys_sorted, _field(kind.key_field), _field(kind.item_field)
    if types.is_union(kind):
        fields = [_field(kind.field(index)) for index in range(kind.num_fields)]
        return name, kind.type_codes, fields
    if types.is_struct(kind):
        return name, [_field(kind.field(index)) for index in range(kind.num_fields)]
    if types.is_fixed_size_list(kind):
        return name, kind.list_size, _field(kind.value_field)
    if types.is_nested(kind):
        return name, _field(kind.value_field)
    # The text contains unit, time zone, precision and size.
    return str(kind)


def _field(field: Any) -> tuple[object, ...]:
    return field.name, data_type(field.type), field.nullable, field.metadata or None


def _schema(value: Any) -> object:
    return [_field(field) for field in value], value.metadata or None


def _array(value: Any) -> object:
    return data_type(value.type), column(value)


def _scalar(value: Any) -> object:
    from pyarrow import repeat

    return data_type(value.type), column(repeat(value, 1))


def _wrapped_scalar(value: Any) -> object:
    # A dictionary scalar contains the whole dictionary.
    return data_type(value.type), value.value if value.is_valid else None


def _table(value: Any) -> object:
    return _schema(value.schema), value.num_rows, [column(values) for values in value.columns]


# These define how they are pickled, which would take precedence over the rule of `DataType`.
_TYPES = """
Bool8 Decimal32 Decimal64 Decimal128 Decimal256 DenseUnion Dictionary Duration FixedShapeTensor
FixedSizeBinary FixedSizeList Json LargeList LargeListView List ListView Map Opaque RunEndEncoded
SparseUnion Struct Time32 Time64 Timestamp Union Uuid
"""

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    f"pyarrow.lib.{name}": (f"pyarrow.{name}", rule)
    for name, rule in {
        "Array": _array,
        "Buffer": ArrayBytes,
        "ChunkedArray": _array,
        "DataType": data_type,
        "DictionaryScalar": _wrapped_scalar,
        "ExtensionScalar": _wrapped_scalar,
        "ExtensionType": data_type,
        "Field": _field,
        "RecordBatch": _table,
        "Scalar": _scalar,
        "Schema": _schema,
        "Table": _table,
    }.items()
}
RULES.update(
    {f"pyarrow.lib.{name}Type": ("pyarrow.DataType", data_type) for name in _TYPES.split()}
)

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    **{
        f"pyarrow._dataset.{name}": "a data set is a list of files whose content may change;"
        " pass a table"
        for name in ("Dataset", "FileSystemDataset", "InMemoryDataset", "UnionDataset")
    },
    "pyarrow.lib.RecordBatchReader": "a reader cannot be part of a key: hashing would consume it;"
    " pass a table",
}
