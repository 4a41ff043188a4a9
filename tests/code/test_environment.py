"""Tests that environment variables with literal names count like globals, and that no other variables count."""

from __future__ import annotations

import collections
import io
import multiprocessing
import os
import threading
import types
import unittest.mock
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, explain_definition
from funes._code.environment import MACHINE_NAMES, is_of_machine
from funes.errors import DefinitionMismatch

RunPython = Callable[..., str]

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.filterwarnings("ignore:.*changed for the third time:funes.CacheWarning"),
]

Load = Callable[[str], Any]

NO_WARNING = pytest.mark.filterwarnings("error::funes.CacheWarning")
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no os.environb")


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LR", "OTHER", "API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def misses(function: Any) -> int:
    return int(function.cache_info().misses)


READS = {
    "subscript": "import os\n@memorious\ndef f(x): return os.environ['LR']",
    "get": "import os\n@memorious\ndef f(x): return os.environ.get('LR')",
    "get with a default": "import os\n@memorious\ndef f(x): return os.environ.get('LR', '5')",
    "get by keyword": "import os\n@memorious\ndef f(x): return os.environ.get(key='LR')",
    "getenv": "import os\n@memorious\ndef f(x): return os.getenv('LR')",
    "getenv with a default": "import os\n@memorious\ndef f(x): return os.getenv('LR', '5')",
    "getenv by keyword": "import os\n@memorious\ndef f(x): return os.getenv(default='5', key='LR')",
    "in": "import os\n@memorious\ndef f(x): return 'LR' in os.environ and os.environ['LR']",
    "renamed module": "import os as o\n@memorious\ndef f(x): return o.environ['LR']",
    "from import": "from os import environ\n@memorious\ndef f(x): return environ['LR']",
    "renamed": "from os import environ as e, getenv as g\n@memorious\ndef f(x): return g('LR') or e['LR']",
    "renamed getenv": "from os import getenv as g\n@memorious\ndef f(x): return g('LR')",
    "import in the body": "@memorious\ndef f(x):\n import os\n return os.environ['LR']",
    "getenv in the body": "@memorious\ndef f(x):\n import os as o\n return o.getenv('LR')",
    "from import in the body": "@memorious\ndef f(x):\n from os import environ as e\n return e['LR']",
    "getenv by a from import in the body": (
        "@memorious\ndef f(x):\n from os import getenv\n return getenv('LR')"
    ),
    "getattr": "import os\n@memorious\ndef f(x): return getattr(os, 'environ')['LR']",
    "method of the text": "import os\n@memorious\ndef f(x): return os.environ['LR'].split(',')",
    "slice of the text": "import os\n@memorious\ndef f(x): return os.environ['LR'][0:9]",
    "constant": "import os\nNAME = 'LR'\n@memorious\ndef f(x): return os.environ[NAME]",
    "constant with getenv": "import os\nNAME = 'LR'\n@memorious\ndef f(x): return os.getenv(NAME)",
    "constant with get": "import os\nNAME = 'LR'\n@memorious\ndef f(x): return os.environ.get(NAME)",
    "constant with in": (
        "import os\nNAME = 'LR'\n@memorious\ndef f(x): return NAME in os.environ and os.getenv(NAME)"
    ),
    "attribute of a class": (
        "import os\nclass Names:\n LR = 'LR'\n@memorious\ndef f(x): return os.environ[Names.LR]"
    ),
    "captured constant": """
        import os
        def make(name):
            @memorious
            def f(x): return os.environ[name]
            return f
        f = make("LR")
        """,
    "captured environment": """
        import os
        def make(env):
            @memorious
            def f(x): return env["LR"]
            return f
        f = make(os.environ)
        """,
    "module of a library": "import subprocess\n@memorious\ndef f(x): return subprocess.os.environ['LR']",
    "attribute of a library": """
        import subprocess
        from os import environ
        subprocess.environ_of_test = environ
        @memorious
        def f(x): return subprocess.environ_of_test["LR"]
        """,
    "attribute of a namespace": """
        import os, types
        cfg = types.SimpleNamespace(env=os.environ)
        @memorious
        def f(x): return cfg.env["LR"]
        """,
    "method": "import os\nget = os.environ.get\n@memorious\ndef f(x): return get('LR')",
    "captured method": """
        import os
        def make(read):
            @memorious
            def f(x): return read("LR")
            return f
        f = make(os.environ.__getitem__)
        """,
    "setdefault": "import os\n@memorious\ndef f(x): return os.environ.setdefault('LR', '5')",
    "explicit call": "import os\n@memorious\ndef f(x): return os.environ.__getitem__('LR')",
    "helper": "import os\ndef g(): return os.getenv('LR')\n@memorious\ndef f(x): return g()",
    "method of a class": """
        import os
        class C:
            def lr(self): return os.environ["LR"]
        @memorious
        def f(x): return C().lr()
        """,
    "property and static method": """
        import os
        class C:
            @property
            def lr(self): return self.read()
            @staticmethod
            def read(): return os.environ["LR"]
        @memorious
        def f(x): return C().lr
        """,
    "lambda": "import os\ng = lambda: os.environ['LR']\n@memorious\ndef f(x): return g()",
    "comprehension": "import os\n@memorious\ndef f(x): return [os.environ['LR'] for _ in 'ab']",
    "iterable of a comprehension": "import os\n@memorious\ndef f(x): return [c for c in os.getenv('LR')]",
    "nested function": """
        import os
        @memorious
        def f(x):
            def g(): return os.environ["LR"]
            return g()
        """,
    "nested class": """
        import os
        @memorious
        def f(x):
            class C:
                lr = os.environ["LR"]
            return C.lr
        """,
    "default of a nested function": """
        import os
        @memorious
        def f(x):
            def g(lr=os.environ["LR"]): return lr
            return g()
        """,
    "f-string": "import os\n@memorious\ndef f(x): return f'{os.environ[\"LR\"]}'",
    "match": """
        import os
        @memorious
        def f(x):
            match os.environ["LR"]:
                case lr: return lr
        """,
    "augmented": """
        import os
        @memorious
        def f(x):
            before = os.environ["OTHER"] = os.getenv("LR")
            os.environ["OTHER"] += "more"
            found = os.environ["OTHER"]
            del os.environ["OTHER"]
            return found
        """,
    "without source": """
        import os
        namespace = {"os": os}
        exec("def f(x): return os.environ['LR']", namespace)
        f = memorious(namespace["f"])
        """,
    "constant without source": """
        import os
        namespace = {"os": os, "NAME": "LR"}
        exec("def f(x):\\n import os as o\\n return o.getenv(NAME, 5)", namespace)
        f = memorious(namespace["f"])
        """,
    "async": """
        import asyncio, os
        @memorious
        async def g(x): return os.environ["LR"]
        def f(x): return asyncio.run(g(x))
        f.cache_info = g.cache_info
        """,
}  # fmt: skip


@pytest.mark.parametrize("form", READS)
@NO_WARNING
def test_variable_with_a_literal_name_counts(
    form: str, load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "1")
    f = load_module(READS[form]).f
    first = f(1)
    assert f(1) == first
    monkeypatch.setenv("UNRELATED_TO_F", "1")
    assert f(1) == first
    assert misses(f) == 1
    monkeypatch.setenv("LR", "2")
    second = f(1)
    assert f(1) == second != first
    monkeypatch.setenv("LR", "1")
    assert f(1) == first
    assert misses(f) == 2


@posix_only
@pytest.mark.parametrize(
    "form",
    [
        "import os\n@memorious\ndef f(x): return os.environb[b'LR']",
        "import os\n@memorious\ndef f(x): return os.environb.get(b'LR')",
        "import os\n@memorious\ndef f(x): return os.getenvb(b'LR', b'')",
        "from os import environb as e\n@memorious\ndef f(x): return e[b'LR']",
        "import os\n@memorious\ndef f(x): return b'LR' in os.environb and os.environb[b'LR']",
    ],
)
def test_variable_as_bytes_counts(
    form: str, load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = load_module(form).f
    for value, expected in (("1", b"1"), ("2", b"2"), ("1", b"1")):
        monkeypatch.setenv("LR", value)
        assert f(1) == expected
        assert f(1) == expected
    assert misses(f) == 2


@pytest.mark.parametrize(
    "read",
    ["os.getenv('LR')", "os.environ.get('LR')", "os.environ['LR'] if 'LR' in os.environ else None"],
)
def test_unset_differs_from_empty(
    read: str, load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = load_module(f"import os\n@memorious\ndef f(x): return {read}").f
    for value in (None, "", "None", None, ""):
        if value is None:
            monkeypatch.delenv("LR", raising=False)
        else:
            monkeypatch.setenv("LR", value)
        assert f(1) == value
        assert f(1) == value
    assert misses(f) == 3


CHANGES = {
    "assignment": "os.environ['LR'] = '2'",
    "update": "os.environ.update(LR='2')",
    "in-place union": "os.environ |= {'LR': '2'}",
    "bytes": "os.environb[b'LR'] = b'2'" if os.name != "nt" else "os.environ['LR'] = '2'",
    "a subclass of str": "os.environ[type('S', (str,), {})('LR')] = '2'",
    "clear and restore": (
        "old = dict(os.environ); os.environ.clear(); os.environ.update(old); os.environ['LR'] = '2'"
    ),
    "patch": "unittest.mock.patch.dict(os.environ, {'LR': '2'}).start()",
    "another dict": "os.environ = {'LR': '2'}",
    "another mapping": "os.environ = collections.UserDict(LR='2')",
    "a chain of mappings": "os.environ = collections.ChainMap({'LR': '2'}, os.environ)",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("read", ["os.environ['LR']", "os.environ.get('LR')", "os.getenv('LR')"])
def test_each_change_is_noticed(
    read: str, change: str, load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "1")
    genuine, before = os.environ, dict(os.environ)
    f = load_module(f"import os\n@memorious\ndef f(x): return {read}").f
    assert [f(1) for _ in range(3)] == ["1"] * 3
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", genuine)  # is undone at the end
        exec(CHANGES[change], {"os": os, "collections": collections, "unittest": unittest})
        assert [f(1) for _ in range(3)] == ["2"] * 3
        if os.environ is not genuine:
            os.environ["LR"] = "3"
            assert [f(1) for _ in range(3)] == ["3"] * 3
    unittest.mock.patch.stopall()
    os.environ.clear()
    os.environ.update(before)
    assert [f(1) for _ in range(3)] == ["1"] * 3
    assert misses(f) in (2, 3)


def test_replaced_mapping_gives_the_same_keys(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "2")
    f = load_module("import os\n@memorious\ndef f(x): return os.environ['LR']").f
    usual = f.definition
    for mapping in ({"LR": "2"}, collections.UserDict(LR="2"), types.MappingProxyType({"LR": "2"})):
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", mapping)
            assert f.definition == usual
    assert f.definition == usual


def test_forms_of_one_variable_count_the_same(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "1")
    text = "import os\ndef f(x): return os.environ['LR'], os.getenv('LR'), 'LR' in os.environ"
    out = [line for line in tree(load_module(text).f) if "environment variable" in line]
    assert len(out) == 1


def tree(function: Any) -> list[str]:
    file = io.StringIO()
    explain_definition(function, file)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("name", ["LR", "API_TOKEN"])
def test_no_file_and_no_text_holds_a_value(
    name: str, load_module: Load, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = load_module(f"import os\n@memorious\ndef f(x): return len(os.environ.get({name!r}, ''))").f
    texts = []
    for value in ("hunter2-first", "hunter2-second", None):
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
        texts += [str(f.explain(1)), "\n".join(tree(f))]
        f(1)
        texts.append(str(f.explain(1)))
    texts += [path.read_text(errors="replace") for path in cache.rglob("*") if path.is_file()]
    assert len(list(cache.rglob("definition.json"))) == 3
    assert not any("hunter2" in text for text in texts)
    explained = [
        text for text in texts if " -> " in text and f"environment variable {name}" in text
    ]
    assert any("<digest " in text for text in explained)
    assert any("not set" in text for text in explained)


def test_explain_names_the_variable_and_both_states(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = load_module("import os\n@memorious\ndef f(x): return os.getenv('LR')").f
    f(1)
    monkeypatch.setenv("LR", "1")
    first = str(f.explain(1))
    assert "environment variable LR: not set -> <digest " in first
    f(1)
    monkeypatch.setenv("LR", "2")
    assert "environment variable LR: <digest " in str(f.explain(1))


# Names that never count


def test_documented_list_is_the_list() -> None:
    page = (Path(__file__).parents[2] / "docs/what-functions-read.md").read_text(encoding="utf-8")
    start = page.index("These names never count")
    listed = page[start : page.index("\n\n", page.index("\n\n", start) + 2)]
    assert set(listed.split("`")[1::2]) == set(MACHINE_NAMES)


@pytest.mark.parametrize("name", MACHINE_NAMES)
def test_names_of_machines_and_jobs_never_count(name: str) -> None:
    assert is_of_machine(name.replace("*", "X"))
    assert not is_of_machine(f"MY_{name}".replace("*", "X"))
    assert is_of_machine(f"{name}_OF_MINE") == (name[-1] == "*")


@NO_WARNING
def test_function_that_reads_names_of_the_machine(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    import os
    NAME = "SLURM_JOB_ID"
    @memorious
    def f(x):
        os.environ["OMP_NUM_THREADS"] = "1"
        return os.environ["HOME"], os.getenv(NAME), "CUDA_VISIBLE_DEVICES" in os.environ
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("HOME", "/a")
    f = load_module(text).f
    first = f(1)
    monkeypatch.setenv("HOME", "/b")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert f(1) == first
    assert not [line for line in tree(f) if "environment variable" in line]


# Reads of other names


WHOLE = {
    "copy": "os.environ.copy()",
    "dict": "dict(os.environ)",
    "unpacked": "{**os.environ}",
    "items": "sorted(os.environ.items())[:0]",
    "a name that is made at run time": "os.environ.get('L' + x)",
    "a local name": "os.environ.get(x)",
    "getenv of a local name": "os.getenv(x)",
    "getenv as a value": "list(map(os.getenv, ['LR']))",
    "an alias in the body": "(lambda e: e.get('LR'))(os.environ)",
    "another import": "environ.get(x)",
    "keys": "'LR' in os.environ.keys()",
    "iteration": "[name for name in os.environ][:0]",
    "default of a nested function": "(lambda e=environ: e.get('LR'))()",
    "a partial of getenv": "READ()",
    "a partial of a method": "GET()",
    "a method in a default": "helper()",
}


@pytest.mark.parametrize("form", WHOLE)
def test_other_reads_are_reported_once(
    form: str, load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"""
    import os
    from functools import partial
    from os import environ
    READ, GET = partial(os.getenv, "LR"), partial(environ.get, "LR")
    def helper(get=environ.get): return get("LR")
    @memorious
    def f(x): return {WHOLE[form]}
    """
    f = load_module(text).f
    definition = f.definition
    with pytest.warns(CacheWarning) as caught:
        for x in "abc":
            f(x)
    (warning,) = caught
    assert "environment variables whose names are not literal" in str(warning.message)
    monkeypatch.setenv("LR", "2")
    monkeypatch.setenv("OTHER", "3")
    assert f.definition == definition


@pytest.mark.parametrize(
    "body",
    [
        "os.environ['OTHER'] = '1'; del os.environ['OTHER']",
        "os.environ.update(OTHER='1'); os.environ.__delitem__('OTHER')",
        "return os.getenv.__name__",
        "os.unsetenv('OTHER')",
    ],
)
@NO_WARNING
def test_code_that_only_writes_reads_nothing(body: str, load_module: Load) -> None:
    f = load_module(f"import os\n@memorious\ndef f(x): {body}").f
    f(1)
    assert not [line for line in tree(f) if "environment" in line]


def test_declared_inputs_are_not_reported(load_module: Load) -> None:
    f = load_module("import os\n@memorious(depends_on='x')\ndef f(x): return dict(os.environ)").f
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(1)


def test_user_code_in_the_place_of_getenv_counts_by_its_code(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    f = load_module("import os\n@memorious\ndef f(x): return os.getenv('LR')").f
    usual = f.definition
    mine = load_module("def getenv(name): return 'mine'").getenv
    monkeypatch.setattr(os, "getenv", mine)
    assert f(1) == "mine"
    assert f.definition != usual


def test_own_function_named_getenv_is_a_function(load_module: Load) -> None:
    f = load_module("def getenv(name): return 'mine'\n@memorious\ndef f(x): return getenv('LR')").f
    assert not [line for line in tree(f) if "environment variable" in line]


@NO_WARNING
def test_odd_names(load_module: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    text = r"""
    import os
    @memorious
    def f(x): return os.getenv("caf\xe9"), os.getenv("a b"), os.getenv("")
    @memorious
    def g(x): return os.environ.get("\ud800", 1), os.environ.get("nul\0", 2)
    """
    module = load_module(text)
    assert module.f(1) == (None, None, None)
    monkeypatch.setenv("caf\xe9", "1")
    monkeypatch.setenv("a b", "2")
    assert module.f(1) == ("1", "2", None)
    assert module.f(1) == ("1", "2", None)
    with pytest.raises(UnicodeEncodeError):
        module.g(1)


@posix_only
def test_values_that_are_no_text(load_module: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    f = load_module("import os\n@memorious\ndef f(x): return os.environb[b'LR']").f
    for value in (b"\xff", b"\xfe", b"\xff"):
        monkeypatch.setitem(os.environb, b"LR", value)
        assert f(1) == value
    assert misses(f) == 2


# A call that changes a variable


def test_variable_that_a_call_changes_counts_as_before(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    import os
    @memorious
    def f(x):
        before = os.environ.get("LR")
        os.environ["LR"] = f"{before}+"
        return before
    """
    monkeypatch.setenv("LR", "1")
    f = load_module(text).f
    definition = f.definition
    with pytest.warns(CacheWarning, match="changes 'LR' while it runs"):
        assert f(1) == "1"
    assert os.environ["LR"] == "1+"
    assert f.definition == definition
    assert f(1) == "1"
    assert f(2) == "1+"
    assert f.definition == definition
    assert (f(1), f(2), misses(f)) == ("1", "1+", 2)
    monkeypatch.setenv("LR", "7")  # an edit
    assert f.definition != definition
    assert f(1) == "7"
    monkeypatch.setenv("LR", "1")
    assert f.definition == definition
    assert f(1) == "1"


def test_variable_that_a_call_sets_and_restores_is_unchanged(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    import os
    @memorious
    def f(x):
        before = os.environ.get("LR")
        os.environ["LR"] = "inside"
        try: return os.environ["LR"]
        finally:
            if before is None: os.environ.pop("LR")
            else: os.environ["LR"] = before
    """
    f = load_module(text).f
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [f(1), f(1), f(2)] == ["inside"] * 3
        monkeypatch.setenv("LR", "x")
        assert [f(1), f(1)] == ["inside"] * 2
    assert misses(f) == 3


def test_change_by_another_thread_during_a_call_is_an_edit(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    import os
    from threading import Event
    begun, go = Event(), Event()
    @memorious
    def f(x):
        begun.set()
        go.wait(60)
        return os.environ["LR"]
    """
    monkeypatch.setenv("LR", "1")
    module = load_module(text)
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(module.f(1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread.start()
        module.begun.wait(60)
        monkeypatch.setenv("LR", "2")
        module.go.set()
        thread.join()
        assert module.f(1) == "2"
        monkeypatch.setenv("LR", "1")
        assert module.f(1) == "1"


# Other processes

WORKERS = """
import os
@memorious
def f(x): return x, os.environ.get("LR")
class Row:
    pass
@memorious
def with_class(x):
    Row()
    return x, os.environ.get("LR")
"""


def set_variable(value: str) -> None:
    os.environ["LR"] = value


@pytest.mark.parametrize("name", ["f", "with_class"])
def test_worker_with_another_environment_stores_nothing(
    name: str, load_module: Load, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "1")
    f = getattr(load_module(WORKERS), name)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(f, 1).result() == (1, "1")
        pool.submit(set_variable, "2").result()
        with pytest.raises(DefinitionMismatch, match="environment variable LR") as caught:
            pool.submit(f, 2).result()
        assert "hunter2" not in str(caught.value)
        pool.submit(set_variable, "1").result()
        assert pool.submit(f, 2).result() == (2, "1")
        monkeypatch.setenv("LR", "3")  # the driver's own change
        with pytest.raises(DefinitionMismatch):
            pool.submit(f, 3).result()
    assert f(2) == (2, "3")
    monkeypatch.setenv("LR", "1")
    assert f(2) == (2, "1")
    assert misses(f) == 1
    assert len(list(cache.rglob("*.dill"))) == 3


def test_own_workers_have_the_environment_of_the_driver(
    load_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR", "1")
    f = load_module(WORKERS).f
    assert list(f.map([1, 2], executor=2)) == [(1, "1"), (2, "1")]
    monkeypatch.setenv("LR", "2")
    assert list(f.map([1, 2], executor=2)) == [(1, "2"), (2, "2")]


SCRIPT = """
import os, sys
from funes import memorious
@memorious
def f(x): return os.environ.get("LR")
print(f(1), f.cache_info().misses, f.definition)
"""


def test_processes_share_results_of_equal_environments(run_python: RunPython) -> None:
    one, two, again = (run_python(SCRIPT, LR=value).split() for value in ("1", "2", "1"))
    assert one[:2] == ["1", "1"]
    assert two[:2] == ["2", "1"]
    assert again == ["1", "0", one[2]]
