"""Inputs without outputs: what is cut out of an entry's pickle is what the whole entry has."""

from __future__ import annotations

import datetime
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funes import hash_value, memorious, open_cache
from funes._entries import pickling
from funes._funes import Collector, Store, cut_head
from vectors import make_heads

DEFINITION = "0" * 40
ARGUMENTS = "1" * 40
VECTORS: list[dict[str, Any]] = json.loads(make_heads.FILE.read_text(encoding="utf-8"))


def same_without_output(head: bytes | None, whole: dict[str, Any], buffers: Any = None) -> bool:
    assert head is not None
    entry = pickle.loads(head, buffers=buffers)
    rest = {key: value for key, value in whole.items() if key != "output"}
    return list(entry) == list(rest) and hash_value(entry) == hash_value(rest)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_heads_that_the_core_is_held_against_are_right(vector: dict[str, Any]) -> None:
    head, data = bytes.fromhex(vector["head"]), bytes.fromhex(vector["pickle"])
    buffers = [np.arange(n) for n in (5.0, 7.0, 3)] if "out of band" in vector["name"] else None
    whole = pickle.loads(data, buffers=buffers)
    assert same_without_output(head, whole, buffers)
    assert cut_head(data) == head


def test_no_vector_is_missing() -> None:
    assert [vector["name"] for vector in VECTORS] == list(make_heads.pickles())


@pytest.mark.parametrize("name", list(make_heads.pickles()))
def test_what_the_picklers_of_this_python_write_is_understood(name: str) -> None:
    buffers = [np.arange(n) for n in (5.0, 7.0, 3)] if "out of band" in name else None
    data = make_heads.pickles()[name]
    assert same_without_output(cut_head(data), pickle.loads(data, buffers=buffers), buffers)


@pytest.mark.parametrize("dump", [pickle.dumps, pickle._dumps, dill.dumps])  # type: ignore[attr-defined]
def test_entries_of_many_frames_are_understood(dump: Callable[..., bytes]) -> None:
    text = "x" * 70_000
    entry = make_heads.entry({"text": text, "n": [text[:5000]] * 30}, [text, list(range(30_000))])
    assert same_without_output(cut_head(dump(entry, 5)), entry)


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


@given(st.dictionaries(st.text(max_size=6), values, max_size=4), values, st.floats(0, 1e9))
def test_any_entry_is_understood(inputs: dict[str, Any], output: Any, seconds: float) -> None:
    entry = {"input": inputs, "output": [output, list(inputs.values())], "time": seconds}
    for dump in (pickle.dumps, pickle._dumps, dill.dumps):  # type: ignore[attr-defined]
        assert same_without_output(cut_head(dump(entry, 5)), entry)


@given(values, st.data())
def test_any_change_of_a_byte_is_understood_or_refused(value: Any, data: Any) -> None:
    whole = bytearray(pickle.dumps({"input": {"x": value}, "output": value, "time": 1.0}, 5))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    head = cut_head(bytes(whole))
    assert head is None or (head[:2] == b"\x80\x05" and head[-2:] == b"u.")


def local(name: str) -> Any:
    """A function that only dill can write, and that refers to itself."""

    def inner(n: int) -> int:
        return n if n < 1 else inner(n - 1)

    inner.__qualname__ = inner.__name__ = name
    return inner


@pytest.mark.parametrize("place", ["input", "output", "both"])
def test_what_dill_writes_gives_the_same_input_whether_it_is_cut_or_not(
    place: str, tmp_path: Path
) -> None:
    function = local("inner")
    inputs = {"f": function if place != "output" else 1, "n": 3}
    pickled = pickling.dump_entry(inputs, [function if place != "input" else 1], 0.5)
    store = Store(str(tmp_path))
    store.write("f", DEFINITION, ARGUMENTS, *pickled)
    entry = store.read("f", DEFINITION, ARGUMENTS)
    assert entry is not None
    head = pickling.load_head(entry)
    assert list(head) == ["input", "time"]
    assert head["input"]["n"] == 3
    if place != "output":
        assert head["input"]["f"](5) == 0
    else:
        assert head["input"]["f"] == 1


def test_an_output_that_changes_the_input_is_not_cut_out() -> None:
    class Changes:
        """Its pickle appends to a list that the input has too."""

        def __init__(self, rows: list[int]) -> None:
            self.rows = rows

        def __reduce__(self) -> Any:
            return list.append, (self.rows, 3)

    rows = [1, 2]
    entry = {"input": {"rows": rows}, "output": 7, "time": 0.5}
    data = pickle.dumps({**entry, "output": [Changes(rows)]}, 5)
    # As a part of the output the call is not dropped, so that it is taken for what it says: an object that is made.
    assert cut_head(data) is not None
    dropped = data.replace(b"R\x94a", b"R0N\x94a")
    assert dropped != data
    assert cut_head(dropped) is None


class Opened:
    """An output that says when it is made again."""

    def __reduce__(self) -> Any:
        return print, ("the output was loaded",)


def test_the_output_is_not_unpickled(cache: Path, printed: Callable[[], list[str]]) -> None:
    @memorious
    def make(x: int) -> Any:
        return globals()["Opened"]()

    make(1)
    (entry,) = open_cache(cache).function("make").versions()[0].entries()
    printed()
    assert entry.input == {"x": 1}
    assert entry.time >= 0
    assert printed() == []
    entry.load()
    assert printed() == ["the output was loaded"]


def test_arrays_of_the_input_come_from_the_map_and_those_of_the_output_are_not_asked_for(
    tmp_path: Path,
) -> None:
    weights = np.arange(40_000.0)
    pickled = pickling.dump_entry({"weights": weights}, np.ones(1 << 20), 0.5)
    assert pickled.second is not None
    store = Store(str(tmp_path))
    store.write("f", DEFINITION, ARGUMENTS, *pickled)
    entry = store.read("f", DEFINITION, ARGUMENTS)
    assert entry is not None
    found = pickling.load_head(entry)["input"]["weights"]
    assert found.tolist() == weights.tolist()
    assert found.base is not None
    body = entry.head()
    assert body is not None
    assert len(body) < weights.nbytes + 1000
    assert pickle.loads(body)["input"]["weights"].tolist() == weights.tolist()
    assert entry.facts() == (0.5, [])


def test_what_is_not_understood_is_loaded_as_a_whole(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    old = pickle.dumps({"input": {"x": 1}, "output": 2, "time": 0.5}, 2)
    assert cut_head(old) is None
    store.write("f", DEFINITION, ARGUMENTS, old)
    entry = store.read("f", DEFINITION, ARGUMENTS)
    assert entry is not None
    assert entry.facts() is None
    assert pickling.load_head(entry) == {"input": {"x": 1}, "time": 0.5}


def test_a_class_of_main_is_its_own_in_the_program_and_a_copy_elsewhere(
    cache: Path, run_python: Callable[..., str]
) -> None:
    script = (
        "from funes import load_cached_results, memorious\n"
        "class Apple:\n"
        "    def __init__(self, price): self.price = price\n"
        "@memorious\n"
        "def buy(what): return [Apple(what.price + 1)]\n"
        "buy(Apple(3))\n"
        "for result in load_cached_results(buy, inputs_only=True):\n"
        "    print(type(result['input']['what']) is Apple, list(result))\n"
    )
    assert run_python(script).splitlines() == ["True ['input', 'time']"]
    (entry,) = open_cache(cache).function("buy").versions()[0].entries()
    assert entry.input["what"].price == 3
    assert "Apple" not in vars(sys.modules["__main__"])


def test_collectors_leave_out_what_heads_ask_for(tmp_path: Path) -> None:
    """The second reading asks for the buffers of the input first, so that the head needs no more than their number."""
    collector = Collector()
    arrays = {"input": {"x": np.zeros(9000)}, "output": np.ones(9000), "time": 1.0}
    head = cut_head(pickle.dumps(arrays, 5, buffer_callback=collector))
    assert len(collector) == 2
    assert head is not None
    assert same_without_output(head, arrays, [np.zeros(9000), np.ones(9000)])
