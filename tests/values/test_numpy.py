"""numpy: data type, shape and elements count; the memory layout does not."""

from __future__ import annotations

import copy
import itertools
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy._core._rational_tests import rational

from funes import UnhashableArgumentError, hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

#: Data types of each kind; the elements of their arrays are given as ints.
PLAIN = """
? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 g F D G S3 U3 M8[D] M8[ns] M8[25s] m8[D] m8[us] O
"""
SWAPPED = """
>i2 >i4 >i8 >u2 >f2 >f4 >f8 >g >F >D >G >U3 >M8[ns] >m8[us]
"""
STRUCTS = (
    np.dtype("i4,f8"),
    np.dtype("i4,f8", align=True),
    np.dtype([("a", "i4"), ("b", "f8")]),
    np.dtype([("b", "i4"), ("a", "f8")]),
    np.dtype([(("title", "a"), "i4"), ("b", "f8")]),
    np.dtype([("a", "i4"), ("b", "f8", (2,))]),
    np.dtype([("a", "i4"), ("b", "f8", (1,))]),
    np.dtype([("a", "i4"), ("b", [("c", "i2"), ("d", "M8[s]")])]),
    np.dtype([("a", "i4"), ("b", "O")]),
    np.dtype([("a", "i4"), ("b", "g")]),
    np.dtype([("a", "i4"), ("b", "U3")]),
    np.dtype({"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [8, 0]}),
    np.dtype({"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [0, 8], "itemsize": 24}),
    np.dtype({"names": ["a", "b"], "formats": ["i8", "f4"], "offsets": [0, 4]}),
    np.dtype((np.record, [("a", "i4"), ("b", "f8")])),
)
STRINGS = (
    np.dtypes.StringDType(),
    np.dtypes.StringDType(na_object=None),
    np.dtypes.StringDType(na_object=np.nan),
    np.dtypes.StringDType(coerce=False),
)
KINDS = (*map(np.dtype, PLAIN.split()), *map(np.dtype, SWAPPED.split()), *STRUCTS, *STRINGS)


def filled(kind: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Makes an array whose elements differ from their neighbours."""
    made = np.zeros(shape, kind)
    size = made.size
    if kind.names is not None:
        for name in kind.names:
            field = kind.fields[name][0]
            base, inner = field.subdtype or (field, ())
            made[name] = filled(base, (*shape, *inner))
        return made
    numbers = np.arange(1, size + 1).reshape(shape)
    if kind.kind == "b":
        return (numbers % 3 == 1).astype(kind)
    if kind.kind in "OT":
        made.ravel()[...] = [str(n) for n in range(size)]
        return made
    return numbers.astype(kind)


def layouts(value: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Yields arrays of the same elements with other memory layouts."""
    wide = np.empty((value.shape[0], 2 * value.shape[1]), value.dtype)
    wide[:, ::2] = value
    backwards = value[::-1, ::-1].copy()
    read_only = value.copy()
    read_only.flags.writeable = False
    return [
        value,
        value.copy(),
        copy.copy(value),
        # Pickle may change the byte order.
        pickle.loads(pickle.dumps(value)).astype(value.dtype, copy=False),
        value.copy(order="F"),
        wide[:, ::2],
        backwards[::-1, ::-1],
        read_only,
    ]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_memory_layout_does_not_count(kind: np.dtype[Any]) -> None:
    assert_all_equal(layouts(filled(kind, (3, 4))))
    assert_all_equal([filled(kind, ()), filled(kind, ()).copy()])
    assert_all_equal([np.zeros((0, 3), kind), np.zeros((5, 3), kind)[5:]])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_element_counts(kind: np.dtype[Any]) -> None:
    value = filled(kind, (2, 3))
    changed = [value]
    for index in np.ndindex(value.shape):
        other = value.copy()
        other[index] = np.zeros((), kind)[()]
        if other[index] != value[index]:
            changed.append(other)
    assert len(changed) > 2
    assert_all_differ(changed)


def test_data_types_differ() -> None:
    assert_all_differ(np.zeros((2, 3), kind) for kind in KINDS)
    assert_all_differ(np.zeros((0,), kind) for kind in KINDS)
    assert_all_differ(
        [*KINDS, np.dtype(("i4", (2,))), np.dtype(("i4", (3,))), np.dtype("S"), "<i4"]
    )


def test_data_types_are_hashed() -> None:
    for kind in KINDS:
        assert_all_equal([kind, pickle.loads(pickle.dumps(kind)), np.zeros(1, kind).dtype])
    # Two names of one type; which of them an integer has depends on the platform.
    assert_all_equal(
        [np.dtype("l"), np.dtype("q") if np.dtype("q") == np.dtype("l") else np.dtype("l")]
    )
    assert hash_value(np.float64) != hash_value(np.dtype(np.float64))


def test_similar_values_differ() -> None:
    numbers = np.arange(6)
    square = numbers.reshape(2, 3)
    assert_all_differ([numbers[0:3], numbers[1:4]])
    assert_all_differ([square[0], square[1], square[:, 0], square[:, 1]])
    assert_all_differ([numbers, square, numbers.reshape(3, 2), numbers.reshape(1, 6), square.T])
    assert_all_differ(
        [np.zeros(3, "i8"), np.zeros(3, "f8"), np.zeros(3, bool), [0, 0, 0], (0, 0, 0)]
    )
    assert_all_differ([np.array(0.0), np.array(-0.0), np.array([0.0]), 0.0, np.float64(0)])
    assert_all_differ([np.array(1), np.array([1]), np.array([[1]]), np.int64(1), 1])
    assert_all_differ([np.array([]), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((0, 0))])
    assert_all_differ([np.array(["a", "b"]), np.array(["ab", ""]), np.array([b"a", b"b"])])
    assert_all_differ(
        [np.array("2020", "M8[Y]"), np.array("2020", "M8[D]"), np.array("NaT", "M8[D]")]
    )


# numpy 2.5 deprecates time differences without a unit, but they exist.
@pytest.mark.filterwarnings("ignore:The 'generic' unit:DeprecationWarning")
def test_scalars_differ_from_python_scalars() -> None:
    assert_all_differ(
        [
            *(kind(1) for kind in (int, float, complex, bool, str)),
            *(np.dtype(code).type(1) for code in "?bhilBHILefdgFDG"),
            *(np.dtype(code).newbyteorder().type(2) for code in "bd"),
            np.str_("1"),
            np.str_("12"),
            np.bytes_(b"1"),
            b"1",
            np.void(b"1"),
            np.datetime64(1, "s"),
            np.datetime64(1, "ms"),
            np.datetime64("NaT"),
            np.timedelta64(1, "s"),
            np.timedelta64(1),
            *(np.zeros(1, kind)[0] for kind in STRUCTS[:5]),
        ]
    )
    for kind in KINDS:
        scalar = filled(kind, (1,))[0]
        assert_all_equal([scalar, copy.copy(scalar), pickle.loads(pickle.dumps(scalar))])


def test_scalar_types_of_one_data_type_are_equal() -> None:
    for one, other in itertools.combinations("bhilqBHILQ", 2):
        first, second = np.dtype(one), np.dtype(other)
        same = hash_value(first.type(1)) == hash_value(second.type(1))
        assert same == (first == second)


def test_padding_does_not_count() -> None:
    aligned = np.dtype("i1,f8,g", align=True)
    for fill in (0, 255):
        memory = np.full(3 * aligned.itemsize, fill, "u1").view(aligned)
        memory["f0"], memory["f1"], memory["f2"] = [1, 2, 3], [4, 5, 6], [7, 8, 9]
        long = np.full(3 * np.dtype("G").itemsize, fill, "u1").view("G")
        long[...] = [1, 2, 3]
        if fill == 0:
            first, first_long = memory, long
    assert first.tobytes() != memory.tobytes()
    assert_all_equal([first, memory, memory[::-1].copy()[::-1]])
    assert_all_equal([first[1], memory[1]])
    assert_all_equal([first_long, long])
    assert_all_equal([first_long[1], long[1]])
    assert_all_equal([first_long.real, long.real])


def test_objects_count_one_by_one() -> None:
    values = np.array([1, "a", None, [2], {"k": (3,)}, np.float32(4)], dtype=object)
    other = copy.deepcopy(values)
    assert_all_equal([values, other, pickle.loads(pickle.dumps(values)), np.repeat(values, 2)[::2]])
    other[3].append(3)
    assert_all_differ([values, other, values.reshape(2, 3), values.tolist()])
    nested = np.empty(2, object)
    nested[:] = [np.arange(2), np.arange(3)]
    flat = np.empty(2, object)
    flat[:] = [[0, 1], [0, 1, 2]]
    assert_all_differ([nested, flat])
    scalar = np.empty((), object)
    scalar[()] = [1, 2]
    assert_all_differ([scalar, np.array([1, 2], object), np.array([[1, 2]], object)])


def test_array_that_contains_itself() -> None:
    def ring() -> np.ndarray[Any, Any]:
        made = np.empty(1, object)
        made[0] = made
        return made

    assert_all_equal([ring(), ring()])


def test_refusal_has_path_to_element() -> None:
    values = np.array([1, (n for n in "ab")], dtype=object)
    with pytest.raises(UnhashableArgumentError, match=r"value -> \[1\]: a generator"):
        hash_value(values)
    with pytest.raises(UnhashableArgumentError, match="an iterator"):
        hash_value(np.arange(3).flat)


def test_masked_elements_do_not_count() -> None:
    def masked(data: list[int], mask: Any = (False, True, False), **options: Any) -> Any:
        return np.ma.masked_array(data, mask=mask, **options)

    one = masked([1, 2, 3])
    assert_all_equal([one, masked([1, 9, 3]), one.copy(), pickle.loads(pickle.dumps(one))])
    assert_all_equal([masked([1, 2, 3], fill_value=999999), one])
    assert_all_differ(
        [
            one,
            masked([0, 2, 3]),
            masked([1, 2, 3], mask=[True, False, False]),
            masked([1, 2, 3], mask=np.ma.nomask),
            masked([1, 2, 3], mask=[False] * 3),
            masked([1, 2, 3], mask=np.ma.nomask, hard_mask=True),
            masked([1, 2, 3], fill_value=0),
            masked([1, 2, 3], hard_mask=True),
            masked([1.0, 2.0, 3.0]),
            np.array([1, 2, 3]),
            np.ma.masked,
            np.ma.masked_array([(1, 2)], mask=[(0, 1)], dtype="i4,i4"),
            np.ma.masked_array([(1, 2)], mask=[(1, 0)], dtype="i4,i4"),
            np.ma.masked_array([(1, 2)], mask=[(1, 0)], dtype="i4,i4")[0],
        ]
    )
    records = [
        np.ma.masked_array([(n, 2), (n, n)], mask=[(1, 0), (1, 1)], dtype="i4,g") for n in (3, 4)
    ]
    assert_all_equal(records)


def test_alignment_of_structs_counts() -> None:
    packed = np.dtype("i4,i4")
    for kind in (packed, np.dtype("i1,i8"), np.dtype([("a", packed), ("b", "i2")])):
        formats = [kind.fields[name][0] for name in kind.names]
        aligned = np.dtype({"names": list(kind.names), "formats": formats}, align=True)
        same = np.dtype(
            {
                "names": list(kind.names),
                "formats": formats,
                "offsets": [aligned.fields[name][1] for name in kind.names],
                "itemsize": aligned.itemsize,
            }
        )
        assert_all_differ([aligned, same])
        assert_all_differ([np.zeros(2, aligned), np.zeros(2, same)])
        assert_all_equal([aligned, pickle.loads(pickle.dumps(aligned))])


def test_hashing_does_not_change_arrays() -> None:
    masked = np.ma.masked_array([1, 2], mask=[0, 1])
    before = dict(vars(masked))
    hash_value(masked)
    assert {name: id(value) for name, value in vars(masked).items()} == {
        name: id(value) for name, value in before.items()
    }
    generator = np.random.default_rng(1)
    state = copy.deepcopy(generator.bit_generator.state)
    hash_value(generator)
    assert generator.bit_generator.state == state


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:The chararray class:DeprecationWarning")  # from numpy 2.5 on
def test_kinds_of_arrays() -> None:
    values = np.array([[1, 2], [3, 4]])
    assert_all_differ([values, np.matrix(values), np.ma.masked_array(values), values.tolist()])
    assert_all_equal([np.matrix(values), np.matrix(values.T).T])
    records = np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    assert_all_differ([records, np.asarray(records), records.view("i4,f8"), records[0], records.a])
    assert_all_equal([np.char.array(["a"]), np.char.array(["a", "b"])[:1]])


def test_mapped_file_equals_its_content(tmp_path: Path) -> None:
    values = np.arange(10.0)
    np.save(tmp_path / "one.npy", values)
    np.save(tmp_path / "two.npy", values)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("one.npy", "two.npy")]
    assert isinstance(mapped[0], np.memmap)
    assert_all_equal([values, *mapped, mapped[0] + 0])
    assert_all_equal([values[2:], mapped[0][2:]])


class Signal(np.ndarray[Any, Any]):
    """An array with attributes, as the documentation of numpy recommends."""

    def __array_finalize__(self, source: Any) -> None:
        self.rate = getattr(source, "rate", 1)


def test_subclass_counts_with_its_attributes() -> None:
    one, two, three = (np.arange(3).view(Signal) for _ in range(3))
    three.rate = 2
    assert_all_equal([one, two])
    assert_all_differ([one, three, np.arange(3)])


class Mapped(np.memmap[Any, Any]):
    pass


def test_memmap_subclass_counts_by_content(tmp_path: Path) -> None:
    made = []
    for name in "ab":
        value = Mapped(tmp_path / name, dtype="i8", mode="w+", shape=(3,))
        value[...] = [1, 2, 3]
        made.append(value)
    assert_all_equal(made)


def test_third_party_data_types() -> None:
    values = np.array([rational(1, 2), rational(3, 4)])
    assert_all_equal([values, values[::-1].copy()[::-1]])
    assert_all_differ([values, values[:1], values[::-1], values.view("V8"), values.view("i8")])


@pytest.mark.parametrize("name", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_generators_count_by_state(name: str) -> None:
    make: Callable[[int], Any] = getattr(np.random, name)
    bits = make(3)
    generator = np.random.Generator(make(3))
    assert_all_equal([bits, make(3), pickle.loads(pickle.dumps(bits))])
    assert_all_equal([generator, np.random.Generator(make(3)), copy.deepcopy(generator)])
    drawn, spawned = np.random.Generator(make(3)), np.random.Generator(make(3))
    drawn.random()
    spawned.spawn(1)
    assert_all_differ([bits, make(4), generator, drawn, spawned, np.random.RandomState(make(3))])
    # Half of a number was buffered and is used; its bits are still in the state.
    kept = np.random.Generator(make(3))
    kept.integers(2**32, size=4, dtype="u4")
    aligned = np.random.Generator(make(3))
    aligned.bit_generator.random_raw(2 if name != "MT19937" else 4)
    assert_all_equal([kept, aligned])


def test_random_state() -> None:
    one, drawn, normal = (np.random.RandomState(3) for _ in range(3))
    drawn.random_sample()
    normal.standard_normal()
    assert_all_equal([one, np.random.RandomState(3), pickle.loads(pickle.dumps(one))])
    assert_all_differ([one, drawn, normal, np.random.RandomState(4), np.random.default_rng(3)])


def test_global_generator_counts_by_name() -> None:
    shared = np.random.mtrand._rand
    before = hash_value(shared)
    np.random.random()
    assert hash_value(shared) == before
    assert_all_differ([shared, np.random.RandomState(3), np.random])


def test_seed_sequences() -> None:
    one = np.random.SeedSequence(3)
    spawned = np.random.SeedSequence(3)
    children = spawned.spawn(2)
    assert_all_equal([one, np.random.SeedSequence(3), pickle.loads(pickle.dumps(one))])
    assert_all_differ([one, spawned, *children, np.random.SeedSequence(3, pool_size=8)])


def test_other_numpy_objects() -> None:
    assert_all_differ(
        [
            np.poly1d([1, 2]),
            np.poly1d([1, 3]),
            np.polynomial.Polynomial([1, 2]),
            np.polynomial.Polynomial([1, 2], domain=[0, 1]),
            np.polynomial.Chebyshev([1, 2]),
            np.vectorize(len),
            np.vectorize(abs),
            np.vectorize(len, otypes=[float]),
            np.add,
            np.multiply,
            np.sin,
            np.s_[1:],
            np.s_[1:2, ...],
        ]
    )
    called = np.vectorize(len, otypes=[int])
    called(["ab"])
    assert_all_equal([called, np.vectorize(len, otypes=[int])])


def test_hashing_does_not_copy_arrays() -> None:
    values = np.ones((64 << 20) // 8)
    for value in (values, values[::-1], values.reshape(1024, -1).T, values.view("M8[ns]")[::2]):
        tracemalloc.start()
        hash_value(value)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import numpy as np
values = [
    np.arange(12.0).reshape(3, 4).T,
    np.array(["a", "bc"]),
    np.array(["a", "bc"], dtype="T"),
    np.array([{"a", "b", "c"}, None, 1.5], dtype=object),
    np.array([(1, 2.5, "x")], dtype=[("a", "i1"), ("b", "f8"), ("c", "U3")]),
    np.array([1, 2], "M8[s]"),
    np.array([1, 2], "g"),
    np.ma.masked_array([1, 2], mask=[0, 1]),
    np.float32(1.5),
    np.dtype("i4,f8"),
    np.random.default_rng(3),
    np.random.RandomState(3),
]
""",
    )
