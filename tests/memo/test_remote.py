"""A memorious function in another process: the same folder and key, whatever the working directory there."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import dill
import joblib
import pytest

from funes import DefinitionMismatch, memorious
from funes.types import Memo

pytestmark = pytest.mark.usefixtures("cache")

PICKLERS = [pickle, dill, cloudpickle]


@memorious
def double(x: int) -> int:
    return x * 2


class Uses:
    BASE = 5

    @memorious
    def value(self, x: int) -> int:
        return Uses.BASE + x


class Model:
    @memorious
    def scale(self, x: int) -> int:
        return x * 3

    @memorious
    @classmethod
    def name(cls, x: int) -> str:
        return f"{cls.__name__} {x}"


@pytest.mark.parametrize("pickler", PICKLERS)
def test_round_trip_in_one_process_gives_the_same_object(pickler: Any) -> None:
    assert pickler.loads(pickler.dumps(double)) is double
    assert pickler.loads(pickler.dumps(Model.scale)) is Model.scale
    bound = pickler.loads(pickler.dumps(Model().scale))
    assert bound(2) == 6
    assert pickler.loads(pickler.dumps(Model.name))(1) == "Model 1"


def make(weight: int) -> Memo[[int], int]:
    @memorious
    def scale(x: int) -> int:
        return x if x <= 0 else weight + scale(x - 1)

    return scale


@pytest.mark.parametrize("pickler", PICKLERS)
def test_local_function_is_pickled_by_value(pickler: Any) -> None:
    scale = make(5)
    copy = pickler.loads(pickler.dumps(scale))
    assert copy is not scale
    assert copy(3) == scale(3) == 15
    assert copy.key(3) == scale.key(3)
    again = pickler.loads(pickler.dumps(copy))
    assert again(3) == 15


def test_missing_method_raises_at_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class_method = pickle.dumps(Uses.value)
    monkeypatch.delattr(Uses, "value")
    opened = pickle.loads(class_method)
    with pytest.raises(
        DefinitionMismatch, match=r"(?s)no memorious function Uses\.value .*class of yours"
    ) as caught:
        opened(1)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is DefinitionMismatch
    assert str(again) == str(caught.value)
    with pytest.raises(DefinitionMismatch):
        opened.key(1)
    assert pickle.dumps(opened) == class_method


def test_missing_function_runs_as_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, key = pickle.dumps(double), double.key(4)
    monkeypatch.delattr(sys.modules[__name__], "double")
    opened = pickle.loads(sent)
    assert opened(4) == 8
    assert opened.key(4) == key


HOME = """
import json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
{imports}

{function}

def go(initial):
    os.chdir(initial)

if __name__ == "__main__":
    elsewhere = str(Path("elsewhere").resolve())
    os.makedirs(elsewhere, exist_ok=True)
    {run}
    assert results == [20, 22, 24], results
    assert all(f.is_cached(x) for x in (10, 11, 12))
    assert os.listdir(elsewhere) == [], os.listdir(elsewhere)
    print(len(list(Path("cache").rglob("*.dill"))), "entries")
"""

FUNCTION = """
FACTOR = 2

def helper(x):
    return x * FACTOR

@memorious
def f(x):
    return helper(x)
"""

RUNS = {
    **{
        method: f"""
    context = multiprocessing.get_context("{method}")
    with context.Pool(2, go, (elsewhere,)) as pool:
        results = pool.map(f, [10, 11, 12])
"""
        for method in ("spawn", "fork", "forkserver")
    },
    "futures": """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context, go, (elsewhere,)) as pool:
        results = list(pool.map(f, [10, 11, 12]))
""",
    "loky": """
    from joblib.externals.loky import get_reusable_executor
    executor = get_reusable_executor(2, initializer=go, initargs=(elsewhere,))
    results = list(executor.map(f, [10, 11, 12]))
    executor.shutdown()
""",
}

WORKERS = [
    pytest.param(
        name,
        run,
        marks=pytest.mark.skipif(
            sys.platform == "win32" and "fork" in name, reason="Windows cannot fork"
        ),
    )
    for name, run in RUNS.items()
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "run"), WORKERS)
@pytest.mark.parametrize("where", ["main", "module"])
def test_workers_in_another_folder_use_the_same_cache_folder(
    name: str, run: str, where: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    imports, function = "from funes import memorious", FUNCTION
    if where == "module":
        (tmp_path / "mine.py").write_text(f"{imports}\n{FUNCTION}")
        imports, function = "from mine import f", ""
    script = HOME.format(
        imports=imports, function=function, run=textwrap.dedent(run).strip().replace("\n", "\n    ")
    )
    printed = run_python(script, FUNES_CACHE_DIR=None, PYTHONPATH=str(tmp_path))
    assert printed.split() == ["3", "entries"]


def test_code_by_value_keeps_the_definition_of_the_sender(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    run_python(
        """
import dill
from funes import memorious
WEIGHTS = {"a": 1}
def helper(x):
    return x + WEIGHTS["a"]
@memorious
def f(x):
    return helper(x)
f(1)
with open("f.dill", "wb") as file:
    dill.dump(f, file)
with open("key", "w") as file:
    file.write(f.key(2).arguments + f.key(2).definition)
""",
        FUNES_CACHE_DIR=None,
    )
    printed = run_python(
        f"""
import dill, os
os.makedirs("there")
os.chdir("there")
with open({str(tmp_path / "f.dill")!r}, "rb") as file:
    f = dill.load(file)
print(f.is_cached(1), f(2))
key = f.key(2)
print(key.arguments + key.definition == open({str(tmp_path / "key")!r}).read())
""",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["True", "3", "True"]


#: The text of a module when a function of it is sent, and when the worker imports it.
EDITS = {
    "its own code": ("def f(x):\n    return x + 1\n", "def f(x):\n    return x + 1000\n"),
    "a constant": (
        "K = 1\ndef f(x):\n    return x + K\n",
        "K = 1000\ndef f(x):\n    return x + K\n",
    ),
    "a helper": (
        "def h(x):\n    return x + 1\ndef f(x):\n    return h(x)\n",
        "def h(x):\n    return x + 1000\ndef f(x):\n    return h(x)\n",
    ),
    "a helper's module": (
        "import other\ndef f(x):\n    return other.deep.add(x)\n",
        "import other\nother.deep.N = 1000\ndef f(x):\n    return other.deep.add(x)\n",
    ),
    "a default": ("def f(x, y=1):\n    return x + y\n", "def f(x, y=1000):\n    return x + y\n"),
    "a global that it assigns": (
        "n = 1\ndef f(x):\n    global n\n    old, n = n, n + 0\n    return x + old\n",
        "n = 1\ndef f(x):\n    global n\n    old, n = n, n + 0\n    return x + old + 999\n",
    ),
    "a memorious helper": (
        "@memorious\ndef h(x):\n    return x + 1\ndef f(x):\n    return h(x)\n",
        "@memorious\ndef h(x):\n    return x + 1000\ndef f(x):\n    return h(x)\n",
    ),
    "an inner import": (
        "def f(x):\n    import other.deep\n    return other.deep.add(x)\n",
        "import other.deep\nother.deep.N = 1000\ndef f(x):\n    import other.deep\n    return other.deep.add(x)\n",
    ),
    "a class": (
        "class C:\n    k = 1\ndef f(x):\n    return x + C.k\n",
        "class C:\n    k = 1000\ndef f(x):\n    return x + C.k\n",
    ),
    "an instance": (
        "class C:\n    pass\nc = C()\nc.k = 1\ndef f(x):\n    return x + c.k\n",
        "class C:\n    pass\nc = C()\nc.k = 1000\ndef f(x):\n    return x + c.k\n",
    ),
    "a function that reads its annotations": (
        "def h(x: int): pass\ndef f(x):\n    return x + (h.__annotations__['x'] is int)\n",
        "def h(x: str): pass\ndef f(x):\n    return x + 1000 - (h.__annotations__['x'] is int)\n",
    ),
    "a recursion": (
        "def f(x):\n    return 2 if x <= 0 else f(x - 1)\n",
        "def f(x):\n    return 1001 if x <= 0 else f(x - 1)\n",
    ),
}

#: Cases in which the submitted code cannot run: there would be two versions of a class, or an
#: import within the function would find the worker's file.
REFUSED = ("a class", "an instance", "an inner import")


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("direction", ["newer", "older"])
def test_worker_with_other_code_runs_submitted_code_or_raises(
    edit: str, direction: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    before, after = EDITS[edit][:: 1 if direction == "newer" else -1]
    module = tmp_path / "mine.py"
    other = tmp_path / "other"
    other.mkdir()
    (other / "__init__.py").write_text("from . import deep\n")
    (other / "deep.py").write_text("N = 1\ndef add(x):\n    return x + N\n")

    def run(script: str) -> str:
        return run_python(script, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")

    def write(text: str) -> None:
        module.write_text(f"from funes import memorious\n{text}f = memorious(f)\n")

    right, wrong = ("2", "1001") if direction == "newer" else ("1001", "2")
    write(before)
    run("import pickle, mine\npickle.dump(mine.f, open('f.pickle', 'wb'))")
    write(after)
    printed = run(
        """
import mine, pickle
from funes import DefinitionMismatch
f = pickle.load(open("f.pickle", "rb"))
for _ in range(2):
    try:
        print(f(1))
    except DefinitionMismatch as error:
        assert ".py; here: " in str(error), error
        print("refused")
print(mine.f(1))
"""
    )
    expected = "refused" if edit in REFUSED else right
    assert printed.split() == [expected, expected, wrong]
    write(before)
    assert run("import mine; print(mine.f.is_cached(1), mine.f(1))").split() == [
        str(edit not in REFUSED),
        right,
    ]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_arguments_with_classes_of_the_worker_are_refused_by_submitted_code(
    kind: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    module = tmp_path / "mine.py"
    text = (
        "from funes import memorious\nclass C:\n    def value(self):\n        return {0}\n"
        "@memorious\nKIND f(c):\n    return c.value() if isinstance(c, (int,)) is False else c + {0}\n"
    )
    text = text.replace("KIND", kind)
    paths = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    module.write_text(text.format(1))
    run_python(
        "import pickle, mine; pickle.dump((mine.f, mine.C()), open('f.pickle', 'wb'))", **paths
    )
    module.write_text(text.format(1000))
    printed = run_python(
        """
import asyncio, pickle
from funes import DefinitionMismatch
f, c = pickle.load(open("f.pickle", "rb"))
for call in (f, f.key, f.is_cached):
    try:
        result = call(c)
        print(asyncio.run(result) if asyncio.iscoroutine(result) else result)
    except DefinitionMismatch as error:
        assert "The arguments contain" in str(error)
        print("refused")
""",
        **paths,
    )
    assert printed.split() == ["refused"] * 3
    assert not list(tmp_path.rglob("*.dill"))


def test_mismatch_names_file_changed_after_submission(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    data = tmp_path / "data.txt"
    data.write_text("1")
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\nfrom funes import memorious\n"
        f"DATA = Path({str(data)!r})\n"
        "@memorious(depends_on=DATA)\ndef f(x):\n    return x + int(DATA.read_text())\n"
    )
    run_python(
        "import pickle, mine; pickle.dump(mine.f, open('f.pickle', 'wb'))", PYTHONPATH=str(tmp_path)
    )
    call = """
import pickle
f = pickle.load(open("f.pickle", "rb"))
try:
    print(f(1))
except Exception as error:
    print(type(error).__name__, "data.txt" in str(error))
"""
    data.write_text("1000")
    assert run_python(call, PYTHONPATH=str(tmp_path)).split() == ["DefinitionMismatch", "True"]
    data.write_text("1")
    assert run_python(call, PYTHONPATH=str(tmp_path)).split() == ["2"]


def test_an_edit_in_the_worker_is_noticed_at_the_next_task(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from funes import memorious\nK = 1\n@memorious\ndef f(x):\n    return x * K\n"
    )
    printed = run_python(
        """
import pickle, mine
sent = pickle.dumps(mine.f)
assert pickle.loads(sent) is mine.f
for mine.K in (1, 2, 3, 1):
    print(mine.f(1), pickle.loads(sent)(1), pickle.loads(sent) is pickle.loads(sent))
""",
        PYTHONPATH=str(tmp_path),
    )
    assert printed.splitlines() == ["1 1 True", "2 1 True", "3 1 True", "1 1 True"]


def test_code_by_value_of_another_python_version_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = pickle.dumps(make(5))
    monkeypatch.setattr(sys, "version_info", (3, 99, *sys.version_info[2:]))
    opened = pickle.loads(sent)
    monkeypatch.undo()
    here = ".".join(map(str, sys.version_info[:2]))
    with pytest.raises(
        DefinitionMismatch, match=rf"sent by Python {here}, and this is Python 3\.99"
    ):
        opened(1)


def test_equal_functions_give_equal_bytes() -> None:
    for function in (double, make(5), Model.scale):
        assert pickle.dumps(function) == pickle.dumps(function)
        assert joblib.hash(function) == joblib.hash(function)
    assert joblib.hash(make(5)) == joblib.hash(make(5)) != joblib.hash(make(6))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_memo_survives_all_pickle_protocols_and_copy(protocol: int) -> None:
    for thing in (double, Model.scale, Model().scale, Model.name, functools.partial(double, 4)):
        opened = pickle.loads(pickle.dumps(thing, protocol))
        for copied in (opened, copy.copy(thing), copy.deepcopy(thing)):
            arguments = () if isinstance(thing, functools.partial) and thing.args == (4,) else (2,)
            receiver = (Model(),) if thing is Model.scale else ()
            assert copied(*receiver, *arguments) == thing(*receiver, *arguments)


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("state = 0", "global state; state += 1"),
        ("state = {}", "state[x] = 1"),
        ("def state(x): return x\nstate.calls = 0", "state.calls += state(1)"),
    ],
)
def test_code_with_state_changed_by_a_call_can_be_sent(
    state: str, change: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    text = f"import pickle\nfrom funes import memorious\n{state}\n@memorious\ndef f(x):\n"
    text += f"    {change}\n    return x\n"
    opened = run_python(
        f"""
import warnings
warnings.simplefilter("ignore")
{text}
before = f.definition
f(1)
assert f.definition == before
pickle.dump((f, before), open("f.pickle", "wb"))
"""
    )
    assert not opened
    printed = run_python(
        """
import pickle, warnings
warnings.simplefilter("ignore")
f, definition = pickle.load(open("f.pickle", "rb"))
print(f.is_cached(1), f(2), f(3), f.definition == definition, pickle.loads(pickle.dumps(f)) is f)
f.__wrapped__.__globals__["state"] = None
try:
    f(4)
except Exception as error:
    print(type(error).__name__)
"""
    )
    assert printed.split() == ["True", "2", "3", "True", "True", "DefinitionMismatch"]


@pytest.mark.parametrize(
    "body",
    [
        "getattr(cfg, name, 0)",
        "vars(cfg).get(name, 0)",
        "cfg.by_globals(name)",
        "read(cfg, name)",
        "sys.modules['cfg'].LR",
    ],
)
@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.slow
def test_dynamically_looked_up_names_come_from_the_module(
    body: str, is_edited: bool, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    paths = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    (tmp_path / "cfg.py").write_text(
        "LR = 3\nOTHER = 1\ndef by_globals(name):\n    return globals().get(name, 0)\n"
    )
    script = f"""
import sys, cloudpickle, cfg
from funes import memorious
def read(module, name): return module.LR
@memorious(cache_dir="c")
def f(name): return {body}, cfg.OTHER
if len(sys.argv) == 1:
    with open("f.pickle", "wb") as file:
        file.write(cloudpickle.dumps(f))
print(f.__wrapped__("LR"))
"""
    assert run_python(script, **paths).split() == ["(3,", "1)"]
    if is_edited:
        (tmp_path / "cfg.py").write_text((tmp_path / "cfg.py").read_text().replace("= 1", "= 2"))
    printed = run_python(
        """
import pickle
from funes import DefinitionMismatch
f = pickle.load(open("f.pickle", "rb"))
try:
    print(f("LR"))
except DefinitionMismatch:
    print("refused")
""",
        **paths,
    )
    assert printed.split() == (["refused"] if is_edited else ["(3,", "1)"])


def test_local_function_is_used_once_it_has_the_submitted_definition(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from funes import memorious\nK = 1\nclass B:\n    @memorious\n"
        "    def m(self, x):\n        return x, K\n"
    )
    printed = run_python(
        """
import pickle, mine
from funes import DefinitionMismatch
sent = pickle.dumps(mine.B().m)
for mine.K in (1, 2, 1, 2, 1):
    try:
        print(pickle.loads(sent)(1))
    except DefinitionMismatch:
        print("refused")
""",
        PYTHONPATH=str(tmp_path),
    )
    assert printed.splitlines() == ["(1, 1)", "refused", "(1, 1)", "refused", "(1, 1)"]


@pytest.mark.parametrize(
    "code",
    [
        "class C:\n    def of(self, x):\n        return x * {}\ndef scaled(x):\n    return C().of(x)\n",
        "def scaled(x):\n    return x * {}\n",
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    y: int\n    def of(self):\n"
        "        return self.y * {}\ndef scaled(x):\n    return C(x).of()\n",
    ],
    ids=["class", "function", "dataclass"],
)
@pytest.mark.parametrize("is_inner", [False, True])
def test_source_that_is_back_is_found_by_the_next_task(
    code: str, is_inner: bool, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    helpers, mine = tmp_path / "helpers.py", tmp_path / "mine.py"
    inner = "@memorious\ndef inner(x):\n    return helpers.scaled(x)\n"
    mine.write_text(
        f"from funes import memorious\nimport helpers\n{inner}"
        f"@memorious\ndef f(x):\n    return {'inner' if is_inner else 'helpers.scaled'}(x)\n"
    )
    paths = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    helpers.write_text(code.format(1))
    run_python("import pickle, mine\npickle.dump(mine.f, open('f.pickle', 'wb'))", **paths)
    printed = run_python(
        f"""
import pickle, mine
from funes import DefinitionMismatch
from pathlib import Path
helpers = Path({str(helpers)!r})
original = helpers.read_text()
helpers.write_text({code.format(1000)!r})
sent = Path("f.pickle").read_bytes()
try:
    print(pickle.loads(sent)(4))
except DefinitionMismatch:
    print("refused")
helpers.write_text(original)
print(pickle.loads(sent)(4))
""",
        **paths,
    )
    assert printed.splitlines()[-1] == "4"


def test_relative_path_in_depends_on_uses_the_working_directory(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    (tmp_path / "d.txt").write_text("1")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "d.txt").write_text("2")
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\nfrom funes import memorious\n"
        "@memorious(depends_on=Path('d.txt'))\ndef f(x):\n    return Path('d.txt').read_text()\n"
    )
    paths = {"PYTHONPATH": str(tmp_path)}
    run_python(
        f"import os, pickle; os.chdir({str(tmp_path)!r}); import mine; "
        f"pickle.dump(mine.f, open({str(tmp_path / 'f.pickle')!r}, 'wb'))",
        **paths,
    )
    printed = run_python(
        f"""
import os, pickle
from funes import DefinitionMismatch
os.chdir({str(tmp_path / "o")!r})
f = pickle.load(open({str(tmp_path / "f.pickle")!r}, "rb"))
try:
    print(f(0))
except DefinitionMismatch:
    print("refused")
""",
        **paths,
    )
    assert printed.split() == ["refused"]
    printed = run_python(
        f"import os; os.chdir({str(tmp_path)!r}); import mine; print(mine.f.is_cached(0), mine.f(0))",
        **paths,
    )
    assert printed.split() == ["False", "1"]
