"""pyarrow: type and elements count; chunks, slices and memory under nulls do not."""

from __future__ import annotations

import datetime as dt
import decimal
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pytest

from funes import UnhashableArgumentError, hash_value
from funes._values import arrow
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

PAIR = pa.struct([("a", pa.int8()), ("b", pa.string())])


class Point(pa.ExtensionType):
    """A user-defined extension type."""

    def __init__(self, unit: str = "m") -> None:
        self.unit = unit
        super().__init__(pa.list_(pa.float64(), 2), "test.point")

    def __arrow_ext_serialize__(self) -> bytes:
        return self.unit.encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, written: bytes) -> Point:
        return cls(written.decode())


#: Types with values, of which the second and the last differ.
KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    str(kind): (kind, values)
    for kind, values in [
        (pa.bool_(), [True, None, False]),
        (pa.int8(), [1, None, 3]),
        (pa.int64(), [1, None, 3]),
        (pa.uint64(), [1, None, 3]),
        (pa.float16(), [np.float16(1.5), None, np.float16(-0.0)]),
        (pa.float64(), [1.5, None, -0.0]),
        (pa.decimal128(5, 2), [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
        (pa.decimal128(6, 2), [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
        (pa.decimal256(5, 2), [decimal.Decimal("1.5"), None, decimal.Decimal("2.5")]),
        (pa.date32(), [dt.date(2020, 1, 1), None, dt.date(2020, 1, 2)]),
        (pa.date64(), [dt.date(2020, 1, 1), None, dt.date(2020, 1, 2)]),
        (pa.timestamp("s"), [1, None, 3]),
        (pa.timestamp("ns"), [1, None, 3]),
        (pa.timestamp("ns", "Europe/Paris"), [1, None, 3]),
        (pa.time32("s"), [1, None, 3]),
        (pa.time64("us"), [1, None, 3]),
        (pa.duration("ms"), [1, None, 3]),
        (pa.month_day_nano_interval(), [(1, 2, 3), None, (1, 2, 4)]),
        (pa.string(), ["ab", None, "", "ä\U0001f600"]),
        (pa.large_string(), ["ab", None, "", "c"]),
        (pa.string_view(), ["ab", None, "", "c" * 30]),
        (pa.binary(), [b"ab", None, b"", b"c"]),
        (pa.large_binary(), [b"ab", None, b"", b"c"]),
        (pa.binary_view(), [b"ab", None, b"", b"c" * 30]),
        (pa.binary(2), [b"ab", None, b"cd"]),
        (pa.list_(pa.int8()), [[1, None], None, [], [3]]),
        (pa.large_list(pa.int8()), [[1, None], None, [], [3]]),
        (pa.list_view(pa.int8()), [[1, None], None, [], [3]]),
        (pa.list_(pa.int8(), 2), [[1, None], None, [3, 4]]),
        (pa.list_(pa.list_(pa.string())), [[["a"], None], None, [["b"], []]]),
        (pa.map_(pa.string(), pa.int8()), [[("a", 1)], None, [], [("b", 2), ("c", None)]]),
        (PAIR, [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
        (pa.list_(PAIR), [[{"a": 1, "b": "x"}], None, [None]]),
        (pa.uuid(), [b"0" * 16, None, b"1" * 16]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a"]),
        (pa.dictionary(pa.int32(), pa.string()), ["a", None, "b", "a"]),
    ]
}
with_each = pytest.mark.parametrize(("kind", "values"), KINDS.values(), ids=KINDS)


def made(kind: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.array(values, kind)


@with_each
def test_memory_location_does_not_count(kind: pa.DataType, values: list[Any]) -> None:
    array = made(kind, values)
    before = [] if pa.types.is_dictionary(kind) else values[1:]
    assert_all_equal(
        [
            array,
            made(kind, values + values).slice(len(values)),
            made(kind, before + values).slice(len(before)),
            pa.array([*values, values[0]], kind)[:-1],
            pa.ipc.open_stream(_sent(array)).read_all().column(0).chunk(0),
        ]
    )
    assert_all_equal([made(kind, []), array[:0], array[2:2]])


def _sent(array: pa.Array) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("a", array.type)])) as writer:
        writer.write_batch(pa.record_batch([array], names=["a"]))
    return sink.getvalue()


@with_each
def test_chunks_do_not_count(kind: pa.DataType, values: list[Any]) -> None:
    array = made(kind, values)
    whole = pa.chunked_array([array])
    pieces = [array[:1], array[1:1], array[1:2], array[2:]]
    assert_all_equal([whole, pa.chunked_array(pieces), pa.chunked_array([array[:0], array])])
    assert_all_equal([pa.chunked_array([], kind), whole[:0]])
    assert hash_value(array) != hash_value(whole)


@with_each
def test_every_element_counts(kind: pa.DataType, values: list[Any]) -> None:
    if not pa.types.is_dictionary(kind):
        assert_all_differ(
            [
                *(made(kind, values[:end]) for end in range(len(values) + 1)),
                made(kind, values[::-1]),
                made(kind, [*values, None]),
                made(kind, [*values[:-1], None]),
                made(kind, [values[-1], *values[1:]]),
            ]
        )
    one, null = made(kind, values)[0], made(kind, values)[1]
    assert_all_differ(
        [one, null, made(kind, values)[-1]] if values[0] != values[-1] else [one, null]
    )
    assert_all_equal([one, made(kind, values * 2)[len(values)]])
    assert_all_equal([null, made(kind, [None])[0]])


def test_types_differ() -> None:
    kinds = [kind for kind, _ in KINDS.values()]
    assert_all_differ(made(kind, []) for kind in kinds)
    assert_all_differ(made(kind, [None]) for kind in kinds)
    assert_all_differ(
        [
            *kinds,
            pa.null(),
            Point(),
            Point("km"),
            pa.dictionary(pa.int8(), pa.string(), ordered=True),
            pa.struct([("b", pa.int8()), ("a", pa.string())]),
            pa.struct([pa.field("a", pa.int8(), nullable=False), ("b", pa.string())]),
            pa.sparse_union([pa.field("a", pa.int8())]),
            pa.dense_union([pa.field("a", pa.int8())]),
            pa.run_end_encoded(pa.int16(), pa.int8()),
            pa.fixed_shape_tensor(pa.int8(), [2, 3]),
            pa.fixed_shape_tensor(pa.int8(), [3, 2]),
            pa.list_(pa.int8(), 3),
            pa.map_(pa.string(), pa.int8(), keys_sorted=True),
        ]
    )
    for kind in kinds:
        assert_all_equal([kind, pickle.loads(pickle.dumps(kind)), made(kind, []).type])


@pytest.mark.parametrize(
    "make",
    [
        pa.list_,
        pa.large_list,
        lambda field: pa.list_(field, 1),
        lambda field: pa.map_(pa.string(), field),
        lambda field: pa.struct([field]),
        lambda field: pa.struct([pa.field("outer", pa.list_(field))]),
        lambda field: pa.sparse_union([field]),
        lambda field: pa.schema([field]),
        lambda field: field,
    ],
)
def test_fields_of_nested_types_count(make: Any) -> None:
    fields = [
        pa.field("a", pa.int8()),
        pa.field("b", pa.int8()),
        pa.field("a", pa.int8(), nullable=False),
        pa.field("a", pa.int8(), metadata={"unit": "m"}),
        pa.field("a", pa.int8(), metadata={"unit": "s"}),
        pa.field("a", pa.dictionary(pa.int8(), pa.string(), ordered=False)),
        pa.field("a", pa.dictionary(pa.int8(), pa.string(), ordered=True)),
    ]
    assert_all_differ(map(make, fields))
    for field in fields:
        kind = make(field)
        if not isinstance(kind, pa.FixedSizeListType):  # pyarrow's pickle of it has no field
            assert_all_equal([kind, pickle.loads(pickle.dumps(kind))])
    # pyarrow treats types with other names as equal; the text of a type shows them.
    assert_all_equal([make(fields[0]), make(pa.field("a", pa.int8(), metadata={}))])


def test_names_of_elements_count_in_arrays_and_tables() -> None:
    kinds = [pa.list_(pa.field(name, pa.int8())) for name in ("item", "element")]
    arrays = [pa.array([[1]], kind) for kind in kinds]
    assert_all_differ(arrays)
    assert_all_differ(pa.table({"a": array}) for array in arrays)
    assert_all_differ(array[0] for array in arrays)


class Scaled(pa.ExtensionType):
    """An extension type with an attribute that its serialized form lacks."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        super().__init__(pa.int64(), "funes.scaled")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Scaled:
        return cls(1)


class OtherScaled(Scaled):
    def scaled(self, number: int) -> int:
        return number * self.scale


def test_class_and_attributes_of_an_extension_type_count() -> None:
    kinds = [Scaled(1), Scaled(2), OtherScaled(1)]
    assert_all_differ(kinds)
    storage = pa.array([1])
    arrays = [pa.ExtensionArray.from_storage(kind, storage) for kind in kinds]
    assert_all_differ(arrays)
    assert_all_differ(pa.table({"a": array}) for array in arrays)


def test_memory_under_null_does_not_count() -> None:
    valid = pa.py_buffer(b"\x05")

    def numbers(middle: int) -> pa.Array:
        memory = pa.py_buffer(np.array([1, middle, 3]))
        return pa.Array.from_buffers(pa.int64(), 3, [valid, memory])

    assert_all_equal([numbers(0), numbers(7), pa.array([1, None, 3])])

    def texts(middle: bytes) -> pa.Array:
        ends = np.array([0, 1, 1 + len(middle), 2 + len(middle)], "i4")
        buffers = [valid, pa.py_buffer(ends), pa.py_buffer(b"a" + middle + b"c")]
        return pa.Array.from_buffers(pa.string(), 3, buffers)

    assert_all_equal([texts(b""), texts(b"xyz"), pa.array(["a", None, "c"])])

    def lists(middle: list[int]) -> pa.Array:
        ends = pa.py_buffer(np.array([0, 1, 1 + len(middle), 2 + len(middle)], "i4"))
        inner = pa.array([1, *middle, 3])
        return pa.Array.from_buffers(pa.list_(pa.int64()), 3, [valid, ends], children=[inner])

    assert_all_equal([lists([]), lists([8, 9]), pa.array([[1], None, [3]])])

    def structs(middle: int) -> pa.Array:
        mask = pa.array([False, True, False])
        return pa.StructArray.from_arrays([pa.array([1, middle, 3])], ["a"], mask=mask)

    assert_all_equal([structs(0), structs(7), pa.array([{"a": 1}, None, {"a": 3}])])
    assert hash_value(structs(0)) != hash_value(pa.array([{"a": 1}, {"a": None}, {"a": 3}]))

    # No validity bits, or all of them set.
    all_valid = pa.Array.from_buffers(pa.int8(), 2, [pa.py_buffer(b"\xff"), pa.py_buffer(b"\1\2")])
    assert_all_equal([all_valid, pa.array([1, 2], pa.int8())])
    # Bits beyond the end.
    some = [pa.Array.from_buffers(pa.bool_(), 2, [None, pa.py_buffer(b)]) for b in (b"\2", b"\xfe")]
    assert_all_equal([*some, pa.array([False, True])])


def test_boundaries_between_texts_count() -> None:
    assert_all_differ(
        pa.array(texts) for texts in (["ab", ""], ["a", "b"], ["", "ab"], ["ab"], ["ab", None])
    )


def test_a_dictionary_counts_in_its_order() -> None:
    def encoded(texts: list[str], indices: list[int | None]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int8()), pa.array(texts))

    assert_all_differ(
        [
            encoded(["a", "b"], [0, 1, None]),
            encoded(["b", "a"], [1, 0, None]),
            encoded(["a", "b", "c"], [0, 1, None]),
            encoded(["a", "b"], [1, 0, None]),
            pa.array(["a", "b", None]),
        ]
    )
    # Chunks may have separate dictionaries, which are unified.
    pieces = [encoded(["a", "b"], [0, 1]), encoded(["b", "c"], [0, 1])]
    together = pa.chunked_array([encoded(["a", "b", "c"], [0, 1, 1, 2])])
    assert_all_equal([pa.chunked_array(pieces), together])


def test_unions() -> None:
    codes = pa.array([0, 1, 0], pa.int8())

    def sparse(first: int, hidden: str) -> pa.Array:
        children = [pa.array([first, 2, 3]), pa.array([hidden, "b", "c"])]
        return pa.UnionArray.from_sparse(codes, children)

    def dense(values: list[int], places: list[int]) -> pa.Array:
        children = [pa.array(values), pa.array(["b"])]
        return pa.UnionArray.from_dense(codes, pa.array(places, pa.int32()), children)

    assert_all_equal([sparse(1, "a"), sparse(1, "x")])
    assert_all_equal([dense([1, 3], [0, 0, 1]), dense([3, 9, 1], [2, 0, 0])])
    assert_all_differ(
        [sparse(1, "a"), sparse(2, "a"), dense([1, 3], [0, 0, 1]), dense([1, 3], [1, 0, 1])]
    )
    longer = pa.array([1, 0, 1, 0], pa.int8())
    shifted = pa.UnionArray.from_sparse(
        longer, [pa.array([0, 1, 2, 3]), pa.array(["z", "a", "b", "c"])]
    )
    assert_all_equal([sparse(1, "a"), shifted[1:]])
    shifted = pa.UnionArray.from_dense(
        longer, pa.array([0, 0, 1, 1], pa.int32()), [pa.array([1, 3]), pa.array(["z", "b"])]
    )
    assert_all_equal([dense([1, 3], [0, 0, 1]), shifted[1:]])


def test_runs() -> None:
    values = pa.array([1, 1, None, None, 2])
    encoded = pc.run_end_encode(values)
    assert_all_equal([encoded, pc.run_end_encode(pa.array([0, 1, 1, None, None, 2]))[1:]])
    split = pa.RunEndEncodedArray.from_arrays(
        pa.array([1, 2, 4, 5], pa.int32()), pa.array([1, 1, None, 2])
    )
    assert_all_equal([encoded, split])
    assert_all_differ([encoded, encoded[:4], values])


def test_extension_types() -> None:
    storage = pa.array([[1.0, 2.0], None], Point().storage_type)
    assert_all_differ(
        [
            pa.ExtensionArray.from_storage(Point(), storage),
            pa.ExtensionArray.from_storage(Point("km"), storage),
            pa.ExtensionArray.from_storage(Point(), storage[:1]),
            storage,
        ]
    )


def test_tables() -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
    assert_all_equal(
        [
            table,
            pa.concat_tables([table[:1], table[1:]]),
            pa.concat_tables([table, table])[3:],
            pickle.loads(pickle.dumps(table)),
            table.replace_schema_metadata({}),
            pa.Table.from_batches(table.to_batches(max_chunksize=1)),
        ]
    )
    assert_all_differ(
        [
            table,
            table.to_batches()[0],
            table.to_struct_array(),
            table.select(["b", "a"]),
            table.rename_columns(["a", "c"]),
            table.append_column("b", [["x", None, "z"]]),
            table.set_column(0, "a", [[1, 2, 4]]),
            table.cast(pa.schema([("a", pa.int32()), ("b", pa.string())])),
            table.replace_schema_metadata({"k": "v"}),
            table[:2],
            pa.table({}),
            table.select([]),
        ]
    )
    batch = table.to_batches()[0]
    assert_all_equal([batch, batch.slice(0), pickle.loads(pickle.dumps(batch))])


def test_schemas() -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.string())])
    assert_all_equal([schema, pickle.loads(pickle.dumps(schema)), schema.with_metadata({})])
    assert_all_differ(
        [
            schema,
            schema.with_metadata({"k": "v"}),
            pa.schema(list(schema)[::-1]),
            pa.schema([schema.field("a").with_metadata({"k": "v"}), schema.field("b")]),
            pa.schema([schema.field("a").with_nullable(False), schema.field("b")]),
            *schema,
        ]
    )


def test_blocks_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "BLOCK", 4)
    texts = [str(number) if number % 5 else None for number in range(22)]
    array = pa.array(texts).dictionary_encode()
    for whole in (pa.array(texts), array, pa.array([[text, None] for text in texts])):
        assert_all_equal(
            [
                pa.chunked_array([whole]),
                pa.chunked_array([whole[:3], whole[3:9], whole[9:]]),
                pa.chunked_array([whole[:4], whole[4:]]),
            ]
        )


def test_readers_and_data_sets_are_refused(tmp_path: Any) -> None:
    table = pa.table({"a": [1]})
    for value, reason in [
        (table.to_reader(), "reader"),
        (pa.dataset.dataset(table), "data set"),
        (pa.OSFile(str(tmp_path / "file"), "wb"), "an iterator"),
    ]:
        with pytest.raises(UnhashableArgumentError, match=reason):
            hash_value(value)


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import pyarrow as pa
table = pa.table({"a": [1, None, 3], "b": ["x", "yz", None], "c": [[1], [], None]}, metadata={"k": "v", "l": "w"})
values = [table, table.schema, table["b"], table["c"].chunk(0), table["a"][0], pa.array(["a", "b"]).dictionary_encode()]
""",
    )
