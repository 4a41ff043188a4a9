"""Examples from the docstrings of libraries, which read nothing but their key, are not reported."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import importlib.util
import io
import re
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from funes import CacheWarning, memorious

#: Modules with examples in their docstrings.
MODULES = """
    numpy numpy.linalg numpy.fft numpy.ma numpy.polynomial.polynomial
    scipy.special scipy.linalg scipy.optimize scipy.interpolate scipy.ndimage scipy.sparse scipy.spatial
    scipy.cluster.hierarchy
    pandas pandas.Series pandas.DataFrame pandas.Index
    sklearn.metrics sklearn.preprocessing sklearn.linear_model sklearn.cluster sklearn.neighbors sklearn.tree
    networkx networkx.algorithms.shortest_paths networkx.algorithms.cycles
    sympy sympy.ntheory sympy.matrices
    xarray xarray.Dataset xarray.DataArray
"""

#: At most so many examples of one module, each shorter than this number of lines.
EXAMPLES, LINES = 20, 15

#: Parts of examples that read or write, or ask for what is no input.
IMPURE = re.compile(
    r"random|rng|rvs|open\(|file|path|read_|load|save|to_[a-z]+\(|plt|tutorial|fetch|now|today|time\.|perf_counter"
    r"|os\.|sys\.|uuid|input\(|subprocess|\bid\(|hash\(|memmap|register_"
)

#: Parts of the reports about what a function reads.
REPORTS = ("(/", "it lists", "it starts", "it uses", "it reads", "it loads", "it draws")


def examples() -> Iterator[str]:
    """Yields the code of examples as functions without a name."""
    finder = doctest.DocTestFinder(recurse=False)
    for name in MODULES.split():
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            module = getattr(importlib.import_module(name.partition(".")[0]), name.split(".")[-1])
        number = 0
        for attribute in sorted(dir(module)):
            value = getattr(module, attribute, None)
            if attribute.startswith("_") or not callable(value) or number == EXAMPLES:
                continue
            try:
                (test,) = finder.find(value, attribute, ModuleType("none"), globs={})[:1] or [None]
            except ValueError:
                continue
            if test is None or not 1 < len(test.examples) <= LINES:
                continue
            source = "".join(each.source for each in test.examples)
            if IMPURE.search(source):
                continue
            with contextlib.suppress(SyntaxError):
                yield as_function(source)
                number += 1


def as_function(source: str) -> str:
    tree = ast.parse(source)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.Return(tree.body[-1].value)
    body = "\n".join(f"    {line}" for line in ast.unparse(tree).splitlines())
    compile(f"def f():\n{body}", "example", "exec")
    return body


@pytest.mark.slow
def test_examples_of_libraries_are_not_reported(tmp_path: Path, cache: Path) -> None:
    for name in ("numpy", "scipy", "pandas", "sklearn", "networkx", "sympy", "xarray"):
        pytest.importorskip(name)
    code = [
        "import numpy as np",
        "import pandas as pd",
        "import networkx as nx",
        "import xarray as xr",
    ]
    code += [f"def example_{number}():\n{body}" for number, body in enumerate(examples())]
    path = tmp_path / "examples.py"
    path.write_text("\n".join(code))
    spec = importlib.util.spec_from_file_location("examples_of_libraries", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    ran, reports, end = 0, [], time.monotonic() + 45
    for name in [name for name in vars(module) if name.startswith("example_")]:
        memo = memorious(getattr(module, name))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                memo()
                ran += 1
        # Threads of other tests may warn meanwhile.
        texts = [str(each.message) for each in caught if each.category is CacheWarning]
        texts = [text for text in texts if text.startswith(f"{name}:")]
        # Whether the states of global generators have changed is no guess.
        if not any("numbers were drawn" in text for text in texts):
            reports += [text for text in texts if any(part in text for part in REPORTS)]
        if time.monotonic() > end and ran >= 200:
            break
    del sys.modules[spec.name]
    assert ran >= 200
    assert reports == []
