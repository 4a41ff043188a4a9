"""Measures the cost of a definition: finding it at the first call, and checking it at later calls."""

from __future__ import annotations

import contextlib
import importlib
import statistics
import sys
import tempfile
import time
import timeit
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import Figure, machine, refuse_debug_build

MICRO, MILLI = 1e-6, 1e-3
ROUNDS = 21

CHAIN = "".join(f"def f{i}(x): return f{i + 1}(x) + {i}\n" for i in range(1000))
HELPERS = "".join(f"def g{i}(x):\n    y = x + {i}\n    return [y, N{i}]\n" for i in range(20))
NUMBERS = "".join(f"N{i} = {i}\n" for i in range(20))

#: Name of the line -> source of the module, function, unit of the figure in seconds, limit in that unit.
FIRST: dict[str, tuple[str, str, str, float]] = {
    "a trivial function": ("def f(x): return x + 1\n", "f", "us", 200),
    "with 20 helpers and 20 numbers": (
        f"{NUMBERS}{HELPERS}def f(x): return {', '.join(f'g{i}(x)' for i in range(20))}\n",
        "f",
        "ms",
        3,
    ),
    "a chain of 1,000 helpers": (f"{CHAIN}def f1000(x): return x\n", "f0", "s", 1),
    "one of a module of 2,000 functions, all used": (
        "".join(f"def g{i}(x): return x + {i}\n" for i in range(2000))
        + f"def f(x): return [{', '.join(f'g{i}(x)' for i in range(2000))}]\n",
        "f",
        "s",
        1,
    ),
    "one that uses numpy and pandas": (
        "import numpy as np, pandas as pd\nfrom numpy.linalg import norm\n"
        "class Frame(pd.DataFrame): pass\n"
        "def f(x): return norm(np.asarray(pd.DataFrame(x))), Frame, np.float64(1), pd.concat\n",
        "f",
        "ms",
        50,
    ),
}
_SECONDS = {"us": MICRO, "ms": MILLI, "s": 1.0}


@contextlib.contextmanager
def loaded(folder: Path, text: str) -> Iterator[types.ModuleType]:
    """Makes a module that is new to funes."""
    name = f"measured_{time.perf_counter_ns()}"
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    yield importlib.import_module(name)
    del sys.modules[name]


def first(folder: Path) -> Iterator[Figure]:
    """Measures the definition at the first call, each time with a module that was just imported."""
    from funes import hash_definition

    for name, (text, function, unit, bar) in FIRST.items():
        taken = []
        for _ in range(ROUNDS if unit != "s" else 3):
            with loaded(folder, text) as module:
                begin = time.process_time()
                hash_definition(getattr(module, function))
                taken.append(time.process_time() - begin)
        yield Figure(name, statistics.median(taken) / _SECONDS[unit], unit, bar)


#: Kind of guarded name -> source that defines the n-th one, and its use in the function.
GUARDED: dict[str, tuple[str, str]] = {
    "a global number": ("N{} = {}\n", "N{}"),
    "a helper": ("def N{}(x): return {}\n", "N{}(x)"),
    "a builtin": ("", "{}"),
    "an attribute of a module": ("", "config.N{}"),
}
_BUILTINS = [
    "abs",
    "all",
    "any",
    "bin",
    "bool",
    "chr",
    "dict",
    "dir",
    "float",
    "hash",
    "hex",
    "id",
    "int",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
]


def guards(folder: Path) -> Iterator[Figure]:
    """Measures how much longer a hit takes per guarded name."""
    from funes import memorious

    count = len(_BUILTINS)
    config = types.ModuleType("config")
    for i in range(count):
        setattr(config, f"N{i}", i)

    def hit(text: str) -> float:
        with loaded(folder, text) as module:
            module.config = config  # type: ignore[attr-defined]
            f: Any = memorious(cache_dir=folder / "cache")(module.f)
            f(1)
            timer = timeit.Timer("f(1)", globals={"f": f})
            return min(timer.repeat(15, 20_000)) / 20_000

    for name, (definition, use) in GUARDED.items():
        definitions = "".join(definition.format(i, i) for i in range(count))
        words = _BUILTINS if name == "a builtin" else [str(i) for i in range(count)]
        uses = ", ".join(use.format(word) for word in words)
        bare = hit(f"{definitions}def f(x): return 1\n")
        watched = hit(f"{definitions}def f(x): return 1 if x else [{uses}]\n")
        yield Figure(f"a hit, for each: {name}", 1e9 * (watched - bare) / count, "ns", 10)


def main() -> None:
    refuse_debug_build()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        figures = [*first(Path(folder)), *guards(Path(folder))]
    for figure in figures:
        print(figure)


if __name__ == "__main__":
    main()
