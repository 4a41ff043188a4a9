"""Functions and files that the tests of the command line look at."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from funes import memorious

DAY = 86400.0


def train(rate: float, **options: Any) -> Any:
    """A function that is another version for another rate."""
    space: dict[str, Any] = {"memorious": memorious, "RATE": rate, "__name__": "mine"}
    exec("def train(lr, epochs=10):\n    return {'loss': lr * RATE * epochs}", space)
    return memorious(**options)(space["train"])


def age(folder: Path, days: float) -> None:
    """Let all files below a folder have been stored so many days ago."""
    moment = time.time() - days * DAY
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (moment, moment))


def entries_of(memo: Any) -> int:
    """How many entries there are of the present definition."""
    return len(list(memo.cache_path.glob("*.dill")))
