"""Tests that state which calls change counts with its value from before the first computed call."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, hash_definition

pytestmark = pytest.mark.usefixtures("cache")

Python = Callable[..., Any]
Run = Callable[[str], types.SimpleNamespace]


# The changed state of each row, the name in the warning, and the module.
CHANGED = {
    "default": (
        "memo",
        """
        def count(x, memo={}):
            memo[x] = len(memo)
            return memo[x]
        """,
    ),
    "keyword default": (
        "memo",
        """
        def count(x, *, memo=[]):
            memo.append(x)
            return len(memo)
        """,
    ),
    "default of a method": (
        "memo",
        """
        class A:
            def count(self, x, memo=set()):
                memo.add(x)
                return len(memo)
        def count(x): return A().count(x)
        """,
    ),
    "global": (
        "calls",
        """
        calls = 0
        def count(x):
            global calls
            calls += 1
            return calls
        """,
    ),
    "global that is set first by a call": (
        "model",
        """
        model = None
        def count(x):
            global model
            if model is None: model = {"n": 0}
            model["n"] += 1
            return model["n"]
        """,
    ),
    "global dict": ("seen", "seen = {}\ndef count(x):\n seen[x] = len(seen)\n return seen[x]"),
    "global list": ("seen", "seen = []\ndef count(x):\n seen.append(x)\n return len(seen)"),
    "list that no statement shows to change": (
        "TABLE",
        "TABLE = []\ndef add(table, x): table.append(x)\n"
        "def count(x):\n add(TABLE, x)\n return len(TABLE)",
    ),
    "captured variable": (
        "calls",
        """
        def make():
            calls = 0
            def count(x):
                nonlocal calls
                calls += 1
                return calls
            return count
        count = make()
        """,
    ),
    "attribute of a class, by its name": (
        "n",
        "class A:\n n = 0\ndef count(x):\n A.n += 1\n return A.n",
    ),
    "attribute of a class, by its type": (
        "n",
        """
        class A:
            n = 0
            def __init__(self): type(self).n += 1
        def count(x): return A().n
        """,
    ),
    "attribute of a class, by cls": (
        "n",
        """
        class A:
            n = 0
            @classmethod
            def up(cls):
                cls.n += 1
                return cls.n
        def count(x): return A.up()
        """,
    ),
    "attribute of a class, by __class__": (
        "n",
        """
        class A:
            n = 0
            def up(self):
                self.__class__.n += 1
                return self.n
        def count(x): return A().up()
        """,
    ),
    "table of a class": (
        "seen",
        "class A:\n seen = {}\ndef count(x):\n A.seen[x] = len(A.seen)\n return A.seen[x]",
    ),
    "singleton": (
        "_instance",
        """
        class Settings:
            _instance = None
            def __init__(self): self.calls = 0
            @classmethod
            def get(cls):
                if cls._instance is None: cls._instance = cls()
                return cls._instance
        def count(x):
            settings = Settings.get()
            settings.calls += 1
            return settings.calls
        """,
    ),
    "instance": (
        "counter",
        """
        class Counter:
            def __init__(self): self.n = 0
            def up(self):
                self.n += 1
                return self.n
        counter = Counter()
        def count(x): return counter.up()
        """,
    ),
    "instance whose class leads back to it": (
        "counter",
        """
        class Counter:
            def __init__(self): self.seen = [self]
            def up(self):
                counter.seen.append(1)
                return len(self.seen)
        counter = Counter()
        def count(x): return counter.up()
        """,
    ),
    "attribute of a namespace": (
        "n",
        """
        import types
        state = types.SimpleNamespace(n=0)
        def count(x):
            state.n += 1
            return state.n
        """,
    ),
    "attribute of a function": ("n", "def count(x):\n count.n += 1\n return count.n\ncount.n = 0"),
    "attribute of a function that had none": (
        "n",
        "def count(x):\n count.n = getattr(count, 'n', START) + 1\n return count.n\nSTART = 0",
    ),
    "table of a function": (
        "seen",
        "def count(x):\n count.seen[x] = 1\n return len(count.seen)\ncount.seen = {}",
    ),
    "attribute of a partial": (
        "n",
        """
        import functools
        def add(x):
            part.n += 1
            return part.n
        part = functools.partial(add)
        part.n = 0
        def count(x): return part(x)
        """,
    ),
    "attribute of a property": (
        "n",
        """
        class Counting(property):
            def __get__(self, instance, cls=None):
                self.n += 1
                return self.n
        class A:
            value = Counting()
            value.n = 0
        def count(x): return A().value
        """,
    ),
    "module with a class of its own": (
        "n",
        """
        import sys, types
        class Module(types.ModuleType): pass
        this = sys.modules[__name__]
        this.__class__ = Module
        n = 0
        def count(x):
            this.n += 1
            return this.n
        """,
    ),
}
CHANGED.update(
    {
        "attribute of a member of an enumeration": (
            "calls",
            """
            import enum
            class A(enum.Enum):
                ONE = 1
                def __init__(self, value): self.calls = 0
            def count(x):
                A.ONE.calls += 1
                return A.ONE.calls
            """,
        ),
        "keyword default that is set": (
            "n",
            """
            def count(x, *, n=0):
                count.__kwdefaults__["n"] = n + 1
                return n + 1
            """,
        ),
    }
)
SCRIPT = """
import importlib, json, sys, warnings
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        results = [module.f(x) for x in (1, 2, 3, 1, 2, 3)]
    definitions = {module.f.key(x).definition for x in (1, 2, 3)}
    said = [str(warning.message).partition(" while")[0] for warning in said]
    print(json.dumps([results, sorted(definitions), module.f.cache_info().misses, said]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Returns the results of each case in three processes, one after the other."""
    folder = tmp_path_factory.mktemp("state")
    names = [f"case_{number}" for number in range(len(CHANGED))]
    for name, (_, text) in zip(names, CHANGED.values(), strict=True):
        decorated = f"@memorious(cache_dir={name!r})\ndef f(x): return count(x)\n"
        text = f"from funes import memorious\n{textwrap.dedent(text)}\n{decorated}"
        (folder / f"{name}.py").write_text(text)
    (folder / "run.py").write_text(SCRIPT)
    command = [sys.executable, "run.py", *names]
    runs = [
        subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    told = zip(*([json.loads(line) for line in run.splitlines()] for run in runs), strict=True)
    return dict(zip(CHANGED, map(list, told), strict=True))


@pytest.mark.parametrize("case", CHANGED)
@pytest.mark.slow
def test_three_processes_use_the_same_keys(case: str, outcomes: dict[str, list[Any]]) -> None:
    (results, definitions, misses, said), *later = outcomes[case]
    assert misses == 3
    assert results[:3] == results[3:]
    assert len(definitions) == 1
    assert said == [f"f: it changes {CHANGED[case][0]!r}"]
    assert later == 2 * [[results, definitions, 0, []]]


@pytest.mark.parametrize("case", CHANGED)
def test_other_initial_state_changes_definition(case: str, load_module: Run) -> None:
    _, text = CHANGED[case]
    edits = [("= 0", "= 9"), ("={}", "={9: 9}"), ("= {}", "= {9: 9}"), ("=[]", "=[9]")]
    edits += [("= []", "= [9]"), ("n=0", "n=9"), ("Random(5)", "Random(6)"), ("=set()", "={9}")]
    edits += [("= None", "= 9"), ("[self]", "[self, 9]")]
    edited = next(text.replace(*edit) for edit in edits if edit[0] in text)
    one, two = load_module(text), load_module(edited)
    assert hash_definition(one.count) != hash_definition(two.count)


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
@pytest.mark.parametrize(
    ("text", "edit"),
    [
        (CHANGED["global"][1], "calls = 100"),
        (CHANGED["global dict"][1], "seen['other'] = 100"),
        (CHANGED["global list"][1], "seen.append(100)"),
        (CHANGED["default"][1], "count.__defaults__[0]['other'] = 100"),
        (CHANGED["attribute of a class, by cls"][1], "A.n = 100"),
        (CHANGED["attribute of a class, by its type"][1], "A.n = 100"),
        (CHANGED["singleton"][1], "Settings._instance.calls = 100"),
        (CHANGED["global that is set first by a call"][1], "model['n'] = 100"),
        (CHANGED["captured variable"][1], "count.__closure__[0].cell_contents = 100"),
        (CHANGED["instance"][1], "counter.n = 100"),
        (CHANGED["attribute of a namespace"][1], "state.n = 100"),
    ],
)
def test_change_outside_of_calls_is_an_edit(text: str, edit: str, load_module: Run) -> None:
    module: Any = load_module(f"{textwrap.dedent(text)}\n@memorious\ndef f(x): return count(x)")
    first = module.f(1)
    before = module.f.definition
    assert module.f(2) != first or "seen[x]" in text
    exec(edit, vars(module))
    assert module.f.definition != before
    assert module.f(1) != first
    after = module.f.definition
    module.f(2)
    assert module.f.definition == after != before


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_code_edit_is_detected_beside_changed_state(load_module: Run) -> None:
    module: Any = load_module("""
        seen = []
        class Counter: n = 0
        counter = Counter()
        def helper(x): return x
        @memorious
        def f(x):
            seen.append(counter)
            counter.n += 1
            return helper(x), type(counter).n
    """)
    first = module.f.definition
    assert module.f(1) == (1, 0)
    assert module.f.definition == first
    module.helper = lambda x: -x
    assert module.f(1) == (-1, 0)
    module.Counter.n = 7
    assert module.f(1) == (-1, 7)


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_functions_with_shared_state_have_stable_keys(load_module: Run) -> None:
    text = """
        seen = {}
        class State: n = 0
        def note(x):
            seen[x] = x
            State.n += 1
            return len(seen)
        @memorious
        def f(x): return note(x)
        @memorious
        def g(x): return note(-x)
        @memorious
        def h(x): return [seen], State.n
        """
    untouched, used = load_module(text), load_module(text)
    wanted = [untouched.f.definition, untouched.g.definition, untouched.h.definition]
    used.g.definition  # noqa: B018
    used.f(1), used.f(2)
    assert [used.f.definition, used.g.definition] == wanted[:2]
    used.g(1)
    assert [used.f.definition, used.g.definition] == wanted[:2]
    # It only reads the state, so the current values count.
    assert used.h.definition != wanted[2]
    assert used.h(1) == ([{1: 1, 2: 2, -1: -1}], 3)
    used.f(3)
    assert used.h(1) == ([{1: 1, 2: 2, -1: -1, 3: 3}], 4)
    used.seen.clear()
    used.State.n = 0
    assert used.h.definition == wanted[2]


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_nested_call_that_reads_the_state_of_its_caller_uses_current_values(
    load_module: Run,
) -> None:
    text = """
        calls, seen = 0, []
        @memorious
        def g(x): return x, calls, len(seen)
        @memorious
        def f(x):
            global calls
            calls += 1
            seen.append(x)
            if x == 0: return []
            return [g(x), *f(x - 1)]
        """
    untouched, used = load_module(text), load_module(text)
    assert used.f(3) == [(3, 1, 1), (2, 2, 2), (1, 3, 3)]
    assert used.f.cache_info().misses == 4
    assert used.f.definition == untouched.f.definition
    assert used.g(3) == (3, 4, 4)
    untouched.calls, untouched.seen[:] = 2, [3, 2]
    assert untouched.g.is_cached(2)
    assert untouched.g(2) == (2, 2, 2)


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_attributes_that_calls_set_on_memos_count_as_before(load_module: Run) -> None:
    module: Any = load_module("""
        @memorious
        def f(x):
            f.calls += 1
            f.seen.append(x)
            f.last = x
            return x
        f.calls = 0
        f.seen = []
        @memorious
        def g(x): return f(x)
        """)
    before = module.f.definition, module.g.definition
    for x in range(3):
        assert module.g(x) == x
        assert (module.f.definition, module.g.definition) == before
    assert (module.f.calls, module.f.seen, module.f.last) == (3, [0, 1, 2], 2)
    module.f.calls = 10
    assert module.f.definition != before[0]
    assert module.g.definition != before[1]


def test_state_changed_by_raising_call_counts_as_before(load_module: Run) -> None:
    module: Any = load_module("""
        calls = 0
        @memorious
        def f(x):
            global calls
            calls += 1
            return 1 / x + calls
        """)
    before = module.f.definition
    with pytest.raises(ZeroDivisionError):
        module.f(0)
    assert module.f.definition == before


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_changed_class_of_argument_counts_as_before(load_module: Run) -> None:
    module: Any = load_module("""
        class Node:
            count = 0
            def __init__(self, v): self.v = v
            def up(self):
                type(self).count += 1
                return self.v
            @memorious
            def method(self, x):
                self.__class__.count += 1
                return x
        def make():
            class Local:
                seen = []
                def up(self): self.seen.append(1)
            return Local
        Local = make()
        @memorious
        def f(node): return node.up()
        """)
    nodes = [module.Node(1), module.Node(2)]
    before = [module.f.key(node) for node in nodes], nodes[0].method.key(1)
    module.f(nodes[0], global_seed=1)
    module.f(nodes[0])
    nodes[0].method(1)
    module.f(nodes[1])
    assert ([module.f.key(node) for node in nodes], nodes[0].method.key(1)) == before
    module.Node.count = 10
    assert module.f.key(nodes[0]) != before[0][0]


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_state_changed_by_seeded_and_async_calls_counts_as_before(load_module: Run) -> None:
    module: Any = load_module("""
        seen = []
        @memorious
        def f(x):
            seen.append(x)
            return len(seen)
        @memorious
        async def g(x):
            seen.append(x)
            return len(seen)
        """)
    before = module.f.definition, module.g.definition
    assert module.f(1, global_seed=1) == 1
    assert asyncio.run(module.g(1)) == 2
    assert (module.f.definition, module.g.definition) == before


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_threads_that_change_state_share_a_definition(load_module: Run) -> None:
    module: Any = load_module("""
        import threading
        both = threading.Barrier(4)
        def note(x, memo={}):
            memo[x] = len(memo)
            return x
        @memorious
        def f(x):
            note(x)
            both.wait(10)
            return note(-x)
        """)
    before = module.f.definition
    for start in (1, 5):
        threads = [threading.Thread(target=module.f, args=(start + i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert module.f.definition == before
    assert all(module.f.is_cached(x) for x in range(1, 9))


@pytest.mark.filterwarnings("ignore:.*changed while it ran")
@pytest.mark.parametrize(
    "edit", ["RATE = 2", "helper = lambda: 2", "TABLE['rate'] = 2", "Config.rate = 2"]
)
def test_edit_during_call_of_another_thread_is_detected(edit: str, load_module: Run) -> None:
    module: Any = load_module("""
        import threading
        RATE, TABLE = 1, {'rate': 1}
        class Config: rate = 1
        def helper(): return 1
        begun, go_on = threading.Event(), threading.Event()
        def pause():
            begun.set()
            go_on.wait(10)
        def value(): return RATE, TABLE['rate'], Config.rate, helper()
        @memorious
        def f(x):
            if x == 0: pause()
            return value()
        """)
    module.pause.__globals__["begun"], module.pause.__globals__["go_on"] = (
        threading.Event(),
        threading.Event(),
    )
    before = module.f.definition
    thread = threading.Thread(target=module.f, args=(0,))
    thread.start()
    assert module.begun.wait(10)
    exec(edit, vars(module))
    assert module.f(1) == module.value()
    module.go_on.set()
    thread.join()
    assert module.f.definition != before
    assert module.f(2) == module.value()


def test_unreached_code_does_not_hide_edits(load_module: Run) -> None:
    module: Any = load_module("""
        class Config:
            lr = 2
            @staticmethod
            def configure(lr): Config.lr = lr
        class Registry:
            items = {}
            @staticmethod
            def add(fn):
                Registry.items[fn.__name__] = fn
                return fn
        @Registry.add
        def step(x): return x
        @memorious
        def f(x): return Registry.items["step"](x) * Config.lr
        """)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module.f(1) == 2
        module.Config.lr = 3
        assert module.f(1) == 3
        module.step.__code__ = (lambda x: x + 10).__code__
        assert module.f(1) == 33


def test_statement_with_same_attribute_name_does_not_hide_edit(load_module: Run) -> None:
    module: Any = load_module("""
        n = 0
        def bump():
            global n
            n += 1
        def make(n):
            def inner(x): return n + x
            return inner
        class cfg: lr = 1
        def unused():
            import cfg
            cfg.lr = 5
        one, two = make(1), make(2)
        @memorious
        def f(x): return one(x), cfg.lr, unused
        @memorious
        def g(x): return two(x), cfg.lr, bump
        """)
    assert module.f(1)[0], module.g(1)[0] == (2, 3)
    assert hash_definition(module.one) != hash_definition(module.two)
    module.cfg.lr = 2
    assert module.f(1)[1] == 2


def test_fork_keeps_recorded_changes(load_module: Run) -> None:
    import os

    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    module: Any = load_module(
        "calls = 0\n@memorious\ndef f(x):\n global calls\n calls += 1\n return calls"
    )
    before = module.f.definition
    with pytest.warns(CacheWarning, match="'calls'"):
        module.f(1)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        module.f(2)
        os.write(writer, module.f.definition.encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 100).decode() == before
    os.close(reader)
    os.close(writer)


# Objects that cannot be hashed


@pytest.mark.parametrize(
    "make",
    [
        "np.frompyfunc(lambda x: x * {}, 1, 1)",
        "(x * {} for x in [1])",
        "iter([{}].__iter__, None)",
        "socket.socket() or {}",
    ],
)
def test_replacement_of_unhashable_global_is_detected(make: str, load_module: Run) -> None:
    text = (
        "import socket\nimport numpy as np\nstep = {}\n@memorious\ndef f(x): return x, step is None"
    )
    module: Any = load_module(text.format(make.format(1)))
    with pytest.warns(CacheWarning, match="global step"):
        first = module.f.definition
    old = module.step
    exec(f"step = {make.format(2)}", vars(module))
    second = module.f.definition
    assert second != first
    assert module.f.definition == second
    new, module.step = module.step, old
    assert module.f.definition == first
    with pytest.warns(CacheWarning, match="global step"):
        another = load_module(text.format(make.format(3)))
        assert another.f.definition == first
    for step in (old, new, another.step):
        if hasattr(step, "close"):
            step.close()


# Definitions that change each time


def test_warning_names_value_that_differs_in_each_process(tmp_path: Path, python: Python) -> None:
    (tmp_path / "main.py").write_text(
        textwrap.dedent("""
        import time, sys
        from funes import memorious
        N = int(sys.argv[1])
        def g(t=time.time()): return 0
        @memorious
        def f(x): return g() + x
        @memorious
        def steady(x): return N + x
        f(1), steady(1)
        """)
    )
    said = [python("main.py", number).stderr for number in "1233"]
    assert said[0] == said[1] == ""
    assert "default t" in said[2]
    assert "'N'" in said[2]  # the third time in a row
    assert "default t" in said[3]
    assert "'N'" not in said[3]


def test_warning_names_value_that_session_keeps_changing(load_module: Run) -> None:
    module: Any = load_module("""
        metrics = [0]
        @memorious
        def f(x): return x, metrics[0]
        def make(n):
            @memorious
            def g(x): return x * n
            return g
        """)
    for n in range(5):
        module.make(n)(1)  # several functions of one factory
    module.f(1)
    module.metrics[0] = 1
    module.f(1)
    module.metrics[0] = 2
    with pytest.warns(CacheWarning, match="third time in a row, only because of 'metrics'"):
        module.f(1)
    module.metrics[0] = 3
    module.f(1)


def test_no_unstable_warning_if_results_are_found(tmp_path: Path, python: Python) -> None:
    (tmp_path / "main.py").write_text(
        textwrap.dedent("""
        import sys
        from funes import memorious
        N = 0
        @memorious
        def f(x): return N + x
        for number in sys.argv[1:]:
            N = int(number)
            assert f(1) == N + 1
        """)
    )

    def said(*numbers: str) -> str:
        return str(python("main.py", *numbers).stderr)

    assert said("1", "2") == ""
    # The results of both definitions are found before the next one.
    assert said("1", "2", "3") == said("4", "1", "5", "2", "6") == ""
    assert "third time in a row" in said("7", "8")


def test_no_unstable_warning_if_another_process_finds_results(
    tmp_path: Path, python: Python
) -> None:
    (tmp_path / "main.py").write_text(
        textwrap.dedent("""
        import sys
        from funes import memorious
        N = int(sys.argv[1])
        @memorious
        def f(x): return N + x
        f(1)
        """)
    )
    said = [python("main.py", number).stderr for number in ("1", "2", "1", "3", "4")]
    assert said[:4] == [""] * 4
    assert "third time in a row" in said[4]


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
@pytest.mark.parametrize(
    "text",
    [
        "model = {'n': 0}\ndef count(x):\n model['n'] += 1\n return model['n']",
        "model = {'a': {'n': 0}}\ndef count(x):\n model['a']['n'] += 1\n return model['a']['n']",
        "n = 0\ndef count(x):\n global n\n n += 1\n return n",
        "class A: n = 0\ndef count(x):\n A.n += 1\n return A.n",
    ],
)
def test_statement_attributes_change_to_call_beside_threads(text: str, load_module: Run) -> None:
    module: Any = load_module(f"{text}\n@memorious\ndef f(x): return count(x)")
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        before = module.f.definition
        results = [module.f(x) for x in (1, 2, 3, 1, 2, 3)]
        assert results == [1, 2, 3, 1, 2, 3]
        assert module.f.definition == before
    finally:
        over.set()
        thread.join()


PATCHES = {
    "accessor": "register('geo')(Geo)",
    "object": "pd.DataFrame.geo = Kept(Geo)",
    "two objects": "pd.DataFrame.geo = Kept(Geo)\n    pd.Series.geo = Kept(Geo)",
    "own class": "Own.geo = Kept(Geo)\n    pd.DataFrame.geo = Kept(Own)",
}


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.slow
def test_definition_ends_if_a_call_sets_code_on_the_class_that_the_code_uses(
    patch: str, run_python: Callable[[str], str]
) -> None:
    """The code that a call leaves on a class leads back to the class: comparing it once more would never end."""
    script = f"""
import pandas as pd
from funes import memorious
from pandas.api.extensions import register_dataframe_accessor as register

class Own:
    geo = None

class Kept:
    def __init__(self, accessor):
        self.accessor = accessor
    def __get__(self, owner, cls):
        return self.accessor if owner is None else self.accessor(owner)

@memorious
def patches(x):
    class Geo:
        def __init__(self, owner):
            self.owner = owner
        @property
        def center(self):
            return self.owner.shape
        def plot(self):
            return self.center
    {PATCHES[patch]}
    return pd.DataFrame({{"a": [x]}}).shape

@memorious
def other(x):
    return pd.DataFrame({{"a": [x]}}).size

print([function(x) for x in (1, 2, 1) for function in (patches, other)])
"""
    assert run_python(script) == "[(1, 1), 1, (1, 1), 1, (1, 1), 1]\n"


#: State that one function changes and another one reads: how it is read, and how it is set to a number.
STATES = {
    "global": ("G", "global G; G = n"),
    "global, by a helper": ("G", "set_global(n)"),
    "class attribute": ("Config.n", "Config.n = n"),
    "class attribute, by setattr": ("Config.n", "setattr(Config, 'n', n)"),
    "item of a dict": ("TABLE['n']", "TABLE['n'] = n"),
    "list": ("LIST[0]", "LIST[:] = [n]"),
    "instance": ("OBJECT.n", "vars(OBJECT)['n'] = n"),
    "environment": ("int(os.environ['NUMBER'])", "os.environ['NUMBER'] = str(n)"),
    "attribute of a function": ("helper.n", "helper.n = n"),
}
READER = """
    import asyncio, os
    from concurrent.futures import ThreadPoolExecutor
    G, TABLE, LIST = 0, {{"n": 0}}, [0]
    os.environ["NUMBER"] = "0"
    class Config: n = 0
    OBJECT = Config()
    OBJECT.n = 0
    def helper(): pass
    helper.n = 0
    def set_global(n):
        global G
        G = n
    @memorious
    def reads(x): return {0} + x
    @memorious
    async def reads_later(x): return {0} + x
    def sets(n):
        {1}
    @memorious
    def in_turn(x):
        found = []
        for n in (1, 2, 1, 3):
            sets(n)
            found.append(reads(x))
        return found
    @memorious
    def restores(x):
        sets(5)
        try:
            return reads(x)
        finally:
            sets(0)
    @memorious
    async def later(x):
        sets(7)
        return await reads_later(x)
    @memorious
    def in_thread(x):
        sets(8)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(reads, x).result()
    """


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
@pytest.mark.parametrize("state", STATES)
def test_function_that_reads_state_of_other_calls_uses_its_current_value(
    state: str, load_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBER", "0")
    module: Any = load_module(READER.format(*STATES[state]))
    assert module.reads(10) == 10
    assert module.in_turn(10) == [11, 12, 11, 13]
    assert module.reads(10) == 13
    assert module.in_turn(20) == [21, 22, 21, 23]
    assert module.restores(10) == 15
    assert module.reads(10) == 10
    assert module.restores(20) == 25
    assert module.reads(20) == 20
    assert asyncio.run(module.later(10)) == 17
    assert module.in_thread(30) == 38
    module.sets(0)
    # What a call left behind is no longer there if other values came in between.
    module.sets(5)
    assert module.reads(40) == 45
    module.sets(8)
    assert module.reads(40) == 48
    module.sets(0)
    # In another process, which has the same code.
    other: Any = load_module(READER.format(*STATES[state]))
    other.sets(0)
    assert [other.reads(x) for x in (10, 20, 30, 40)] == [10, 20, 30, 40]
    assert asyncio.run(other.reads_later(10)) == 10
