"""Writes heads.json: entries as picklers of Python write them, and what is left of each without its output.

    python tests/vectors/make_heads.py

The heads in it are made by the extension; the tests hold them against what pickle makes of the whole entries. Another
Python or dill may write other bytes, all of which must be understood or refused: the file need not be written anew.
"""

from __future__ import annotations

import datetime
import json
import pickle
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import dill
import numpy as np

from funes._funes import cut_head

FILE = Path(__file__).with_name("heads.json")


def entry(inputs: dict[str, Any], output: object, **more: object) -> dict[str, Any]:
    return {"input": inputs, "output": output, "time": 0.25, **more}


def shared() -> dict[str, Any]:
    rows = [1, 2]
    return entry({"rows": rows, "again": rows}, [rows, {"rows": rows}])


def cyclic() -> dict[str, Any]:
    ring: list[Any] = []
    ring.append((ring,))
    return entry({"ring": ring}, {"time": ring, "output": (ring, ring[0])})


def entries() -> dict[str, Any]:
    """What the vectors are of, by their names."""
    large = {"data": "<in objects>", "more": "<in objects>"}
    hashes = {"data": "0" * 40, "more": "1" * 40}
    return {
        "plain": entry({"x": 21}, 42),
        "nothing": entry({}, None),
        "the output has the names of the keys": entry(
            {"input": 1}, {"time": 2, "output": 3, "input": 4}
        ),
        "shared": shared(),
        "cyclic": cyclic(),
        "large arguments": entry(large, "out", objects=hashes),
        "large arguments that the output names": entry(
            large, {"objects": 1, **hashes}, objects=hashes
        ),
        "one large argument": entry({"data": "<in objects>"}, 1, objects={"data": "2" * 40}),
        "over batches": entry({"d": dict.fromkeys(range(1_100))}, set(range(1_100))),
        "library objects": entry(
            {"when": datetime.datetime(2026, 11, 25), "by": Counter("abba")},
            [
                datetime.timedelta(3),
                OrderedDict(a=1),
                frozenset({1}),
                2**70,
                1.5,
                b"b",
                bytearray(b"c"),
                range(3),
                ...,
            ],
        ),
        "arrays": entry({"weights": np.arange(5.0)}, np.arange(7.0)),
        "texts of every length": entry({"é" * 200: "", "a" * 300: "😀"}, "z" * 256),
    }


def pickles() -> dict[str, bytes]:
    found = {name: pickle.dumps(value, 5) for name, value in entries().items()}
    for name in ("plain", "shared", "cyclic", "arrays", "large arguments"):
        found[f"{name}, by dill"] = dill.dumps(entries()[name], 5)
        found[f"{name}, by the pickler in Python"] = pickle._dumps(entries()[name], 5)
    buffers: list[pickle.PickleBuffer] = []
    arrays = entry({"weights": np.arange(5.0)}, [np.arange(7.0), np.arange(3)])
    found["arrays out of band"] = pickle.dumps(arrays, 5, buffer_callback=buffers.append)
    return found


if __name__ == "__main__":
    vectors = []
    for name, data in pickles().items():
        head = cut_head(data)
        vectors.append(
            {"name": name, "pickle": data.hex(), "head": None if head is None else head.hex()}
        )
    FILE.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")
