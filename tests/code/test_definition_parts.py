"""Tests `describe` and the modules that it uses."""

from __future__ import annotations

import ast
import collections
import contextlib
import enum
import functools
import importlib
import io
import linecache
import logging
import math
import operator
import os
import random
import subprocess
import sys
import textwrap
import threading
import types
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from definition_cases import CASES, Case
from definition_runner import load_funes, outline
from definition_table import run_table

load_funes()

from funes._code import (
    source_cache,
    user_code,
)
from funes._code.bytecode import names_in, same_code
from funes._code.describe import CODE_TYPES, describe, is_code
from funes._code.local_imports import Absent
from funes._code.node import MISSING
from funes._code.normalize import content
from funes._code.scopes import as_code, names_of
from funes._code.user_code import is_user_code, track_package


def is_tree(function: Any) -> bool:
    return describe(function).content[0] == "tree"


def tokens(function: Any) -> tuple[object, ...]:
    return describe(function).content[-1]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., types.ModuleType]]:
    """Returns ``load(text, name="mod")``, which writes a module into the test's folder and imports it."""
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))

    def write_and_import(text: str, name: str = "mod") -> types.ModuleType:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write_and_import
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        module_file = getattr(sys.modules[name], "__file__", None) or ""
        if module_file.startswith(str(tmp_path)):
            del sys.modules[name]


# The table of cases, on this and every other interpreter of the machine


@pytest.fixture(scope="module")
def outlines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("table")
    return run_table(sys.executable, sys.version_info[:2], "outline", folder)


HERE = [case for case in CASES if case.since <= sys.version_info[:2]]


@pytest.mark.parametrize("case", HERE, ids=[case.name for case in HERE])
@pytest.mark.slow
def test_descriptions_differ_if_result_may_differ(
    case: Case, outlines: dict[str, tuple[str, str]]
) -> None:
    first, second = outlines[case.name]
    assert not first.startswith("error"), first
    assert not second.startswith("error"), second
    assert (first == second) is case.is_same


def other_interpreters() -> dict[tuple[int, int], str]:
    """Finds interpreters of other versions from 3.10 on: of pyenv, the system and scripts/pythons.sh."""
    found: dict[tuple[int, int], str] = {}
    folders = [*Path.home().glob(".pyenv/versions/*/bin"), Path("/usr/bin"), Path("/usr/local/bin")]
    folders += Path(__file__).parents[2].glob("target/pythons/root/usr/bin")
    for minor in range(10, 16):
        for folder in folders:
            path = folder / f"python3.{minor}"
            if path.exists() and (3, minor) != sys.version_info[:2]:
                found.setdefault((3, minor), str(path))
    return found


@pytest.mark.parametrize("version", other_interpreters(), ids=".".join(map(str, ())).format)
@pytest.mark.slow
def test_descriptions_are_equal_on_all_python_versions(
    version: tuple[int, int], outlines: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    theirs = run_table(other_interpreters()[version], version, "outline", tmp_path)
    ours = {name: pair for name, pair in outlines.items() if name in theirs}
    theirs = {name: pair for name, pair in theirs.items() if name in ours}
    for case in HERE:
        if not case.has_source:
            assert theirs.pop(case.name) != ours.pop(case.name)
    assert theirs == ours


# Trees


def tree(text: str) -> tuple[object, ...]:
    (function,) = ast.parse(textwrap.dedent(text)).body
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    return content(function).tokens


def test_tokens_follow_documented_format() -> None:
    written = tree(
        """
        @decorator
        def f(a: int, /, b=1, *c, d, **e) -> str:
            "doc"
            x: float = a.b + 1.0
            y: int
            return [x, ...]
        """
    )
    assert " ".join(map(str, written)) == (
        "FunctionDef args arguments"
        " posonlyargs [ arg arg a ) ] args [ arg arg b ) ] vararg arg arg c )"
        " kwonlyargs [ arg arg d ) ] kwarg arg arg e ) )"
        " body [ Assign targets [ Name x ] value"
        " BinOp left Attribute b Name a op Add right Constant 1.0 ) )"
        " Return value List elts [ Name x Ellipsis ] ) ) ] )"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f'{x:{w}}'", "f'{x:{w}}' ''"),
        ("f'{x:{w}}'", "'' f'{x:{w}}' f''"),
        ("f'a{x}b' 'c'", "'a' f'{x}' f'bc'"),
        ("f'{x!r:>{w}.{p}}'", 'f"{x!r:>{w}.{p}}"'),
    ],
)
def test_equal_f_strings_have_equal_tokens(one: str, other: str) -> None:
    assert tree(f"def f(): return {one}") == tree(f"def f(): return {other}")


def test_expression_deeper_than_recursion_limit() -> None:
    deep = ast.parse("lambda: x").body[0].value  # type: ignore[attr-defined]
    for _ in range(50_000):
        deep.body = ast.UnaryOp(ast.USub(), deep.body)
    assert content(deep).tokens.count("USub") == 50_000
    assert [read.chain for read in names_of(deep).reads] == [("x",)]


def test_private_names_and_assertions_are_recorded() -> None:
    parsed = {
        text: content(ast.parse(f"lambda x: {text}", mode="eval").body)  # type: ignore[arg-type]
        for text in ("x", "x.__private", "x.__special__", "__debug__", "'__text'")
    }
    assert [text for text, one in parsed.items() if one.has_private_names] == [
        "x.__private",
        "'__text'",  # treated like a private name, which is harmless
    ]
    assert [text for text, one in parsed.items() if one.has_assert] == ["__debug__"]


# Names

READS = {
    "return a.b.c": {"a.b.c"},
    "return a().b": {"a"},
    "return a[b].c": {"a", "b"},
    "x = 1; return x + y": {"y"},
    "return [i for i in x if i]": {"x"},
    "return [i + j for i in x for j in i]": {"x"},
    "return {k: v for k, v in x}": {"x"},
    "return (x for x in x)": {"x"},
    "return lambda x, y=z: x + y": {"z"},
    "for i in x: pass\n else: y": {"x", "y"},
    "with a as b, c as (d, e): return b + d": {"a", "c"},
    "try: pass\n except a as b: return b": {"a"},
    "import a, b.c, d as e; return a, b, e, d": {"d"},
    "from a import b, c as d; return b, c, d": {"c"},
    "def g(x: y = z) -> w: return x + v\n return g": {"z", "v"},
    "class g(a, b=c):\n  d = 1\n  e = d\n  def m(self): return d": {"a", "c", "d", "d?"},
    "class g:\n  x: y = z": {"y?", "z"},
    "class g:\n  def m(self): return super().m(__class__)": {"super"},
    "x: y = z; return x": {"z"},
    "if x := y: return x": {"y"},
    "return [x := i for i in y], x": {"y"},
    "global x; return x": {"x!"},
    "x = 1\n def g():\n  global x\n  return x\n return g": {"x!"},
    "x = 1\n def g():\n  nonlocal x\n  x = y": {"y"},
    "x += y": {"y"},
    "del x[y]": {"x", "y"},
    "match a:\n  case b.c: pass\n  case [d, *e]: return d, e\n  case {'f': g, **h}: return g, h": {
        "a",
        "b.c",
    },
    "match a:\n  case C(x=1) | D() as y: return y": {"a", "C", "D"},
    "return f'{a:{b}}{c!r}'": {"a", "b", "c"},
    "return getattr(a, 'b').c": {"a.b.c", "getattr"},
    "return getattr(a, 'b', c.d).e": {"a.b.e", "c.d", "getattr"},
    "return getattr(a, b)": {"a", "b", "getattr"},
    "return getattr(a, 'b c')": {"a", "getattr"},
    "return getattr(getattr(a, 'b'), 'c')": {"a.b.c", "getattr"},
    "return a.b(c.d)[e.f]": {"a.b", "c.d", "e.f"},
    "async def g():\n  async with a as b: return await b\n return g": {"a"},
    "return x.__a, __b": {"x._K__a", "_K__b"},
    "class L:\n  y = x.__a": {"x._L__a"},
}


@pytest.mark.parametrize("body", READS)
def test_free_names_in_tree(body: str) -> None:
    (function,) = ast.parse(f"def f():\n {body}").body
    assert isinstance(function, ast.FunctionDef)
    found = {
        ".".join(read.chain) + "!" * (read.is_global) + "?" * (not read.is_certain)
        for read in names_of(function, "K").reads
    }
    assert {name.replace("!?", "?") for name in found} == READS[body]


@pytest.mark.parametrize("body", [body for body in READS if "K__" not in READS[body].__repr__()])
def test_byte_code_has_at_least_the_free_names(body: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def f():\n {body}", namespace)
    seen = {read.chain[0] for read in names_in(namespace["f"].__code__).reads}
    wanted = {name.split(".")[0].strip("!?") for name in READS[body] if name[-1] != "?"}
    assert wanted <= seen


CHANGED = {
    "global x; x = 1": {"x"},
    "global x; x += 1": {"x"},
    "global x\n for x in y: pass": {"x"},
    "global x\n import x": {"x"},
    "global x\n def x(): pass": {"x"},
    "global x; del x": {"x"},
    "global x; (x := 1)": {"x"},
    "def g():\n  global x\n  x = 1": {"x"},
    "x = 1\n def g():\n  nonlocal x\n  x = 2": {"x"},
    "x[0] = 1": {"x"},
    "x[0][1] += 1": {"x"},
    "del x[0]": {"x"},
    "x.y = 1": {"x", "y"},
    "x.y.z[0] = 1": {"x", "y", "z"},
    "type(x).y += 1": {"y"},
    "x.append(1)": {"x"},
    "y = x.z.pop()": {"x", "z"},
    "x().z['a'].add(1)": {"a", "z"},
    "x['a'] = 1": {"a", "x"},
    "x['a'][0]['b'] += 1": {"a", "b", "x"},
    "from .a import x; x.y = 1": {"x", "y"},
    "x = 1": set(),
    "self.x = 1": {"self", "x"},
    "for self.x in y: pass": {"self", "x"},
    "x.count(1)": set(),
    "x.y.pop('a'), x.setdefault('b', 1)": {"a", "b", "x", "y"},
    "x.append('a'), x.get('b')": {"x"},
}


@pytest.mark.parametrize("body", CHANGED)
def test_changed_names(body: str) -> None:
    (function,) = ast.parse(f"def f(self):\n {body}").body
    assert isinstance(function, ast.FunctionDef)
    assert names_of(function).changed == CHANGED[body]


STEPS = {
    "x['a']": {"x['a']"},
    "x['a']['b'].c": {"x['a']['b'].c"},
    "x.get('a')": {"x.get['a']"},
    "x.get('a', y).b": {"x.get['a'].b", "y"},
    "x.get('a', default=y)": {"x.get", "y"},
    "x[0], x[y], x['a':]": {"x", "y"},
    "x['a'] = 1": {"x"},
    "del x['a']": {"x"},
    "x['a'] += 1": {"x"},
    "x['a'](y)": {"x['a']", "y"},
    "x['it\\'s']": {'x["it\'s"]'},
}


@pytest.mark.parametrize("body", STEPS)
def test_literal_keys_are_path_steps(body: str) -> None:
    (function,) = ast.parse(f"def f():\n {body}").body
    assert isinstance(function, ast.FunctionDef)
    assert {as_code(read.chain) for read in names_of(function).reads} == STEPS[body]


def test_local_imports_have_attribute_paths() -> None:
    text = """
    def f():
        import a, b.c, d as e
        from .m import g as h, i
        from .. import j
        return a.x.y, b.c.z, e, h(), lambda: j.k
    """
    (function,) = ast.parse(textwrap.dedent(text)).body
    assert isinstance(function, ast.FunctionDef)
    from_tree = {tuple(one)[:4] for one in names_of(function).imports}
    assert from_tree == {
        ("a", 0, "a", ("x", "y")),
        ("b", 0, "b.c", ("c", "z")),
        ("d", 0, "", ()),
        ("m", 1, "", ("g",)),
        ("", 2, "", ("j", "k")),
    }
    namespace: dict[str, Any] = {}
    exec(textwrap.dedent(text), namespace)
    # Byte code shows the same, and may also show a captured module alone.
    assert from_tree <= {tuple(one)[:4] for one in names_in(namespace["f"].__code__).imports}


USES = {
    "x": ((),),
    "x()": ((),),
    "x(1)": ((),),
    "x(*y)": ((),),
    "x('a'), x('a', 'b')": (("['a']",),),
    "x(key='a', other='b')": (("['a']",),),
    "x(other='b')": ((),),
    "x[b'a'], 'b' in x": (("['b']",), ("[b'a']",)),
    "not 'a' not in x": (("['a']",),),
    "'a' in x in y": ((),),
    "'a' < x": ((),),
    "x[N], x(m.N)": (("N",), ("m", "N")),
    "x[y.get('a')], M.get('b') in x": (("M", "get", "['b']"), ("y", "get", "['a']")),
    "n = 1; x[n], x": ((),),
    "x[1], x['a':], x[-1]": ((),),
    "x['a'] = 1; del x[N]": (("=",),),
    "x[b'a'] += 1": (("=",), ("[b'a']",)),
    "x['a'] += 1": (("=",), ("['a']",)),
    f"x('{'a' * 100}')": ((f"['{'a' * 100}']",),),
    f"x('{'a' * 101}')": ((),),
}


@pytest.mark.parametrize("body", USES)
def test_uses_of_the_object_at_the_end_of_a_path(body: str) -> None:
    (function,) = ast.parse(f"def f():\n {body}").body
    assert isinstance(function, ast.FunctionDef)
    (read,) = (read for read in names_of(function).reads if read.chain == ("x",))
    assert read.uses == USES[body]


# The source of the running code


def test_lambdas_on_one_line_are_distinguished() -> None:
    pair = (lambda x: x + 1), (lambda x: x + 2)
    nested = lambda x: lambda y: x + y  # noqa: E731
    assert 1 in tokens(pair[0])
    assert 2 in tokens(pair[1])
    assert tokens(nested).count("Lambda") == 2
    assert tokens(nested(1)).count("Lambda") == 1
    twins = [lambda: 1, lambda: 1, lambda: 1.0]
    assert tokens(twins[0]) == tokens(twins[1])
    assert repr(tokens(twins[2])) != repr(tokens(twins[1]))


def test_assertions_rewritten_by_pytest_have_source() -> None:
    def f(x: int) -> int:
        assert x > 0, "pytest has rewritten this"
        return x

    assert "Assert" in tokens(f)
    assert not any("pytest" in str(label) for label in describe(f).references)


EXOTIC = '''
class __Odd:
    def method(self, __x=1): return super().__init__() or self.__y
    class Inner:
        async def method(self): return [await z async for z in self]

def deco(*a, **k): return lambda f: f

@deco(
    1,
)
# a comment
@deco(lambda: 0)
def decorated(
    a,
    b=(1,
2),
) -> None:

# a comment at the margin
    return """
text at the margin
def not_a_function(): pass
"""

TABLE = {
    "a": lambda x: x,
    "b": (lambda x: -x),
}
if True:
    def in_if(): return 1
else:
    def in_if(): return 2
try:
    def in_try(): return 3
finally:
    def in_finally(): return [lambda: 4, lambda: 5]
for _ in (1,):
    with open(__file__):
        def in_with(): yield 6
def \\
    continued(): return 7
def closure(n):
    def inner(): return n
    return inner
gen = lambda: (yield)
'''


def test_source_of_every_function_is_found(load: Callable[..., types.ModuleType]) -> None:
    module = load(EXOTIC)
    odd = getattr(module, "__Odd")
    functions = [
        odd.method,
        odd.Inner.method,
        module.deco,
        module.deco(1),
        module.decorated,
        *module.TABLE.values(),
        module.in_if,
        module.in_try,
        module.in_finally,
        *module.in_finally(),
        module.in_with,
        module.continued,
        module.closure(1),
        module.gen,
    ]
    assert [function for function in functions if not is_tree(function)] == []
    assert describe(odd.method).content[1] == "Odd"
    assert 1 in tokens(module.in_if)
    assert [tokens(function)[-3] for function in module.in_finally()] == [4, 5]
    assert describe(module.decorated).source.startswith("@deco(\n    1,\n)\n")
    assert describe(odd.Inner.method).source.startswith("async def method(self)")


def test_lines_added_above_do_not_hide_source(load: Callable[..., types.ModuleType]) -> None:
    module = load("def f(x):\n    return x\n\ndef g(x):\n    return x * 2\n")
    path = Path(str(module.__file__))
    before = describe(module.g).content
    again = load("def f(x):\n    return x\n\ndef g(x):\n    return x * 2\n", "again")
    path_again = Path(str(again.__file__))
    path_again.write_text("import os\n\n\n" + path.read_text())
    assert describe(again.g).content == before


def test_source_edited_after_import_is_not_used(
    load: Callable[..., types.ModuleType],
) -> None:
    module = load("def f(x):\n    return x + 1\n")
    Path(str(module.__file__)).write_text("def f(x):\n    return x + 2\n")
    said = describe(module.f)
    assert said.content[0] == "byte code"
    assert said.source == ""


def test_kept_source_is_used_after_edit(
    load: Callable[..., types.ModuleType],
) -> None:
    module = load("def f(x):\n    return x + 1\n")
    source_cache.remember(module.f)
    Path(str(module.__file__)).write_text("def f(x):\n    return x + 2\n\n")
    linecache.checkcache()
    assert 1 in tokens(module.f)


def test_code_from_before_and_after_reload_is_found(
    load: Callable[..., types.ModuleType],
) -> None:
    old = load("def f(x):\n    return x + 1\n").f
    assert 1 in tokens(old)
    new = load("# longer\n\ndef f(x):\n    return x + 2\n").f
    assert 2 in tokens(new)
    older = load("def f(x):\n    return x + 3\n\n\n\n").f
    assert [3 in tokens(older), 2 in tokens(new), 1 in tokens(old)] == [True] * 3


def test_number_of_kept_sources_is_limited(load: Callable[..., types.ModuleType]) -> None:
    for number in range(30):
        module = load(f"def f(x):\n    return x + {number}{' ' * number}\n")
        assert number in tokens(module.f)
    assert len(source_cache._kept[str(module.__file__)]) <= 8


def test_replaced_code_object_is_described() -> None:
    def f() -> int:
        return 1

    def g() -> int:
        return 2

    assert 1 in tokens(f)
    f.__code__ = g.__code__
    assert 2 in tokens(f)
    f.__code__ = f.__code__.replace(co_consts=(None, 3))
    assert describe(f).content[0] == "byte code"
    assert "3" in repr(describe(f).content)


def test_code_without_source_counts_as_versioned_byte_code() -> None:
    made: list[Any] = []
    for number in (1, 2):
        namespace: dict[str, Any] = {}
        exec(f"def f(x): return (x, {number}, [y for y in {{'a', 'b', 'c'}}], ...)", namespace)
        made.append(describe(namespace["f"]))
    kind, version, *parts = made[0].content
    assert kind == "byte code"
    assert version == f"cpython-{sys.version_info[0]}.{sys.version_info[1]}"
    assert parts
    assert made[0].content != made[1].content


def test_free_names_in_byte_code_are_resolved(load: Callable[..., types.ModuleType]) -> None:
    load("LR, K = 0.5, 6\ndef g(): pass\n", "config")
    namespace: dict[str, Any] = {}
    text = """
    import config
    N = 1
    def make(n):
        def f(x):
            import config as c
            global count
            count = 1
            return N + config.LR + n + c.g() + len(x) + missing + getattr(config, "K"), hasattr(n, "m")
        return f
    f = make(2)
    """
    exec(textwrap.dedent(text), namespace)
    said = describe(namespace["f"])
    config = sys.modules["config"]
    assert said.changes == {"count"}
    assert said.references == {
        "captured n": 2,
        "global N": 1,
        "global config.LR": 0.5,
        "global config.K": 6,
        "imported config.g": config.g,
        "missing missing": None,
    }


@pytest.mark.slow
def test_byte_code_is_read_in_linear_time() -> None:
    import time

    def seconds(count: int) -> float:
        namespace: dict[str, Any] = {}
        lines = "".join(f"  x{i}.a, m{i}\n" for i in range(count))
        imports = "".join(f"  import m{i}\n" for i in range(count // 10))
        exec(f"def f():\n{imports}{lines}", namespace)
        start = time.process_time()
        assert len(names_in(namespace["f"].__code__).reads) > count
        return time.process_time() - start

    # For eight times the names; it was 200 times once. On a loaded machine one measurement may be off.
    assert any(seconds(16_000) < 20 * seconds(2_000) for _ in range(3))


def test_notebook_cell_has_source() -> None:
    text = textwrap.dedent(
        """
        import asyncio
        await asyncio.sleep(0)
        def f(x: "int"): return x + 41
        g, h = lambda: 1, lambda: 2
        """
    )
    name = "<ipython-input-7-0123456789ab>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | 0x1000000  # from __future__ import annotations
    namespace: dict[str, Any] = {"__name__": "__main__"}
    code = compile(text, name, "exec", flags, True)
    with contextlib.suppress(StopIteration):
        types.FunctionType(code, namespace)().send(None)
    # Code after the `await` runs like code of a cell without `await`.
    body = "\n\n" + text.split("\n", 3)[3]
    exec(compile("\n" + body, name, "exec", flags, True), namespace)
    assert 41 in tokens(namespace["f"])
    assert 2 in tokens(namespace["h"])
    del linecache.cache[name]


def test_module_in_zip_file_has_source(tmp_path: Path) -> None:
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "def f(x):\n    return x + 43\n")
    sys.path.insert(0, str(archive))
    try:
        assert 43 in tokens(importlib.import_module("zipped").f)
    finally:
        sys.path.remove(str(archive))
        sys.modules.pop("zipped", None)


def test_tracing_and_monitoring_do_not_count(load: Callable[..., types.ModuleType]) -> None:
    module = load("def f(x):\n    for i in range(x):\n        x += i\n    return x\n")
    for _ in range(100):  # so that the interpreter specializes it
        module.f(5)
    previous = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        module.f(5)
        assert is_tree(module.f)
    finally:
        sys.settrace(previous)
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        again = load(
            "def f(x):\n    for i in range(x):\n        x += i\n    return x + 0\n", "other"
        )
        tool = monitoring.DEBUGGER_ID
        monitoring.use_tool_id(tool, "test")
        try:
            events = monitoring.events.LINE | monitoring.events.INSTRUCTION
            monitoring.set_local_events(tool, again.f.__code__, events)
            again.f(5)
            assert is_tree(again.f)
        finally:
            monitoring.set_local_events(tool, again.f.__code__, 0)
            monitoring.free_tool_id(tool)


def test_description_does_not_depend_on_recursion_depth(
    load: Callable[..., types.ModuleType],
) -> None:
    text = f"def f(x):\n    return {' + '.join(['x'] * 60)}\n"
    shallow = describe(load(text, "shallow").f).content
    deep = load(text, "deep").f

    def descend() -> Any:
        try:
            return descend()
        except RecursionError:
            return None

    def near_the_end(levels: int) -> Any:
        return near_the_end(levels - 1) if levels else describe(deep).content

    frames = len(list(iter_frames()))
    assert near_the_end(sys.getrecursionlimit() - frames - 90) == shallow


def iter_frames() -> Iterator[types.FrameType]:
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]


def test_threads_compute_equal_descriptions(load: Callable[..., types.ModuleType]) -> None:
    module = load("\n".join(f"def f{i}(x): return f{i + 1}(x) + {i}" for i in range(200)))
    wanted = len(vars(module))
    results: list[list[object]] = []

    def work() -> None:
        results.append([describe(getattr(module, f"f{i}")).content for i in range(200)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(result == results[0] for result in results)
    assert len(vars(module)) == wanted


def test_source_warnings_are_not_repeated(load: Callable[..., types.ModuleType]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = load("def f(x):\n    return x is 1, '\\d'\n")
    assert is_tree(module.f)


@pytest.mark.parametrize("flags", [[], ["-O"], ["-OO"]])
def test_optimize_flag_changes_hash_if_assert_is_present(flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "def f(x):\n    'doc'\n    assert x\n    return x\ndef g(x):\n    'doc'\n    return x\n"
    )
    script = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(tmp_path)!r}]
        from definition_runner import load_funes
        load_funes()
        from funes._code.describe import describe
        import main
        print([describe(one).content[:3] for one in (main.f, main.g)])
        """
    )
    command = [sys.executable, *flags, "-c", script]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.strip() == repr([("tree", "", bool(flags)), ("tree", "", False)])


def test_code_with_different_constants_differs() -> None:
    def code(expression: str) -> types.CodeType:
        return compile(expression, "x", "eval")

    different = ["1", "1.0", "True", "0.0", "-0.0", "0j", "-0j", "x in {1, 2}", "x in {1, 2.0}"]
    different += ["(1, 2)", "(1, True)", "lambda: 1", "lambda: 1.0", "'a'", "b'a'", "1e999 - 1e999"]
    codes = list(map(code, different))
    for i, one in enumerate(codes):
        for j, other in enumerate(codes):
            assert same_code(one, other) is (i == j)
        assert same_code(one, code("\n\n" + different[i]))


# References


def names(function: Any) -> dict[str, object]:
    return describe(function).references


def test_references_of_a_function(load: Callable[..., types.ModuleType]) -> None:
    load("LR = 0.5\nclass K: pass\n", "config")
    load("", "pkg.__init__")
    load("N = 7\ndef g(x): pass\n", "pkg.mod")
    module = load(
        """
        import math
        import os.path
        import config
        import config as c
        import pkg.mod
        N = 2
        def helper(x): return x
        helper.scale = 3
        def make(n, module):
            def f(x, y=N, *, z="z"):
                from pkg import mod
                from pkg.mod import N as M
                return (
                    n, module.LR, N, helper(x), helper.scale, config.LR, c.K, c, pkg.mod.g,
                    mod.g, M, math.pi, os.path.sep, len(x), nowhere, __name__, config.__file__,
                    config.missing,
                )
            return f
        f = make(5, config)
        """
    )
    config, mod = sys.modules["config"], sys.modules["pkg.mod"]
    assert names(module.f) == {
        "default y": 2,
        "default z": "z",
        "captured n": 5,
        "captured module.LR": 0.5,
        "global N": 2,
        "global helper": module.helper,
        "global config.LR": 0.5,
        "global c.K": config.K,
        "global c by name": ("module", "config"),
        "global pkg.mod.g": mod.g,
        "imported pkg.mod.g": mod.g,
        "imported pkg.mod.N": 7,
        "global math by name": ("module", "math"),
        "global math.pi": 3.141592653589793,
        "global os by name": ("module", "os"),
        "missing nowhere": None,
        "missing config.missing": None,
    }
    said = describe(module.f)
    assert said.modules == {"math", "os"}
    found = {(id(namespace), name): value for namespace, name, value in said.reads}
    assert found[id(vars(module)), "N"] == 2
    assert found[id(vars(module)), "len"] is MISSING
    assert found[id(vars(module)), "nowhere"] is MISSING
    assert found[id(vars(config)), "LR"] == 0.5
    assert found[id(vars(config)), "missing"] is MISSING
    assert found[id(sys.modules), "pkg"] is sys.modules["pkg"]
    assert describe(module.helper).references == {"attribute scale": 3}
    ((watched, left_out, then),) = describe(module.helper).attributes
    assert watched is module.helper.__dict__
    assert left_out == ()
    assert then == {"scale": 3}


def test_tuple_never_equals_module_substitute(
    load: Callable[..., types.ModuleType],
) -> None:
    with_module = load("import math as m\ndef f(): return m\n", "one")
    with_tuple = load("m = ('module', 'math')\ndef f(): return m\n", "two")
    assert names(with_module.f) != names(with_tuple.f)


def test_user_module_imported_in_body_is_loaded(
    load: Callable[..., types.ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text("N = 5\n")
    (tmp_path / "broken.py").write_text("raise SystemExit\n")
    module = load(
        """
        def f():
            from late import N
            from broken import M
            from nowhere import L
            import xml.dom
            return N, M, L, xml.dom.Node
        """
    )
    references = dict(names(module.f))
    assert isinstance(references.pop("absent nowhere"), Absent)
    assert references == {"imported late.N": 5}
    assert "xml" in describe(module.f).modules


def test_names_that_a_function_changes_are_inputs(load: Callable[..., types.ModuleType]) -> None:
    load("LR = 1\nOTHER = 2\n", "config")
    module = load(
        """
        import config
        count = 0
        table = {}
        limit = 10
        class State: pass
        state = State()
        class Kind: total = 0
        def f(x):
            global count
            count += 1
            table[x] = limit
            config.LR = x
            state.last = x
            Kind.total += 1
            return config.OTHER
        def make():
            calls = 0
            def g():
                nonlocal calls
                calls += 1
            return g
        g = make()
        """
    )
    said = describe(module.f)
    assert said.references == {
        "global count": 0,
        "global table": {},
        "global limit": 10,
        "global config.LR": 1,
        "global config.OTHER": 2,
        "global state": module.state,
        "global Kind.total": 0,
    }
    assert said.changes >= {"count", "table", "LR", "state", "last", "total"}
    assert names(module.g) == {"captured calls": 0}


def test_attributes_of_a_function_are_its_references(
    load: Callable[..., types.ModuleType],
) -> None:
    module = load(
        """
        def f(): return 1
        f.calls = 0
        def g(): return f, f.calls
        """
    )
    assert names(module.g).keys() == {"global f"}
    assert names(module.f) == {"attribute calls": 0}


def test_opaque_resources_count_by_type(
    load: Callable[..., types.ModuleType], tmp_path: Path
) -> None:
    module = load("def f(): return log, lock, file, buffer\n")
    (tmp_path / "open.txt").touch()
    with open(tmp_path / "open.txt") as file:
        module.log = logging.getLogger("x")  # type: ignore[attr-defined]
        module.lock = threading.RLock()  # type: ignore[attr-defined]
        module.file = file  # type: ignore[attr-defined]
        module.buffer = buffer = io.BytesIO()  # type: ignore[attr-defined]
        assert names(module.f) == {
            "global log by name": ("logger", "logging.Logger", "x"),
            "global lock by name": ("type", "threading.RLock"),
            "global file by name": ("type", "io.TextIOWrapper"),
            "global buffer": buffer,
        }


def test_added_builtins_count(load: Callable[..., types.ModuleType]) -> None:
    import builtins

    module = load("def g(): pass\ndef f(): return added, number, print, ValueError, exit\n")
    builtins.added = module.g  # type: ignore[attr-defined]
    builtins.number = 5  # type: ignore[attr-defined]
    try:
        assert names(module.f) == {"builtin added": module.g, "builtin number": 5}
    finally:
        del builtins.added, builtins.number  # type: ignore[attr-defined]


def test_empty_closure_cell_is_part_of_definition() -> None:
    def outer() -> Any:
        def f() -> Any:
            return later  # noqa: F821

        later = 1
        del later
        return f

    assert names(outer()) == {"captured later is empty": None}


# Other kinds of code


def name_of(thing: Any) -> str:
    said = describe(thing)
    assert said.kind == "name", said
    return said.name


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (len, "builtins.len"),
        (dict, "builtins.dict"),
        (dict.fromkeys, "builtins.dict.fromkeys"),
        (str.join, "builtins.str.join"),
        (str.__len__, "builtins.str.__len__"),
        (math.sin, "math.sin"),
        (operator.add, "operator.add"),
        (os.path.join, "os.path.join"),
        (os.getcwd, "os.getcwd"),
        (collections.OrderedDict, "collections.OrderedDict"),
        (textwrap.dedent, "textwrap.dedent"),
        (random.random, "random.Random.random"),
        (random.randint, "random.Random.randint"),
        (Path, "pathlib.Path"),
        (types.FunctionType, "builtins.function"),
        (type(None), "builtins.NoneType"),
        (functools.partial, "functools.partial"),
        (threading.Lock, "threading.allocate_lock"),
    ],
)
def test_library_code_counts_by_name(thing: Any, name: str) -> None:
    assert is_code(thing)
    if thing in (random.random, random.randint):
        name = f"random.{thing.__name__}"
    if thing is dict.fromkeys:
        assert describe(thing).references["self"] is dict
    elif thing is threading.Lock:
        assert name_of(thing).startswith("threading.")
    else:
        assert name_of(thing) == name


def helper(x: int) -> int:
    return x


class Thing:
    def method(self) -> int:
        return 1

    @functools.cached_property
    def cached(self) -> int:
        return 1


def test_methods_and_partials_count_by_their_parts() -> None:
    thing = Thing()
    parts = {
        functools.partial(helper, 1, y=2): {"function": helper, "args": (1,), "keywords": {"y": 2}},
        functools.lru_cache(helper): {
            "wrapped": helper,
            "options": {"maxsize": 128, "typed": False},
        },
        thing.method: {"self": thing, "function": Thing.method},
        [1].append: {"self": [1], "function": None},
        property(helper): {"fget": helper},
        Thing.__dict__["cached"]: {"func": Thing.__dict__["cached"].func},
        staticmethod(helper): {"__func__": helper},
        classmethod(helper): {"__func__": helper},
        contextlib.contextmanager(helper): {"wrapped": helper, "captured func": helper},
    }
    for code, references in parts.items():
        assert is_code(code)
        assert describe(code).references == references
    kinds = [(describe(code).kind, describe(code).name) for code in parts]
    assert len(set(kinds)) == len(kinds)


def test_library_wrapper_counts_by_its_parameters(tmp_path: Path) -> None:
    library = types.ModuleType("json.made_up")  # a library module by name
    sys.modules[library.__name__] = library
    text = """
    import functools
    def times(n):
        cache, calls = {}, [0]
        def decorate(f):
            @functools.wraps(f)
            def wrapper(*args):
                return cache.setdefault(args, n * f(*args))
            wrapper.cache = cache, calls
            return wrapper
        return decorate
    """
    try:
        exec(textwrap.dedent(text), library.__dict__)
        twice = library.times(2)(helper)
        said = describe(twice)
        assert (said.kind, said.name) == ("wrapper", "json.made_up.wrapper")
        expected = {"wrapped": helper, "captured f": helper, "captured n": 2}
        assert said.references == {**expected, "type of captured cache": "builtins.dict"}
        assert describe(library.times(3)(helper)).references != said.references
        twice(1)
        assert describe(twice) == said
    finally:
        del sys.modules[library.__name__]


def test_object_that_a_library_wrapper_captured_counts_by_its_parameters() -> None:
    library = types.ModuleType("json.made_up")  # a library module by name
    sys.modules[library.__name__] = library
    text = """
    import functools, threading
    class Stop:
        def __init__(self, limit): self.limit = limit
    class Policy:
        def __init__(self, stop, hook): self.stop, self.hook, self.seen = stop, hook, {}
        def __call__(self, f):
            @functools.wraps(f)
            def wrapper(*args): return f(*args)
            return wrapper if self.hook else self.guard(f)
        def guard(self, f):
            self.calls, self.lock = 0, threading.Lock()
            @functools.wraps(f)
            def wrapper(*args):
                self.calls += 1
                return f(*args)
            return wrapper
    """
    try:
        exec(textwrap.dedent(text), library.__dict__)

        def parts(limit: int) -> dict[str, object]:
            wrapped = library.Policy(library.Stop(limit), None)(helper)
            before = describe(wrapped).references
            assert wrapped(1) == 1
            assert describe(wrapped).references == before  # the counter beside the lock has changed
            return before

        assert parts(3)["captured self.stop.limit"] == 3
        assert parts(3) == parts(3) != parts(4)
        assert not any("calls" in label for label in parts(3))
    finally:
        del sys.modules[library.__name__]


def test_singledispatch_counts_by_its_implementations() -> None:
    @functools.singledispatch
    def dispatch(x: object) -> int:
        return 0

    def of_int(x: int) -> int:
        return 1

    dispatch.register(int, of_int)
    said = describe(dispatch)
    assert said.references == {
        "implementations": {object: dispatch.registry[object], int: of_int},
    }
    dispatch(True)
    assert describe(dispatch) == said


def test_values_are_not_code() -> None:
    for value in (None, 1, "a", b"", [], {}, {1}, (1,), object(), Thing(), re_pattern(), enum):
        assert not is_code(value)
    with pytest.raises(TypeError, match="not code"):
        describe([])
    assert types.FunctionType in CODE_TYPES


def re_pattern() -> object:
    import re

    return re.compile("a")


def test_objects_with_hostile_attribute_access_are_not_code() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise RuntimeError("class")

    hostile = Hostile()
    assert not is_code(hostile)
    namespace: dict[str, Any] = {"hostile": hostile}
    exec("def f(): return hostile", namespace)
    assert names(namespace["f"]) == {"global hostile": hostile}


# Classes


def test_class_counts_by_its_parts() -> None:
    class Meta(type):
        pass

    class Base:
        pass

    class Some(Base, dict, metaclass=Meta):  # type: ignore[type-arg]
        "doc"

        __slots__ = ("a", "b")
        number: int = 1
        annotated: str

        def method(self) -> int:
            return 1

        @staticmethod
        def static() -> int:
            return 1

    said = describe(Some)
    assert (said.kind, said.name) == ("class", "Some")
    assert said.content == (("a", "b"),)
    assert said.references == {
        "base 0": Base,
        "base 1": dict,
        "metaclass": Meta,
        "attribute number": 1,
        "attribute method": Some.method,
        "attribute static": Some.__dict__["static"],
    }


def test_generated_methods_do_not_count() -> None:
    @dataclass(order=True, frozen=True)
    class Data:
        a: int
        b: float = 0.5

        def __repr__(self) -> str:
            return "mine"

    assert set(describe(Data).references) == {
        "annotations",
        "field b default",
        "attribute b",
        "attribute __repr__",
    }

    class Colour(enum.Enum):
        RED = 1
        ROT = RED

        def method(self) -> int:
            return 1

    said = describe(Colour)
    assert said.content == (None, "enum", "RED", "ROT")
    assert set(said.references) == {"base 0", "member RED", "member ROT", "attribute method"}

    Point = collections.namedtuple("Point", "x y", defaults=[0])
    said = describe(Point)
    assert said.content == ((), "named tuple", "x", "y")
    assert said.references == {"base 0": tuple, "field defaults": {"y": 0}}


def test_describing_class_with_slots_does_not_change_it() -> None:
    before = set(Thing.__dict__)
    describe(Thing)
    assert set(Thing.__dict__) == before


# User code


def test_user_code_and_library_code() -> None:
    assert not is_user_code("json")
    assert not is_user_code("sys")
    assert not is_user_code("_frozen_importlib", "<frozen importlib._bootstrap>")
    assert not is_user_code("pytest")
    assert not is_user_code("funes._code.user_code")
    assert is_user_code(__name__)
    assert is_user_code("__main__", "<stdin>")
    assert is_user_code("__main__", "<ipython-input-1-abc>")
    assert is_user_code("__main__", "<string>")
    assert is_user_code("", "<string>")
    assert is_user_code("unheard_of")
    assert not is_user_code("__main__", pytest.__file__)


def test_folder_decides_if_code_is_user_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "env" / "site-packages"
    project = tmp_path / "project"
    for folder in (site / "lib", project / "pkg", project / "__pypackages__" / "3.11" / "lib"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(site), str(project)])
    assert not is_user_code("lib.mod", str(site / "lib" / "mod.py"))
    assert is_user_code("pkg.mod", str(project / "pkg" / "mod.py"))
    # A user file with the name of a standard module is user code.
    assert is_user_code("statistics", str(project / "statistics.py"))
    assert not is_user_code("lib", str(project / "__pypackages__" / "3.11" / "lib" / "mod.py"))
    # The location of a zip file decides.
    assert is_user_code("zipped", str(project / "app.zip" / "zipped.py"))
    assert not is_user_code("zipped", str(site / "egg.egg" / "zipped.py"))
    # A folder of that name that is not on `sys.path` is not a library folder.
    assert is_user_code("mod", str(tmp_path / "other" / "site-packages" / "mod.py"))
    if hasattr(os, "symlink"):
        (site / "linked").symlink_to(project / "pkg", target_is_directory=True)
        (site / "lib" / "one.py").symlink_to(project / "pkg" / "one.py")
        assert is_user_code("linked.mod", str(site / "linked" / "mod.py"))
        assert not is_user_code("lib.one", str(site / "lib" / "one.py"))


def test_editable_install_is_user_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, project = tmp_path / "site-packages", tmp_path / "src"
    for folder in (site, project):
        folder.mkdir()
    (project / "edited.py").write_text("def f(): pass\n")
    (site / "edited.pth").write_text(f"{project}\n")
    monkeypatch.setattr(sys, "path", sys.path[:])
    import site as site_module

    site_module.addsitedir(str(site))
    edited = importlib.import_module("edited")

    assert is_user_code("edited")
    assert describe(edited.f).kind == "function"
    del sys.modules["edited"]


def test_namespace_package_with_user_folder_is_user_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, project = tmp_path / "site-packages", tmp_path / "src"
    for folder, module in ((site, "theirs"), (project, "ours")):
        (folder / "shared").mkdir(parents=True)
        (folder / "shared" / f"{module}.py").write_text("N = 1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site), str(project)])
    verdicts = {"shared.ours": True, "shared.theirs": False, "shared": True}
    for name in verdicts:
        importlib.import_module(name)
    assert {name: is_user_code(name) for name in verdicts} == verdicts
    for name in verdicts:
        del sys.modules[name]


def test_track_package_declares_user_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_tracked_packages", set())
    monkeypatch.setattr(user_code, "_verdicts", {})
    assert not is_user_code("xml.dom")
    track_package("xml")
    assert is_user_code("xml.dom")
    assert not is_user_code("xmlrpc")
    with pytest.raises(TypeError, match="the name of a package"):
        track_package(os)  # type: ignore[arg-type]


def test_second_description_is_fast(load: Callable[..., types.ModuleType]) -> None:
    # It takes 0.1 s: the limit only detects needless walks.
    import time

    module = load("\n".join(f"def f{i}(x): return f{i + 1}(x) + {i}" for i in range(1000)))
    start = time.process_time()
    for _ in range(2):
        for i in range(1000):
            describe(getattr(module, f"f{i}"))
    assert time.process_time() - start < 5


def test_outline_does_not_depend_on_entry_point() -> None:
    assert outline(helper) == outline(helper)
    assert outline(Thing) != outline(helper)
