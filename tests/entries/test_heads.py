"""Heads of entries: equal to the entry without its output, and read without the body."""

from __future__ import annotations

import datetime
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funes import CacheWarning, hash_value, load_cached_results, memorious, open_cache
from funes._entries import reader, unpickler, writer
from funes._funes import Entry, Store
from funes.errors import DamagedEntryError
from reference import entries
from reference.entries import Name

KEY = Name("f", "0" * 40, "1" * 40)
MAIN = "__main__"

Printed = Callable[[], list[str]]


def stored(folder: Path | str, *parts: Any, key: bytes | None = None) -> Entry:
    """Write an entry and read its parts."""
    store = Store(str(folder), key=key)
    assert store.write(*KEY, *parts)
    entry = store.read(*KEY)
    assert entry is not None
    return entry


def only_entry(cache: Path, **options: Any) -> Any:
    (function,) = open_cache(cache, **options).functions()
    ((entry,),) = [list(version.entries()) for version in function.versions()]
    return entry


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(["input", "output", "time", "objects", datetime.date(2026, 1, 1)])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=15,
)
hashes = st.dictionaries(st.sampled_from("abc"), st.just("7" * 40))


@given(
    st.dictionaries(st.text(max_size=6), values, max_size=4), values, st.floats(0), hashes, values
)
def test_head_equals_entry_without_output(
    inputs: dict[str, Any], output: Any, seconds: float, objects: dict[str, str], drawn: Any
) -> None:
    output = [output, list(inputs.values())]
    with tempfile.TemporaryDirectory() as folder:
        entry = stored(folder, *writer.dump_entry(inputs, output, seconds, objects, bool(drawn)))
        whole = unpickler.load_entry(entry.body, entry.fast)
    rest = {key: value for key, value in whole.items() if key not in {"output", "drawn"}}
    head = reader.load_head(entry)
    assert list(head) == list(rest)
    assert hash_value(head) == hash_value(rest)


# The body is not read


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("key", [None, b"secret"])
def test_reading_head_ignores_body_and_fast_pickle(
    size: int, key: bytes | None, cache: Path
) -> None:
    spoilt = b"\xff" * size + b"."  # an invalid pickle
    inputs = pickle.dumps({"input": {"x": 1}}, 5)
    stored(cache, spoilt, (spoilt, None), (0.5, (inputs, None), None), key=key)
    entry = only_entry(cache, signing_key=key)
    assert (entry.input, entry.time) == ({"x": 1}, 0.5)
    version = entry.version
    assert version.seconds() == 0.5
    (result,) = version.results(where={"x": 1}, inputs_only=True)
    assert result == {"input": {"x": 1}, "time": 0.5}
    assert len(version.results(where={"x": 2})) == 0
    with pytest.raises(pickle.UnpicklingError):
        entry.load()


class Opened:
    """Prints a line when it is unpickled."""

    def __reduce__(self) -> Any:
        return opened, ()


def opened() -> Opened:
    print("it was loaded")
    return Opened()


def test_reading_inputs_or_time_does_not_unpickle_output(cache: Path, printed: Printed) -> None:
    @memorious
    def make(x: int) -> Any:
        return globals()["Opened"]()

    make(1)
    printed()
    entry = only_entry(cache)
    assert (entry.input, entry.time >= 0) == ({"x": 1}, True)
    assert next(iter(load_cached_results(make, inputs_only=True)))["input"] == {"x": 1}
    assert printed() == []
    entry.load()
    assert printed() == ["it was loaded"]


def test_reading_time_does_not_unpickle_inputs(tmp_path: Path, printed: Printed) -> None:
    stored(tmp_path, *writer.dump_entry({"x": Opened()}, 1, 0.25))
    entry = only_entry(tmp_path)
    assert (entry.time, entry.version.seconds()) == (0.25, 0.25)
    assert printed() == []
    entry.input  # noqa: B018 -- prints the line
    assert printed() == ["it was loaded"]


# Inputs of every kind


def local(name: str) -> Any:
    """Define a recursive function that only dill can pickle."""

    def inner(n: int) -> int:
        return n if n < 1 else inner(n - 1)

    inner.__qualname__ = inner.__name__ = name
    return inner


@pytest.mark.parametrize("place", ["input", "output", "both"])
def test_inputs_that_only_dill_can_pickle_are_in_head(place: str, tmp_path: Path) -> None:
    function = local("inner")
    inputs = {"f": function if place != "output" else 1, "n": 3}
    output = [function if place != "input" else 1]
    head = reader.load_head(stored(tmp_path, *writer.dump_entry(inputs, output, 0.5)))
    assert list(head) == ["input", "time"]
    assert head["input"]["n"] == 3
    assert head["input"]["f"](5) == 0 if place != "output" else head["input"]["f"] == 1


def test_names_that_only_dill_resolves_are_read(tmp_path: Path) -> None:
    """dill writes the type of None by a name that only dill resolves."""
    entry = stored(tmp_path, *writer.dump_entry({"type": type(None)}, lambda: 1, 0.5))
    assert reader.load_head(entry)["input"] == {"type": type(None)}


@pytest.mark.parametrize("key", [None, b"secret"])
@pytest.mark.parametrize("output", [1, lambda: 1, np.ones(1 << 17)])
def test_large_input_arrays_are_stored_once_per_file(
    output: Any, key: bytes | None, tmp_path: Path
) -> None:
    weights, frozen = np.arange(40_000.0), np.arange(40_000.0).reshape(4, -1).T
    frozen.flags.writeable = False
    inputs = {"weights": weights, "again": [weights], "frozen": frozen, "n": 1}
    pickled = writer.dump_entry(inputs, output, 0.5)
    entry = stored(tmp_path, *pickled, key=key)
    outputs = output.nbytes if isinstance(output, np.ndarray) else 0
    assert Path(Store(str(tmp_path)).path(*KEY)).stat().st_size < 640_000 + outputs + 4000
    found = reader.load_head(entry)["input"]
    assert hash_value(found) == hash_value(inputs)
    assert found["weights"].base is not None  # the memory of the file
    assert found["weights"] is found["again"][0]
    assert (found["weights"].flags.writeable, found["frozen"].flags.writeable) == (True, False)
    found["weights"][:] = 0
    assert hash_value(pickle.loads(bytes(pickled.body))["input"]) == hash_value(inputs)


class Made:
    """Has new memory at each pickling."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        return Made, (self.array.copy(),)


def test_arrays_made_during_pickling_are_stored_in_head(tmp_path: Path) -> None:
    entry = stored(tmp_path, *writer.dump_entry({"x": Made(np.arange(9000))}, 1, 0.5))
    assert reader.load_head(entry)["input"]["x"].array[-1] == 8999


def test_head_refers_to_large_arguments(cache: Path) -> None:
    @memorious(large_argument=1000)
    def size(data: bytes, more: Any) -> int:
        return len(data) + len(more)

    size(b"x" * 5000, [1] * 3000)
    (result,) = load_cached_results(size, inputs_only=True)
    assert result["input"] == {"data": b"x" * 5000, "more": [1] * 3000}
    entry = only_entry(cache)
    assert entry.input == result["input"]
    name = Name("size", size.definition, entry.arguments)
    head = entries.read(name, entry.path.read_bytes()).head
    assert head is not None
    said = pickle.loads(head.inputs.pickle)
    assert (
        set(said["objects"].values())
        == entry.objects
        == {stored.hash for stored in open_cache(cache).objects()}
    )
    assert "<in objects/" in said["input"]["data"]


def test_class_of_main_is_by_name_in_its_program_and_by_value_elsewhere(
    cache: Path, run_python: Callable[..., str], printed: Printed
) -> None:
    script = (
        "from funes import load_cached_results, memorious\n"
        "class Apple:\n"
        "    def __init__(self, price): self.price = price\n"
        "class Loud:\n"
        "    def __reduce__(self): return loud, ()\n"
        "def loud():\n"
        "    print('the output was loaded')\n"
        "    return Loud()\n"
        "@memorious\n"
        "def buy(what): return [Apple(what.price + 1), Loud()]\n"
        "buy(Apple(3))\n"
        "print('stored')\n"
        "for result in load_cached_results(buy, inputs_only=True):\n"
        "    print(type(result['input']['what']) is Apple, list(result))\n"
    )
    lines = run_python(script).splitlines()
    assert lines[lines.index("stored") + 1 :] == ["True ['input', 'time']"]
    entry = only_entry(cache)
    assert entry.input["what"].price == 3
    assert "Apple" not in vars(sys.modules[MAIN])
    assert printed() == []
    assert entry.load()["output"][0].price == 4
    assert printed() == ["the output was loaded"]


# Damaged files


@pytest.mark.parametrize("key", [None, b"secret"])
def test_any_changed_head_is_damaged(key: bytes | None, cache: Path) -> None:
    @memorious(signing_key=key)
    def double(x: int) -> int:
        return x * 2

    double(21)
    entry = only_entry(cache, signing_key=key)
    sound = entry.path.read_bytes()
    start, end = sound.index(b"head"), len(sound) - entries.TRAILER
    assert start < end
    for place in range(start, end):
        entry.path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        for read in (lambda: entry.input, lambda: entry.time):
            with pytest.raises(DamagedEntryError, match="is damaged"):
                read()
    with pytest.warns(CacheWarning, match="is damaged"):
        assert list(load_cached_results(double, inputs_only=True)) == []
    assert entry.verify().state == "damaged"
    double.cache_clear()
    with pytest.warns(CacheWarning, match=r"is damaged: .*; it was moved to"):
        assert double(21) == 42
    assert entry.input == {"x": 21}


def test_unsigned_head_is_never_unpickled(cache: Path, printed: Printed) -> None:
    inputs = pickle.dumps({"input": {"x": Opened()}}, 5)
    stored(cache, pickle.dumps(1), None, (0.5, (inputs, None), None))
    for key in (b"ours", b"theirs"):
        for read in (lambda entry: entry.input, lambda entry: entry.time):
            with pytest.raises(PermissionError, match="not signed"):
                read(only_entry(cache, signing_key=key))
    assert printed() == []
    only_entry(cache).input  # noqa: B018 -- proves that unpickling has an effect
    assert printed() == ["it was loaded"]


def test_entry_without_head_is_left_out_of_listings(cache: Path) -> None:
    @memorious(memory=0)
    def double(x: int) -> int:
        raise AssertionError("it is stored")

    key = double.key(21)
    body = pickle.dumps({"input": {"x": 21}, "output": 42, "time": 0.5})
    Store(str(cache)).write("double", key.definition, key.arguments, body)
    assert double(21) == 42
    with pytest.warns(CacheWarning, match="has no head"):
        assert list(load_cached_results(double, inputs_only=True)) == []
    for read in (lambda entry: entry.input, lambda entry: entry.time):
        with pytest.raises(DamagedEntryError, match="has no head"):
            read(only_entry(cache))


@pytest.mark.parametrize("inputs", [1, {}, {"input": 1}, ["input"]])
def test_head_with_wrong_content_is_refused(inputs: Any, tmp_path: Path) -> None:
    entry = stored(tmp_path, b"N.", None, (0.5, (pickle.dumps(inputs), None), None))
    with pytest.raises(DamagedEntryError, match="is not a head of an entry"):
        reader.load_head(entry)


def test_unknown_footer_sections_are_skipped_and_copied_by_adopt(cache: Path) -> None:
    def version(text: str) -> Any:
        space: dict[str, Any] = {"__name__": __name__}
        exec(text, space)
        return memorious(space["double"])

    old = version("def double(x): return x * 2")
    assert old(21) == 42
    entry = only_entry(cache)
    name = Name("double", old.definition, entry.arguments)
    known = entries.read(name, entry.path.read_bytes())
    unknown = ((b"mode", b"files"), (b"zzzz", b""))
    later = entries.Entry(known.body, known.head, known.main, known.fast, unknown)
    entry.path.write_bytes(entries.write(name, later))
    old.cache_clear()
    assert old(21) == 42
    assert entry.input == {"x": 21}
    assert entry.verify().is_sound

    new = version("def double(x): return 2 * x")
    new.adopt(old.definition)
    path = new.key(21).path
    name = Name("double", new.definition, entry.arguments)
    assert entries.read(name, path.read_bytes()) == later


@pytest.mark.parametrize("other", [1, 3])
def test_file_of_other_format_version_stays_and_call_is_computed(
    other: int, cache: Path, printed: Printed
) -> None:
    @memorious(memory=0)
    def double(x: int) -> int:
        print("computed")
        return x * 2

    double(21)
    path = double.key(21).path
    numbers = other.to_bytes(4, "little") + (other ^ 0xFFFFFFFF).to_bytes(4, "little")
    file = path.read_bytes()[:-16] + numbers + entries.MAGIC
    path.write_bytes(file)
    with pytest.warns(CacheWarning, match=f"entry format {other}, and this funes reads 2") as said:
        assert [double(21), double(21), double(4)] == [42, 42, 8]
    assert len(said) == 1
    assert printed() == ["computed"] * 4
    assert path.read_bytes() == file
    assert not double.is_cached(21)
    with pytest.warns(CacheWarning, match=f"entry format {other}"):
        assert [result["input"]["x"] for result in load_cached_results(double)] == [4]
    path.unlink()
    assert [double(21), double(21)] == [42, 42]
    assert printed() == ["computed"]
