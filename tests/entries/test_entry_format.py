"""Entry files: the extension, the reference implementation and the vectors agree byte for byte."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funes import hash_value, memorious
from funes._funes import Store
from funes.errors import DamagedEntryError
from reference import entries
from reference.entries import Buffered, Entry, Name
from vectors import make_entries

ENTRIES = make_entries.ENTRIES


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("name", "entry", "key"), [each[1:] for each in ENTRIES], ids=[each[0] for each in ENTRIES]
    )


def test_vectors_match_reference_implementation() -> None:
    text = make_entries.FILE.read_text(encoding="utf-8")
    assert text == make_entries.document(), "run tests/vectors/make_entries.py"
    for name, names, entry, key in ENTRIES:
        vector = next(each for each in json.loads(text) if each["name"] == name)
        assert entries.read(names, bytes.fromhex(vector["file"]), key) == entry


@each()
def test_file_of_reference_implementation_is_read(
    name: Name, entry: Entry, key: bytes | None, tmp_path: Path
) -> None:
    store = Store(str(tmp_path), key=key)
    path = Path(store.path(*name) if name.function else store.object_path(name.arguments))
    path.parent.mkdir(parents=True)
    path.write_bytes(entries.write(name, entry, key))
    found = store.read(*name) if name.function else store.read_object(name.arguments)
    assert found is not None
    assert bytes(found.body) == entry.body

    def expected(pickled: Buffered | None) -> tuple[bytes, list[bytes]] | None:
        return pickled and (pickled.pickle, [entry.body[at : at + n] for at, n in pickled.buffers])

    head = entry.head and (*entry.head[:1], expected(entry.head.inputs), expected(entry.main))
    assert (found.head, found.fast) == (head, expected(entry.fast))


@each()
def test_extension_and_reference_refuse_any_changed_file(
    name: Name, entry: Entry, key: bytes | None, tmp_path: Path
) -> None:
    store = Store(str(tmp_path), key=key)
    path = Path(store.path(*name))
    path.parent.mkdir(parents=True)
    sound = entries.write(name, entry, key)
    draw = random.Random(1)
    places = draw.sample(range(len(sound)), 60)
    changes = [sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :] for at in places]
    changes += [sound[:at] for at in places] + [sound[at + 1 :] for at in places]
    for changed in [*changes, b"." + sound, sound + b"\n"]:
        path.write_bytes(changed)
        with pytest.raises(entries.DamagedError):
            entries.read(name, changed, key)
        with pytest.raises(DamagedEntryError):
            store.read(*name)


def test_extension_and_reference_distinguish_other_version_from_damage() -> None:
    *_, (_, name, entry, key) = ENTRIES
    file = entries.write(name, entry, key)
    for version in (1, 3, 1 << 31):
        numbers = version.to_bytes(4, "little") + (version ^ 0xFFFFFFFF).to_bytes(4, "little")
        with pytest.raises(entries.OtherFormatError):
            entries.read(name, file[:-16] + numbers + file[-8:], key)
    with pytest.raises(entries.ForeignError):
        entries.read(name, file, b"another key")
    with pytest.raises(entries.ForeignError):
        entries.read(name, entries.write(name, entry), key)


@pytest.mark.parametrize("function", ["double", "größe", "<lambda>", "g\udc80"])
def test_checksum_covers_any_function_name(function: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write(function, "0" * 40, "1" * 40, b"N.")
    file = Path(store.path(function, "0" * 40, "1" * 40)).read_bytes()
    name = Name(function, "0" * 40, "1" * 40)
    assert entries.read(name, file) == Entry(b"N.")
    assert entries.write(name, Entry(b"N.")) == file


ARRAY = np.arange(20_000.0)

#: Arguments and results of calls, and the sections that their entries have.
CALLS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], list[str]]] = {
    "small": (lambda: 21, lambda x: x * 2, ["head"]),
    "a list": (lambda: [1, 2], len, ["head"]),
    "an array in": (lambda: ARRAY, lambda x: float(x.sum()), ["head", "fast"]),
    "an array out": (lambda: 3, lambda x: ARRAY * x, ["head", "fast"]),
    "text and array": (lambda: ["x" * 300_000, ARRAY], len, ["head"]),
    "a large argument": (lambda: "x" * (2 << 20), len, ["head"]),
    "a lambda": (lambda: lambda: 1, lambda x: x(), ["head"]),
}


@pytest.mark.parametrize("key", [None, b"a key"])
@pytest.mark.parametrize("call", list(CALLS))
def test_entry_of_a_call_matches_documented_format(
    call: str, key: bytes | None, cache: Path
) -> None:
    argument, function, sections = CALLS[call]

    @memorious(signing_key=key)
    def work(x: Any) -> Any:
        return function(x)

    for _ in range(2):  # the second miss of a function takes the fast path
        given = argument()
        output = work(given)
        name = Name("work", work.definition, work.key(given).arguments)
        path = work.key(given).path
        file = path.read_bytes()
        entry = entries.read(name, file, key)
        assert entries.write(name, entry, key) == file
        parts = {"head": entry.head, "main": entry.main, "fast": entry.fast}
        assert [tag for tag, part in parts.items() if part is not None] == sections
        whole = pickle.loads(file)
        assert hash_value(whole["output"]) == hash_value(output)
        assert entry.head is not None
        assert entry.head.seconds == whole["time"]
        inputs = {key: whole[key] for key in ("input", "objects") if key in whole}
        assert hash_value(loaded(entry, entry.head.inputs)) == hash_value(inputs)
        if entry.fast is not None:
            assert hash_value(loaded(entry, entry.fast)) == hash_value(whole)
        os.unlink(path)
        work.cache_clear()


def loaded(entry: Entry, pickled: Buffered) -> Any:
    buffers = [bytearray(entry.body[at : at + length]) for at, length in pickled.buffers]
    return pickle.loads(pickled.pickle, buffers=buffers)
