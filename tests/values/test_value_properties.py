"""Property tests of the value encoding: it matches the reference, and is equal iff values are equal."""

from __future__ import annotations

import argparse
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import pickle
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from funes import hash_value
from funes._funes import encode_value
from reference import canonical

# --- User-defined classes -------------------------------------------------------------------------


class Plain:
    """Attributes in a dict; hashable, so that cycles can go through sets."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("__private", "first", "second")

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.__private = first, second


class SlottedWithDict(Slotted):
    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(first, second)
        self.both = (first, second)


@dataclasses.dataclass
class Data:
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    first: Any
    second: Any


class Pair(NamedTuple):
    first: Any
    second: Any


class WithState:
    state: Any = None  # what unpickling leaves if the state was None

    def __init__(self, state: Any) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = state


class WithArguments:
    """Reduces to a call of its class."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def __reduce__(self) -> tuple[Any, ...]:
        return WithArguments, (self.first, self.second)


class WithKey:
    """Defines `__funes_key__`."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def __funes_key__(self) -> Any:
        return self.first


class Listed(list[Any]):
    pass


class Mapped(dict[Any, Any]):
    pass


class Elements(set[Any]):
    pass


class FrozenElements(frozenset[Any]):
    pass


class Counted(int):
    pass


class Named(str):
    __slots__ = ()


class Ordered(collections.OrderedDict[Any, Any]):
    pass


class Moment(datetime.datetime):
    pass


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


# --- Random values --------------------------------------------------------------------------------

# Sizes that sometimes exceed nodes of 256 bytes and counts of 128.
TEXTS = st.text(st.characters(), max_size=8) | st.integers(100, 300).map(lambda n: "a" * n)
BLOBS = st.binary(max_size=8) | st.integers(100, 300).map(bytes)
INTS = (
    st.integers(-300, 300)
    | st.integers()
    | st.builds(lambda n, d: (1 << n) + d, st.integers(0, 80), st.integers(-1, 1))
)

HASHABLE_SCALARS = st.one_of(
    st.none(), st.booleans(), INTS, st.floats(), st.complex_numbers(), TEXTS, BLOBS, st.just(...)
)
LIBRARY_SCALARS = st.one_of(
    st.decimals(),
    st.fractions(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(datetime.timezone.utc)),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    TEXTS.map(lambda text: pathlib.PurePosixPath(text.replace("\0", ""))),
    st.builds(range, st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 3)),
    st.builds(slice, st.integers(-5, 5), st.none(), st.none()),
    BLOBS.map(bytearray),
    BLOBS.map(memoryview),
)
USER_SCALARS = st.one_of(
    INTS.map(Counted),
    TEXTS.map(Named),
    st.sampled_from([*Colour, *Access, Access(3), Access(0)]),
    st.datetimes().map(lambda when: Moment(when.year, when.month, when.day, when.hour)),
    st.sampled_from([int, dict, collections.OrderedDict, len, str.upper, Plain, Pair, hash]),
)
SCALARS = HASHABLE_SCALARS | LIBRARY_SCALARS | USER_SCALARS

HASHABLES = st.recursive(
    HASHABLE_SCALARS,
    lambda parts: (
        st.lists(parts, max_size=4).map(tuple)
        | st.frozensets(parts, max_size=4)
        | st.builds(Pair, parts, parts)
        | st.builds(FrozenSlots, parts, parts)
    ),
    max_leaves=6,
)


def holders(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Returns a strategy for values that have parts."""
    lists = st.lists(parts, max_size=5)
    dicts = st.dictionaries(HASHABLES, parts, max_size=5)
    attributes = st.dictionaries(st.sampled_from("abcd"), parts, max_size=3)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(Listed),
        st.builds(collections.deque, lists, st.none() | st.just(9)),
        dicts,
        dicts.map(Mapped),
        dicts.map(collections.OrderedDict),
        dicts.map(Ordered),
        dicts.map(types.MappingProxyType),
        dicts.map(lambda items: collections.defaultdict(list, items)),
        dicts.map(lambda items: collections.ChainMap(items, {})),
        st.sets(HASHABLES, max_size=5),
        st.sets(HASHABLES, max_size=5).map(Elements),
        st.frozensets(HASHABLES, max_size=5).map(FrozenElements),
        attributes.map(lambda items: Plain(**items)),
        attributes.map(lambda items: types.SimpleNamespace(**items)),
        attributes.map(lambda items: argparse.Namespace(**items)),
        lists.map(lambda arguments: ValueError(*arguments)),
        st.builds(lambda kind, a, b: kind(a, b), st.sampled_from(TWO_FIELDS), parts, parts),
        parts.map(WithState),
    )


TWO_FIELDS: list[Callable[[Any, Any], Any]] = [
    Slotted,
    SlottedWithDict,
    Data,
    FrozenSlots,
    Pair,
    WithArguments,
    WithKey,
]
VALUES = st.recursive(SCALARS, holders, max_leaves=12)


@given(VALUES)
def test_the_extension_encodes_as_the_reference(value: Any) -> None:
    assert encode_value(value) == canonical.encode_value(value, encode_value)
    assert hash_value(value) == canonical.hash_value(value, encode_value)


# --- Equal by construction ------------------------------------------------------------------------


def rebuilt(value: Any) -> Any:
    """Copies builtin values, and fills dicts and sets in the opposite order."""
    if type(value) in (list, tuple, collections.deque):
        parts = [rebuilt(part) for part in value]
        return (
            collections.deque(parts, value.maxlen)
            if isinstance(value, collections.deque)
            else type(value)(parts)
        )
    if type(value) is collections.OrderedDict:
        return collections.OrderedDict((rebuilt(key), rebuilt(of)) for key, of in value.items())
    if type(value) is dict:
        return {rebuilt(key): rebuilt(of) for key, of in reversed(value.items())}
    if type(value) in (set, frozenset):
        return type(value)([rebuilt(element) for element in value][::-1])
    if type(value) is Plain:
        return Plain(**{key: rebuilt(of) for key, of in reversed(vars(value).items())})
    if type(value) is str:
        return "".join(list(value))
    if type(value) is bytes:
        return bytes(bytearray(value))
    if type(value) is float:
        return pickle.loads(pickle.dumps(value))
    return value


@given(VALUES)
def test_rebuilt_value_is_equal(value: Any) -> None:
    assert hash_value(rebuilt(value)) == hash_value(value)


@given(VALUES)
def test_shared_and_copied_parts_are_equal(value: Any) -> None:
    assert hash_value([value, value, (value,)]) == hash_value([value, rebuilt(value), (value,)])


@given(VALUES)
def test_hashing_does_not_change_a_value(value: Any) -> None:
    assert hash_value(value) == hash_value(value)


def picklable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except TypeError:  # memory views and mapping proxies cannot be copied
        return False
    return True


@given(VALUES.filter(picklable))
def test_pickled_value_is_equal(value: Any) -> None:
    assert hash_value(pickle.loads(pickle.dumps(value))) == hash_value(value)


@given(VALUES.filter(picklable))
def test_a_deep_copy_is_equal(value: Any) -> None:
    assert hash_value(copy.deepcopy(value)) == hash_value(value)


# --- Different elsewhere --------------------------------------------------------------------------

UNLIKE: list[Any] = [
    None, False, True, 0, 1, -1, 2**63, -(2**63), 2**64, 0.0, -0.0, 1.0, float("nan"), float("inf"),
    0j, 1j, complex(-0.0, 0), "", "0", "a", "b", "a" * 300, "a" * 301, b"", b"0", b"a", b"a" * 300, ..., NotImplemented,
    (), (0,), (0, 0), ((),), frozenset(), frozenset({0}), frozenset({()}), Counted(1), Named("a"), Access.READ,
    Colour.RED, Colour.BLUE, Pair(0, 0), FrozenSlots(0, 0), decimal.Decimal(1), decimal.Decimal("1.0"),
    fractions.Fraction(1), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), Moment(2020, 1, 1),
    datetime.timedelta(1), uuid.UUID(int=1), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), range(1),
    int, bool,
]  # fmt: skip

# Parts beside the one that changes; short, since there are many.
SIBLINGS = st.none() | st.integers(-2, 300) | st.text(max_size=2) | st.sampled_from(UNLIKE)

Wrapper = Callable[[Any], Any]


def wrappers(siblings: st.SearchStrategy[Any]) -> st.SearchStrategy[Wrapper]:
    """Returns ways to put a hashable value into a larger one, whose other parts stay the same."""
    lists = st.lists(siblings, max_size=3)
    return st.one_of(
        st.builds(lambda before, after: lambda it: [*before, it, *after], lists, lists),
        st.builds(lambda before, after: lambda it: (*before, it, *after), lists, lists),
        st.builds(
            lambda rest: lambda it: {**rest, "key": it},
            st.dictionaries(st.text(max_size=2), siblings, max_size=3),
        ),
        st.builds(lambda rest: lambda it: collections.deque([it, rest]), siblings),
        st.builds(lambda rest: lambda it: Plain(a=it, b=rest), siblings),
        st.builds(
            lambda rest, kind: lambda it: kind(it, rest), siblings, st.sampled_from(TWO_FIELDS)
        ),
        st.builds(lambda rest: lambda it: WithState({"a": it, "b": rest}), siblings),
        st.builds(lambda rest: lambda it: Listed([rest, it]), siblings),
        st.builds(lambda rest: lambda it: ValueError(rest, it), siblings),
        st.just(lambda it: Mapped(key=it)),
        st.just(lambda it: types.SimpleNamespace(a=it)),
    )


def keyed(siblings: st.SearchStrategy[Any]) -> st.SearchStrategy[Wrapper]:
    """Returns ways to put a value into a larger one where it must be hashable."""
    marks = st.text("xyz", min_size=3, max_size=4)
    return st.one_of(
        st.builds(lambda rest: lambda it: {(it, 0), *rest}, st.sets(marks, max_size=3)),
        st.builds(lambda rest: lambda it: frozenset({(it, 0), *rest}), st.sets(marks, max_size=3)),
        st.builds(lambda rest: lambda it: Elements({(it, 0), *rest}), st.sets(marks, max_size=3)),
        st.builds(
            lambda rest: lambda it: {(it, 0): 1, **rest},
            st.dictionaries(marks, siblings, max_size=3),
        ),
    )


@st.composite
def places(draw: st.DrawFn) -> Wrapper:
    """Returns a strategy for a position in a value."""
    steps: list[Wrapper] = draw(st.lists(wrappers(SIBLINGS), max_size=4))
    inmost = draw(st.none() | keyed(SIBLINGS))
    if inmost is not None:
        steps = [inmost, *steps]

    def put(it: Any) -> Any:
        for step in steps:
            it = step(it)
        return it

    return put


PAIRS = st.lists(st.integers(0, len(UNLIKE) - 1), min_size=2, max_size=2, unique=True)


@given(places(), PAIRS)
def test_a_value_changed_in_one_place_differs(put: Wrapper, pair: list[int]) -> None:
    first, second = (UNLIKE[i] for i in pair)
    assert hash_value(put(first)) != hash_value(put(second))


def test_different_values_differ() -> None:
    assert len({hash_value(value) for value in UNLIKE}) == len(UNLIKE)


# --- Cycles ---------------------------------------------------------------------------------------


class Spot(NamedTuple):
    """A node of a random graph: its kind, a mark that may differ, and the numbers of its children.

    Kinds: a list, a list with a tuple of its parts, a dict, an object, a dict in an object, an object with a
    frozenset of objects with one part each, an ordered dict, an exception, a simple namespace.
    """

    kind: str
    mark: Any
    parts: list[int]


@st.composite
def graphs(draw: st.DrawFn) -> list[Spot]:
    count = draw(st.integers(1, 6))
    marks = st.sampled_from([0, 0, 0, 1, "a" * 300])
    parts = st.lists(st.integers(0, count - 1), max_size=3)
    kinds = st.sampled_from(
        ["list", "list", "list", "tuple", "dict", "object", "set", "ordered", "error", "space"]
    )
    return [Spot(draw(kinds), draw(marks), draw(parts)) for _ in range(count)]


def built(spots: list[Spot], copies: int, number: Iterator[int]) -> list[list[Any]]:
    """Copies each node; references go to one of the copies, as chosen by the numbers."""
    makers: dict[str, Callable[[], Any]] = {
        "list": list,
        "tuple": list,
        "dict": dict,
        "object": Plain,
        "set": Plain,
        "ordered": collections.OrderedDict,
        "error": ValueError,
        "space": types.SimpleNamespace,
    }
    nodes = [[makers[spot.kind]() for _ in range(copies)] for spot in spots]
    for spot, alike in zip(spots, nodes, strict=True):
        for node in alike:
            parts = [nodes[part][next(number) % copies] for part in spot.parts]
            named = {"mark": spot.mark} | {f"part {i}": part for i, part in enumerate(parts)}
            if next(number) % 2 and spot.kind != "ordered":
                named = dict(reversed(named.items()))
            if spot.kind == "list":
                node.extend([spot.mark, *parts])
            elif spot.kind == "tuple":
                node.append((spot.mark, *parts))
            elif spot.kind in ("dict", "ordered"):
                node.update(named)
            elif spot.kind == "set":
                node.mark = spot.mark
                node.parts = frozenset(Plain(part=part) for part in parts)
            elif spot.kind == "error":
                node.args = (spot.mark, *parts)
            else:
                vars(node).update(named)
    return nodes


def classes(spots: list[Spot]) -> list[int]:
    """Numbers the nodes so that equal nodes have equal numbers, by partition refinement.

    It uses the description only, so it shares no code with the tested encoding.
    """
    of = [0] * len(spots)
    for _ in spots:
        signatures = []
        for spot in spots:
            parts = [of[part] for part in spot.parts]
            signatures.append(
                (spot.kind, str(spot.mark), tuple(sorted(parts) if spot.kind == "set" else parts))
            )
        numbers = {signature: i for i, signature in enumerate(sorted(set(signatures)))}
        of = [numbers[signature] for signature in signatures]
    return of


def numbers(seed: list[int]) -> Iterator[int]:
    """Repeats the seed."""
    while True:
        yield from seed


SEEDS = st.lists(st.integers(0, 5), min_size=1, max_size=30)


@given(graphs())
def test_the_extension_encodes_cycles_as_the_reference(spots: list[Spot]) -> None:
    for (node,) in built(spots, 1, numbers([0])):
        assert encode_value(node) == canonical.encode_value(node, encode_value)
        assert hash_value(node) == canonical.hash_value(node, encode_value)


@given(graphs(), SEEDS)
@example([Spot("list", 0, [0, 0])], [0, 1, 1])
@example([Spot("list", 0, [1, 0]), Spot("list", 0, [0, 1])], [0, 1, 1, 0, 0])
def test_spelling_of_cyclic_values_does_not_count(spots: list[Spot], seed: list[int]) -> None:
    once = [hash_value(node) for (node,) in built(spots, 1, numbers([0]))]
    for alike, expected in zip(built(spots, 3, numbers(seed)), once, strict=True):
        assert [hash_value(node) for node in alike] == [expected] * 3


@given(graphs())
def test_cyclic_values_are_equal_iff_bisimilar(spots: list[Spot]) -> None:
    hashes = [hash_value(node) for (node,) in built(spots, 1, numbers([0]))]
    kinds = classes(spots)
    for i, first in enumerate(hashes):
        for j, second in enumerate(hashes[:i]):
            assert (first == second) == (kinds[i] == kinds[j])


@given(graphs(), SEEDS)
def test_spelling_of_cyclic_values_does_not_count_in_reference(
    spots: list[Spot], seed: list[int]
) -> None:
    for first, second in zip(
        built(spots, 1, numbers([0])), built(spots, 2, numbers(seed)), strict=True
    ):
        assert len({canonical.hash_value(node, encode_value) for node in [*first, *second]}) == 1


def travels(spots: list[Spot]) -> bool:
    """Excludes objects that are an argument of the call that they pickle as."""
    return all(spot.kind != "error" for spot in spots)


@given(graphs().filter(travels))
def test_pickled_cyclic_value_is_equal(spots: list[Spot]) -> None:
    nodes = [node for (node,) in built(spots, 1, numbers([0]))]
    travelled = pickle.loads(pickle.dumps(nodes))
    assert [hash_value(node) for node in travelled] == [hash_value(node) for node in nodes]
    assert hash_value(copy.deepcopy(nodes)) == hash_value(nodes)
