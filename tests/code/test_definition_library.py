"""Tests attributes of libraries: they count by name, except values and user objects."""

from __future__ import annotations

import importlib
import itertools
import os
import platform
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from funes import hash_definition, memorious
from funes._code.describe import describe

pytestmark = pytest.mark.usefixtures("cache")

NUMBERS = itertools.count()
Run = Callable[[str], Any]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library package with a submodule."""
    site = tmp_path / "site-packages"
    (site / "lib" / "sub").mkdir(parents=True)
    (site / "lib" / "__init__.py").write_text(
        textwrap.dedent("""
        import lib.sub, math
        from lib.sub import C
        LIMIT, TABLE, PAIR, __hidden__ = 1, {"a": [1]}, (1, 2), 1
        def g(x): return x
        def h(x): return x
        thing = C()
        import functools
        def given(option):
            def decorate(f):
                @functools.wraps(f)
                def wrapper(*args): return option, f(*args)
                return wrapper
            return decorate
        def __getattr__(name):
            if name == "late": return 5
            raise AttributeError(name)
        """)
    )
    (site / "lib" / "sub" / "__init__.py").write_text(
        "LIMIT = 1\nclass C:\n    n = 1\n    def m(self): return 1\n"
    )
    monkeypatch.syspath_prepend(str(site))
    yield importlib.import_module("lib")
    for name in ("lib", "lib.sub"):
        sys.modules.pop(name, None)


def references(function: Any) -> dict[str, object]:
    return {
        label: value
        for label, value in describe(function).references.items()
        if "by name" not in label
    }


# The code of each row, and its references that do not count by name.
TAKEN = {
    "lib.g(x)": {},
    "lib.C()": {},
    "lib.sub.C().m()": {},
    "lib.thing.m()": {},
    "lib.math.sqrt": {},
    "lib.__hidden__": {},
    "lib.missing": {},
    "lib.LIMIT": {"global lib.LIMIT": 1},
    "lib.sub.LIMIT": {"global lib.sub.LIMIT": 1},
    "lib.PAIR[0]": {"global lib.PAIR": (1, 2)},
    "lib.TABLE['a']": {"global lib.TABLE": {"a": [1]}},
    "lib.late": {"global lib.late": 5},
    "getattr(lib, 'LIMIT')": {"global lib.LIMIT": 1},
    "sys.maxsize, os.sep, os.path.sep, platform.os, sys.float_info": {},
    "[l for l in (lib.LIMIT,)]": {"global lib.LIMIT": 1},
}


@pytest.mark.parametrize("code", TAKEN)
def test_library_attributes_that_count(code: str, load_module: Run, library: Any) -> None:
    module = load_module(f"import lib, lib.sub, math, sys, os, platform\ndef f(x=0): return {code}")
    assert references(module.f) == {"default x": 0, **TAKEN[code]}


def test_library_imports_in_function_body(load_module: Run, library: Any) -> None:
    module = load_module(
        "def f():\n import math, lib\n from math import tau as t\n return math.e, t, lib.LIMIT"
    )
    import math

    values = {"imported math.e": math.e, "imported math.tau": math.tau, "imported lib.LIMIT": 1}
    assert references(module.f) == values
    # It does not count whether the package was imported before.
    for name in ("lib", "lib.sub"):
        del sys.modules[name]
    assert references(module.f) == values
    library = importlib.import_module("lib")
    library.g = module.f
    module = load_module("def g():\n import lib\n from lib import g as k\n return lib.g, k")
    assert references(module.g) == {"imported lib.g": library.g}


# The code of each row, and statements that put a user object into the library.
PATCHES = {
    "function": ("lib.g(x)", "lib.g = lambda x: 5"),
    "class of a submodule": (
        "lib.sub.C().m()",
        "lib.sub.C = type('C', (), {'m': lambda self: 5})",
    ),
    "function behind functools.wraps": (
        "lib.g(x)",
        "import functools; lib.g = functools.wraps(lib.g)(lambda x: 5)",
    ),
    "partial": ("lib.g(x)", "import functools; lib.g = functools.partial(lambda n, x: n, 5)"),
    "memorious function": ("lib.g(x)", "lib.g = memorious(lambda x: 5)"),
    "function behind lru_cache": (
        "lib.g(x)",
        "import functools; lib.g = functools.lru_cache(lambda x: 5)",
    ),
    "method of an object": (
        "lib.g(x)",
        "class Mine:\n def g(self, x): return 5\nlib.g = Mine().g",
    ),
    "callable object": (
        "lib.g(x)",
        "class Mine:\n def __call__(self, x): return 5\nlib.g = Mine()",
    ),
    "class": ("lib.C().n", "class Mine(lib.C): n = 5\nlib.C = Mine"),
    "constant": ("lib.LIMIT", "lib.LIMIT = 5"),
    "table": ("repr(lib.TABLE)", "lib.TABLE['b'] = 5"),
    "constant by setattr": ("lib.sub.LIMIT", "setattr(lib.sub, 'LIMIT', 5)"),
    "method of a class": ("lib.C().m()", "lib.C.m = lambda self: 5"),
    "property of a class": ("lib.C().n", "lib.C.n = property(lambda self: 5)"),
    "new method of a class": (
        "hasattr(lib.C, 'extra') and lib.C().extra()",
        "lib.C.extra = lambda self: 5",
    ),
    "constant of the language": ("math.tau", "math.tau = 1.0"),
    "function of the language": ("json.dumps(x)", "json.dumps = lambda x: 5"),
    "function that a function imports": (
        "local(x)",
        "json.dumps = lambda x: 5",
    ),
    "method of a path": ("pathlib.Path('a').as_posix()", "pathlib.PurePath.as_posix = lambda p: 5"),
    "method of an argument": ("where(x)", "pathlib.PurePath.as_posix = lambda p: 5"),
}


@pytest.mark.parametrize("case", PATCHES)
def test_result_with_patch_is_not_found_without_patch(
    case: str, load_module: Run, library: Any
) -> None:
    import json
    import math
    import pathlib

    owners = (library, library.sub, library.sub.C, json, math, pathlib.PurePath)
    code, patch = PATCHES[case]
    text = f"""
        import json, lib, lib.sub, math, pathlib
        def where(p): return pathlib.Path(str(p)).as_posix()
        def local(x):
            import json
            return json.dumps(x)
        @memorious
        def f(x): return {code}
        """
    module = load_module(text)
    plain, definition = module.f(1), module.f.definition
    kept = [dict(vars(owner)) for owner in owners]
    table = dict(library.TABLE)
    try:
        exec(patch, vars(module))
        patched = module.f(1)
        assert patched == module.f.__wrapped__(1) != plain
        assert module.f.definition != definition
        assert load_module(text).f(1) == patched
    finally:
        for owner, before in zip(owners, kept, strict=True):
            for name in vars(owner).keys() - before.keys():
                delattr(owner, name)
            for name, value in before.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)
        library.TABLE.clear()
        library.TABLE.update(table)
    assert module.f(1) == plain
    assert module.f.definition == definition
    assert load_module(text).f(1) == plain


def test_edit_of_patch_is_detected(load_module: Run, library: Any) -> None:
    text = "import lib\nN = {0}\ndef mine(x): return N\nlib.g = mine\ndef f(x): return lib.g(x)"
    one, two = (load_module(text.format(number)) for number in (1, 2))
    library.g = one.mine
    first = hash_definition(one.f)
    library.g = two.mine
    assert hash_definition(one.f) != first


def test_replacement_from_another_library_counts(load_module: Run, library: Any) -> None:
    import numpy as np

    module = load_module("import lib\ndef f(x): return lib.g(x)")
    before = hash_definition(module.f)
    library.g = np.mean
    assert hash_definition(module.f) != before
    library.g = library.h
    assert hash_definition(module.f) == before  # the structure of a library does not count


@pytest.mark.filterwarnings("ignore")  # the name may be registered already
@pytest.mark.parametrize("kind", ["pandas", "polars", "xarray"])
def test_registered_accessor_counts(kind: str, load_module: Run) -> None:
    pytest.importorskip(kind)
    register = {
        "pandas": "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('{0}')",
        "polars": "import polars as pl\n@pl.api.register_dataframe_namespace('{0}')",
        "xarray": "import xarray as xr\n@xr.register_dataset_accessor('{0}')",
    }[kind]
    text = """
        class My:
            def __init__(self, df): self.df = df
            def total(self): return {1}
        def f(df): return df.{0}.total()
        def g(df): return df.other
        """
    name = f"my{next(NUMBERS)}"
    used, unused = load_module("def f(df): return df.NAME.total()".replace("NAME", name)), None
    before = hash_definition(used.f)
    hashes = []
    for number in (1, 2):
        unused = load_module((register + textwrap.dedent(text)).format(name, number))
        hashes.append((hash_definition(unused.f), hash_definition(unused.g)))
    assert hashes[0][0] != hashes[1][0] != before
    assert hashes[0][1] == hashes[1][1]
    assert hash_definition(used.f) != before


def test_lazy_library_attributes_have_stable_definition(load_module: Run, library: Any) -> None:
    module = load_module("import lib\ndef f(): return lib.late")
    before = hash_definition(module.f)
    library.late = 5
    assert hash_definition(module.f) == before


# Memoized library functions


def test_memoized_library_function_counts_by_name(
    library: Any,
) -> None:
    import statistics

    def f(x: Any) -> Any:
        return library.g(x)

    before = hash_definition(f)
    memo = memorious(library.g)
    assert memo(3) == 3
    assert memo.is_cached(3)
    assert hash_definition(f) == before
    assert memo.definition == memorious(library.g).definition
    assert memo.definition != memorious(library.h).definition
    median = memorious(statistics.median)
    assert median([1, 2, 3]) == 2
    assert median.is_cached([1, 2, 3])


def test_package_that_decorates_its_functions_is_user_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funes._code import user_code

    monkeypatch.setattr(user_code, "_tracked_packages", set())
    monkeypatch.setattr(user_code, "_verdicts", {})
    package = tmp_path / "site-packages" / "remembering"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(
        "from funes import memorious\n@memorious\ndef f(x): return g(x)\ndef g(x): return x\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    importlib.import_module("remembering")
    assert not user_code.is_user_code("remembering")
    inner = importlib.import_module("remembering.inner")
    assert user_code.is_user_code("remembering")
    assert "global g" in describe(inner.f.__wrapped__).references
    for name in ("remembering", "remembering.inner"):
        del sys.modules[name]


def test_parameters_of_library_decorator_count(library: Any) -> None:
    import datetime
    import decimal
    import fractions
    import re
    import uuid

    def g(x: Any) -> Any:
        return x

    options: list[Any] = [
        range(3),
        range(4),
        slice(1),
        slice(2),
        decimal.Decimal(1),
        decimal.Decimal(2),
        datetime.timedelta(1),
        datetime.timedelta(2),
        datetime.date(2026, 1, 1),
        datetime.date(2026, 1, 2),
        Path("a"),
        Path("b"),
        re.compile("a"),
        re.compile("b"),
        types.MappingProxyType({"a": 1}),
        types.MappingProxyType({"a": 2}),
        fractions.Fraction(1, 2),
        fractions.Fraction(1, 3),
        uuid.UUID(int=1),
        uuid.UUID(int=2),
    ]
    given = [library.given(option)(g) for option in options]
    assert not any(describe(wrapper).kind == "function" for wrapper in given)
    assert len(set(map(hash_definition, given))) == len(options)


def test_wrapt_counts_as_library(load_module: Run) -> None:
    pytest.importorskip("wrapt")
    text = """
        import wrapt
        @wrapt.decorator
        def twice(wrapped, instance, args, kwargs): return {0} * wrapped(*args, **kwargs)
        @twice
        def g(x): return x + {1}
        def f(x): return g(x)
        """
    hashes = [
        hash_definition(load_module(text.format(*pair)).f) for pair in ((2, 1), (3, 1), (2, 2))
    ]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("target", "expression"),
    [
        ("os.path.getsize", "os.path.getsize('x')"),
        ("os.cpu_count", "os.cpu_count()"),
        ("platform.system", "platform.system()"),
        ("sys.getrefcount", "sys.getrefcount(1)"),
    ],
)
def test_patches_of_os_and_sys_count(target: str, expression: str, cache: Path) -> None:
    space: dict[str, Any] = {"os": os, "platform": platform, "sys": sys, "__name__": "__main__"}
    exec(f"def f(): return {expression}", space)
    f = memorious(space["f"])
    before = f.definition

    def one(*_args: object) -> int:
        return 1

    def two(*_args: object) -> int:
        return 2

    with mock.patch(target, one):
        assert f.definition != before
        assert f() == 1
    with mock.patch(target, two):
        assert f() == 2
    assert f.definition == before
