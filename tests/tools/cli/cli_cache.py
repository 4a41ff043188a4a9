"""Functions and files for the tests of the command line."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

from funes import memorious
from funes._entries import writer
from funes._memo import definition_record
from funes._results import usage

DAY = 86400.0


def train(rate: float, **options: Any) -> Any:
    """Define a function whose version depends on the rate."""
    space: dict[str, Any] = {"memorious": memorious, "RATE": rate, "__name__": "mine"}
    exec("def train(lr, epochs=10):\n    return {'loss': lr * RATE * epochs}", space)
    return memorious(**options)(space["train"])


def function(text: str, module: str = "mine", **options: Any) -> Any:
    """Define a memorious function of a module from its source."""
    space: dict[str, Any] = {"__name__": module}
    exec(text, space)
    return memorious(**options)(next(value for key, value in space.items() if callable(value)))


def store(memo: Any, seconds: float, *args: Any, size: int = 0, hits: int = 0) -> Path:
    """Store a call with a given run time; its output has `size` bytes, which cannot be compressed."""
    call = memo._core.key(memo, args, {})
    output = random.Random(repr(args)).randbytes(size)
    pickled = writer.dump_entry(dict(call.inputs), output, seconds)
    memo._store.write(memo._function_name, call.definition, call.arguments, *pickled)
    definition_record.record(memo, call.definition)
    if hits:
        usage._add(str(memo.cache_path), usage.Stats(hits, hits * seconds))
    path: Path = memo.key(*args).path
    return path


def age(folder: Path, days: float) -> None:
    """Set the time of all files below a folder to a number of days ago."""
    moment = time.time() - days * DAY
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (moment, moment))


def entries_of(memo: Any) -> int:
    """Count the entries of the current definition."""
    return len(list(memo.cache_path.glob("*.dill")))
