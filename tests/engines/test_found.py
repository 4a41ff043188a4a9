"""Regression tests of remote calls, each with the script that failed.

A program sends functions or values to a fresh process, which has no main module or that of the sender.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import dill
import pytest

from funes import memorious
from funes.errors import DefinitionMismatch, FunesError

RunPython = Callable[..., str]

# Python would use stale bytecode for a file that is edited twice in a second.
EDITS = {"FUNES_CACHE_DIR": None, "PYTHONDONTWRITEBYTECODE": "1"}

FAR = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from funes import memorious
from funes.errors import DefinitionMismatch

def far(*calls):
    values = []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for function, *args in calls:
            try:
                values.append(pool.submit(function, *args).result())
            except DefinitionMismatch:
                values.append("mismatch")
    return values
"""

# --- Code that changes between the driver and the worker

MINE = """
from funes import memorious
import helpers
RATE = {rate}
@memorious
def constant(x):
    return x * RATE
def helper(x):
    return x * {rate}
@memorious
def through(x):
    return helper(x)
@memorious
def elsewhere(x):
    return x * helpers.RATE
"""


def edit(folder: Path, rate: int) -> None:
    (folder / "mine.py").write_text(MINE.format(rate=rate))
    (folder / "helpers.py").write_text(f"RATE = {rate}\ndef rate():\n    return {rate}\n")


def test_worker_started_after_an_edit_runs_submitted_code(
    tmp_path: Path, run_python: RunPython
) -> None:
    edit(tmp_path, 1000)
    files = {path: path.read_text() for path in tmp_path.glob("*.py")}
    edit(tmp_path, 1)
    sent = run_python(
        f"""{FAR}
import mine
from pathlib import Path
functions = mine.constant, mine.through, mine.elsewhere
if __name__ == "__main__":
    for function in functions:
        function.key(5)
    for path, text in { {str(path): text for path, text in files.items()} }.items():
        Path(path).write_text(text)
    print(*far(*((function, 5) for function in functions)))
    print(*(function(5) for function in functions))
""",
        **EDITS,
    )
    assert sent.split() == ["5"] * 6
    for rate in (1, 1000):
        edit(tmp_path, rate)
        later = run_python(
            "import mine; print(mine.constant(5), mine.through(5), mine.elsewhere(5))", **EDITS
        )
        assert later.split() == [str(5 * rate)] * 3


@pytest.mark.parametrize("pickler", ["pickle", "cloudpickle"])
def test_function_of_a_script_keeps_its_helper(
    pickler: str, tmp_path: Path, run_python: RunPython
) -> None:
    edit(tmp_path, 1)
    script = """
import {pickler}, pickle, sys, helpers
from funes import memorious
@memorious
def attribute(x):
    return x * helpers.rate()
def make(rate):
    @memorious
    def inner(x):
        return x * rate()
    return inner
captured = make(helpers.rate)
if __name__ == "__main__":
    """
    write = "pickle.dump([{pickler}.dumps(f) for f in (attribute, captured)], open('sent', 'wb'))"
    run_python((script + write).replace("{pickler}", pickler), **EDITS)
    edit(tmp_path, 1000)
    read = "import pickle; print(*(pickle.loads(f)(5) for f in pickle.load(open('sent', 'rb'))))"
    assert run_python(read, **EDITS).split() == ["5", "5"]
    edit(tmp_path, 1)
    again = (script + "print(attribute(5), captured(5))").replace("{pickler}", pickler)
    assert run_python(again, **EDITS).split() == ["5", "5"]


MAIN_BLOCK = f"""{FAR}
import functools, json

RATE = 1

@memorious
def constant(x):
    return x * RATE

class Settings:
    rate = 1

@memorious
def class_attribute(x):
    return x * Settings.rate

def helper(x):
    return x

@memorious
def patched(x):
    return helper(x)

@memorious
def two(x, y):
    return x * RATE + y

class Model:
    @memorious
    def method(self, x):
        return x * RATE

    @memorious
    @classmethod
    def of_class(cls, x):
        return x * RATE

model = Model()
calls = {{
    "constant": lambda: (constant, 10),
    "class attribute": lambda: (class_attribute, 10),
    "patched helper": lambda: (patched, 10),
    "partial": lambda: (functools.partial(two, 10), 0),
    "method": lambda: (model.method, 10),
    "classmethod": lambda: (Model.of_class, 10),
}}

def guarded(function, values):
    global RATE
    found = []
    for RATE in values:
        found.append(function(20))
    return found

if __name__ == "__main__":
    RATE = Settings.rate = 5

    def helper(x):
        return x * 5

    sent = [call() for call in calls.values()]
    far_values = far(*sent, (guarded, constant, [1, 2, 3, 1]))
    here = [function(*args) for function, *args in sent]
    print(json.dumps([dict(zip(calls, far_values)), dict(zip(calls, here)), far_values[-1]]))
"""

MAIN_CASES = ["constant", "class attribute", "patched helper", "partial", "method", "classmethod"]


def test_values_set_in_main_block_are_part_of_submitted_code(run_python: RunPython) -> None:
    far, here, guarded = json.loads(run_python(MAIN_BLOCK, FUNES_CACHE_DIR=None))
    assert here == dict.fromkeys(MAIN_CASES, 50)
    assert {case for case in MAIN_CASES if far[case] not in (50, "mismatch")} == set()
    assert far["constant"] == 50  # the submitted code includes no class
    # The submitted code has its own constant, which differs from that of the worker's main module.
    assert guarded in ([100] * 4, [20, 40, 60, 20])


@pytest.mark.parametrize("given", ["Path(DATA)", "[1, Path(DATA)]"])
def test_file_of_depends_on_that_changes_and_changes_back(
    given: str, tmp_path: Path, run_python: RunPython
) -> None:
    data = tmp_path / "data"
    data.write_text("1")
    script = f"""{FAR}
import pickle
from pathlib import Path
DATA = {str(data)!r}

@memorious(depends_on={given})
def f(x):
    with open(DATA) as file:
        return x + int(file.read())

def opened(pickled, x):
    return pickle.loads(pickled)(x)
"""
    sent = run_python(
        script
        + """
if __name__ == "__main__":
    pickled = pickle.dumps(f)
    Path(DATA).write_text("1000")
    print(*far((opened, pickled, 2)))
    Path(DATA).write_text("1")
    print(f(2))
""",
        FUNES_CACHE_DIR=None,
    )
    assert sent.split() == ["mismatch", "3"]
    assert run_python(script + "print(f(2))", FUNES_CACHE_DIR=None).split() == ["3"]


# --- Keys of what cloudpickle carries

CARRIED = """
import abc, collections, dataclasses, enum, functools, json, pickle, typing
import attrs
import cloudpickle
from funes import memorious

@memorious
def f(value):
    return 1

class Color(enum.Enum):
    RED = 1

class Point(typing.NamedTuple):
    x: int = 1

Pair = collections.namedtuple("Pair", "x y")

class Plain:
    pass

T = typing.TypeVar("T")

class Box(typing.Generic[T]):
    pass

@dataclasses.dataclass
class Data:
    rate: float
    layers: list = dataclasses.field(default_factory=list)

@dataclasses.dataclass(frozen=True, order=True)
class Frozen:
    rate: float = 0.5
    def scaled(self, x):
        return x * self.rate

@dataclasses.dataclass(kw_only=True, slots=True)
class Keywords:
    rate: float
    name: str = "a"

@dataclasses.dataclass
class Child(Data):
    depth: int = 2

@attrs.define
class Attrs:
    rate: float
    layers: list = attrs.field(factory=list)

@attrs.frozen
class AttrsMethod:
    rate: float = 1.0
    def scaled(self, x):
        return x * self.rate

class Slots:
    __slots__ = ("rate",)
    def __init__(self, rate):
        self.rate = rate

class Method:
    def __init__(self, rate):
        self.rate = rate
    @property
    def double(self):
        return self.rate * 2
    def scaled(self, x):
        return x * self.rate

class Base(abc.ABC):
    @abc.abstractmethod
    def scaled(self, x): ...

class Concrete(Base):
    def scaled(self, x):
        return x

class Callable:
    def __call__(self, x):
        return x

def function(x, y=2):
    return x + y

def make(weight):
    def inner(x):
        return x * weight
    return inner

class Memorious:
    @memorious
    def method(self, x):
        return x
    @memorious
    @classmethod
    def of_class(cls, x):
        return x

VALUES = {
    "enum": Color.RED,
    "typed tuple": Point(2),
    "named tuple": Pair(1, 2),
    "plain": Plain(),
    "generic": Box(),
    "dataclass": Data(0.1),
    "frozen dataclass": Frozen(0.1),
    "keyword dataclass": Keywords(rate=0.1),
    "dataclass of a dataclass": Child(0.1),
    "attrs": Attrs(0.1),
    "attrs with a method": AttrsMethod(0.1),
    "slots": Slots(0.1),
    "method": Method(0.1),
    "abstract": Concrete(),
    "callable": Callable(),
    "function": function,
    "closure": make(3),
    "lambda": lambda x: x + 1,
    "partial": functools.partial(function, 1),
    "bound method": Method(0.1).scaled,
    "memorious methods": Memorious(),
    "class": Data,
    "list": [Data(0.1), Data(0.2)],
}

if __name__ == "__main__":
    keys = {name: f.key(value).arguments for name, value in VALUES.items()}
    sent = {name: cloudpickle.dumps((f, value)) for name, value in VALUES.items()}
    with open("sent", "wb") as file:
        pickle.dump(sent, file)
    print(json.dumps(keys))
"""

OPENED = """
import json, pickle
found = {}
for name, data in pickle.load(open("sent", "rb")).items():
    try:
        f, value = pickle.loads(data)
        found[name] = f.key(value).arguments
        f(value)
    except Exception as error:
        found[name] = repr(error)
print(json.dumps(found))
"""

CASES = [
    line.partition('"')[2].partition('"')[0]
    for line in CARRIED.partition("VALUES = {")[2].splitlines()
    if line.startswith('    "')
]

DYNAMIC = '"".join("<dynamic-code>")'


def older_cloudpickle(folder: Path) -> Path:
    """Copies the installed version, and keeps the file names of code objects as version 3.1.2 does."""
    spec = importlib.util.find_spec("cloudpickle")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, folder / "cloudpickle")
    module = folder / "cloudpickle" / "cloudpickle.py"
    text = module.read_text(encoding="utf-8")
    assert DYNAMIC in text
    module.write_text(text.replace(DYNAMIC, '"".join(obj.co_filename)'), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["newest", "file names", "3.1.2"])
def carried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the keys in the driver, and those in a process without its main module."""
    home = tmp_path_factory.mktemp("carried")
    path = home / "packages"
    if request.param == "file names":
        older_cloudpickle(path)
    elif request.param == "3.1.2":
        if os.environ.get("FUNES_ENGINES") != "all":
            pytest.skip("installed by `make test-engines` only")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(path)]
        subprocess.run([*command, "cloudpickle==3.1.2"], check=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FUNES_")},
        "PYTHONPATH": str(path),
    }
    keys = []
    for name, text in (("driver.py", CARRIED), ("worker.py", OPENED)):
        (home / name).write_text(text)
        done = subprocess.run(
            [sys.executable, name], cwd=home, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        keys.append(json.loads(done.stdout))
    return keys[0], keys[1]


@pytest.mark.parametrize("case", CASES)
def test_argument_of_a_script_has_the_same_key_in_the_worker(
    case: str, carried: tuple[dict[str, str], dict[str, str]]
) -> None:
    driver, worker = carried
    if case.startswith("attrs") and sys.version_info < (3, 11):
        pytest.skip("code objects have no qualified name by which generated methods are known")
    assert worker[case] == driver[case]


def test_search_over_a_dataclass_of_a_script_is_stored_once(run_python: RunPython) -> None:
    printed = run_python(
        """
from dataclasses import dataclass
from joblib import Parallel, delayed
from funes import load_cached_results, memorious

@dataclass
class Config:
    rate: float

@memorious
def train(config):
    return config.rate

if __name__ == "__main__":
    configs = [Config(rate) for rate in (0.1, 0.2)]
    Parallel(2)(delayed(train)(config) for config in configs)
    print(all(train.is_cached(config) for config in configs), train(Config(0.1)))
    print(len(load_cached_results(train)))
""",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["True", "0.1", "2"]


# --- Methods

METHODS = """
import functools, pickle
from funes import memorious

class Model:
    def __init__(self, weight):
        self.weight = weight

    @memorious
    def method(self, x):
        return x + self.weight

    @memorious
    def __private(self, x):
        return x - self.weight

    def private(self):
        return self.__private

    @memorious
    @classmethod
    def of_class(cls, x):
        return x * 2

    @staticmethod
    @memorious
    def static(x):
        return x * 3

class Child(Model):
    @memorious
    def method(self, x):
        return -x

    def of_parent(self):
        return super().method

def functions():
    return {
        "method": Model(1).method,
        "private": Model(1).private(),
        "overridden": Child(1).of_parent(),
        "overriding": Child(1).method,
        "classmethod": Model.of_class,
        "classmethod of a child": Child.of_class,
        "staticmethod": Model.static,
        "partial": functools.partial(Model(1).method, 7),
        "unbound": functools.partial(Model.method, Model(1)),
    }
"""


@pytest.mark.parametrize("place", ["module", "script"])
def test_pickled_methods_keep_their_cache_folder(
    place: str, tmp_path: Path, run_python: RunPython
) -> None:
    values = [8, 6, 8, -7, 14, 14, 21, 8, 8]
    if place == "module":
        (tmp_path / "mine.py").write_text(METHODS)
    head = "from mine import *\nimport pickle" if place == "module" else METHODS
    run_python(
        f"{head}\nimport cloudpickle\n"
        "functions = functions()\n"
        "with open('sent', 'wb') as file:\n"
        "    pickle.dump({name: cloudpickle.dumps(f) for name, f in functions.items()}, file)\n",
        FUNES_CACHE_DIR=None,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    opened = run_python(
        "import os, pickle\n"
        "sent = pickle.load(open('sent', 'rb'))\n"
        "os.chdir('elsewhere')\n"
        "sent = {name: pickle.loads(data) for name, data in sent.items()}\n"
        "print(*(f() if name == 'partial' else f(7) for name, f in sent.items()))\n",
        FUNES_CACHE_DIR=None,
    )
    assert [int(value) for value in opened.split()] == values
    assert list(elsewhere.iterdir()) == []
    there = run_python(
        f"{head}\n"
        "print(*(f.func.is_cached(*f.args, *(() if n == 'partial' else (7,))) if n in ('partial', 'unbound') "
        "else f.is_cached(7) for n, f in functions().items()))",
        FUNES_CACHE_DIR=None,
    )
    assert there.split() == ["True"] * len(values)


OBJECTS = """
import copy, pickle
import cloudpickle, dill
from funes import memorious

class Model:
    def __init__(self, weight):
        self.weight = weight

    @memorious
    @classmethod
    def of_class(cls, x):
        return x * 2

    @classmethod
    @memorious
    def other_order(cls, x):
        return x * 3

    @staticmethod
    @memorious
    def static(x):
        return x * 4

    @memorious
    def method(self, x):
        return x + self.weight

def check(model, name):
    found = [model.of_class(5), model.other_order(5), model.static(5), model.method(5), model.weight]
    assert found == [10, 15, 20, 6, 1], (name, found)

if __name__ == "__main__":
    model = Model(1)
    copies = {"copy": copy.copy, "deepcopy": copy.deepcopy}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for pickler in (pickle, cloudpickle, dill):
            if (pickler, protocol) != (cloudpickle, 0) and (pickler, protocol) != (cloudpickle, 1):
                copies[f"{pickler.__name__} {protocol}"] = (
                    lambda value, p=protocol, by=pickler: by.loads(by.dumps(value, protocol=p))
                )
    for name, copied in copies.items():
        check(copied(model), name)
        assert copied(Model)(1).of_class(5) == 10, name
    with open("sent", "wb") as file:
        pickle.dump({
            "cloudpickle": cloudpickle.dumps(model),
            "dill": dill.dumps(model),
            "cloudpickled class": cloudpickle.dumps(Model),
            "dilled class": dill.dumps(Model),
        }, file)
    print("all")
"""


def test_objects_with_memorious_class_methods_are_copied_and_pickled(run_python: RunPython) -> None:
    assert run_python(OBJECTS, FUNES_CACHE_DIR=None) == "all\n"
    opened = run_python(
        """
import pickle
for name, data in pickle.load(open("sent", "rb")).items():
    thing = pickle.loads(data)
    model = thing(1) if isinstance(thing, type) else thing
    print(model.of_class(5), model.static(5), model.method(5))
""",
        FUNES_CACHE_DIR=None,
    )
    assert opened.splitlines() == ["10 20 6"] * 4


# --- The bytes


@memorious
def named(x: int) -> int:
    return x


def make(weight: int) -> Any:
    @memorious
    def inner(x: int) -> int:
        return x * weight

    return inner


class Model:
    @memorious
    def method(self, x: int) -> int:
        return x

    @memorious
    @classmethod
    def of_class(cls, x: int) -> int:
        return x


FUNCTIONS = {
    "named": lambda: named,
    "closure": lambda: make(3),
    "lambda": lambda: LAMBDA,
    "method": lambda: Model().method,
    "classmethod": lambda: Model.of_class,
    "partial": lambda: functools.partial(make(3), 1),
}

LAMBDA = memorious(lambda x: x + 1)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("cache")
def test_equal_functions_give_equal_bytes(name: str) -> None:
    dask = pytest.importorskip("dask.base")
    joblib = pytest.importorskip("joblib")
    for digest in (pickle.dumps, cloudpickle.dumps, dill.dumps, joblib.hash, dask.tokenize):
        assert digest(FUNCTIONS[name]()) == digest(FUNCTIONS[name]()), digest


@pytest.mark.usefixtures("cache")
def test_different_functions_give_different_bytes() -> None:
    dask = pytest.importorskip("dask.base")
    joblib = pytest.importorskip("joblib")
    for digest in (pickle.dumps, cloudpickle.dumps, joblib.hash, dask.tokenize):
        assert digest(make(3)) != digest(make(4))
        assert digest(named) != digest(LAMBDA)


SENDERS = {
    "function of a script": "@memorious\ndef f(x):\n    print('computed')\n    return x\n",
    "closure": (
        "def make():\n    @memorious\n    def f(x):\n        print('computed')\n        return x\n"
        "    return f\nf = make()\n"
    ),
}


@pytest.mark.parametrize("name", SENDERS)
def test_bytes_are_unpickled_once_per_process(name: str, run_python: RunPython) -> None:
    sent = f"import pickle\nfrom funes import memorious\n{SENDERS[name]}"
    run_python(
        sent + "pickle.dump([pickle.dumps(f)] * 3, open('sent', 'wb'))", FUNES_CACHE_DIR=None
    )
    printed = run_python(
        "import pickle\nf, g, h = map(pickle.loads, pickle.load(open('sent', 'rb')))\n"
        "print(f is g is h, f(1), g(1), h(1))",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["computed", "True", "1", "1", "1"]


@pytest.mark.parametrize("first", ["pickle", "cloudpickle"])
@pytest.mark.parametrize("second", ["pickle", "cloudpickle"])
def test_forwarded_code_is_complete(
    first: str, second: str, tmp_path: Path, run_python: RunPython
) -> None:
    edit(tmp_path, 3)
    run_python(
        f"""
import {first}, helpers
from funes import memorious
def make():
    @memorious
    def f(x):
        return x * helpers.rate() + len(open.__name__)
    return f
open("sent", "wb").write({first}.dumps(make()))
""",
        FUNES_CACHE_DIR=None,
    )
    on = f"import pickle, {second}, helpers; f = pickle.load(open('sent', 'rb'))\n"
    run_python(on + f"open('sent on', 'wb').write({second}.dumps(f))", FUNES_CACHE_DIR=None)
    (tmp_path / "helpers.py").unlink()
    opened = "import pickle; print(pickle.load(open('sent on', 'rb'))(5))"
    assert run_python(opened, FUNES_CACHE_DIR=None) == "19\n"


@pytest.mark.parametrize("first", ["pickle", "cloudpickle"])
@pytest.mark.parametrize("second", ["pickle", "cloudpickle"])
def test_forwarded_code_is_checked_against_the_first_definition(
    first: str, second: str, tmp_path: Path, run_python: RunPython
) -> None:
    helpers = tmp_path / "helpers.py"
    helpers.write_text("class Scale:\n    rate = 1\n")
    run_python(
        f"""
import {first}, helpers
from funes import memorious
@memorious
def f(x):
    return helpers.Scale.rate * x
open("sent", "wb").write({first}.dumps(f))
""",
        **EDITS,
    )
    helpers.write_text("class Scale:\n    rate = 1000\n")
    on = f"import pickle, {second}; f = pickle.load(open('sent', 'rb'))\n"
    run_python(on + f"open('sent on', 'wb').write({second}.dumps(f))", **EDITS)
    opened = """
import pickle
from funes.errors import DefinitionMismatch
try:
    print(pickle.load(open('sent on', 'rb'))(5))
except DefinitionMismatch:
    print("mismatch")
"""
    assert run_python(opened, **EDITS) == "mismatch\n"


@pytest.mark.parametrize("place", ["script", "module"])
def test_forwarded_argument_keeps_its_key(
    place: str, tmp_path: Path, run_python: RunPython
) -> None:
    function = "from funes import memorious\n@memorious\ndef f(value):\n    return 1\n"
    (tmp_path / "mine.py").write_text(function)
    key = run_python(
        f"""
import cloudpickle, dataclasses
{function if place == "script" else "from mine import f"}
@dataclasses.dataclass
class Config:
    rate: float
    def scaled(self, x):
        return x * self.rate
if __name__ == "__main__":
    open("sent", "wb").write(cloudpickle.dumps((f, Config(0.1))))
    print(f.key(Config(0.1)).arguments)
""",
        FUNES_CACHE_DIR=None,
    )
    on = "import pickle, cloudpickle; both = pickle.load(open('sent', 'rb'))\n"
    run_python(on + "open('sent on', 'wb').write(cloudpickle.dumps(both))", FUNES_CACHE_DIR=None)
    opened = "import pickle; f, value = pickle.load(open('sent on', 'rb')); print(f.key(value).arguments)"
    assert run_python(opened, FUNES_CACHE_DIR=None) == key


# --- The error


@pytest.mark.parametrize("pickler", [pickle, cloudpickle, dill])
def test_the_error_survives_pickling(pickler: Any) -> None:
    error = DefinitionMismatch("what differs")
    for again in (pickler.loads(pickler.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is DefinitionMismatch
        assert str(again) == "what differs"
    assert issubclass(DefinitionMismatch, FunesError)


@pytest.mark.parametrize("edited", ["class", "file"])
def test_mismatch_is_raised_by_the_call_and_the_pool_survives(
    edited: str, tmp_path: Path, run_python: RunPython
) -> None:
    module = tmp_path / "mine.py"
    text = """
from pathlib import Path
from funes import memorious
class Scale:
    rate = 1
@memorious(depends_on=[Path(__file__).with_name("data")])
def f(x):
    return Scale.rate * x
@memorious
def untouched(x):
    return x
"""
    module.write_text(text)
    (tmp_path / "data").write_text("1")
    change = {
        "class": f'open({str(module)!r}, "w").write({text.replace("rate = 1", "rate = 2")!r})',
        "file": f'open({str(tmp_path / "data")!r}, "w").write("2")',
    }[edited]
    printed = run_python(
        f"""{FAR}
import mine, pickle
def opened(data, x):
    return pickle.loads(data)(x)
if __name__ == "__main__":
    data = pickle.dumps(mine.f)
    {change}
    print(*far((opened, data, 1), (mine.untouched, 2), (opened, data, 3), (mine.untouched, 4)))
""",
        **EDITS,
    )
    assert printed.split() == ["mismatch", "2", "mismatch", "4"]
    assert not list(tmp_path.glob("cache/f/*/*.dill"))


def test_results_in_a_worker_have_its_classes(run_python: RunPython) -> None:
    printed = run_python(
        """
from dataclasses import dataclass
from enum import Enum
from joblib import Parallel, delayed
from funes import memorious
class Plain: pass
@dataclass
class Row:
    x: int
class Mode(Enum):
    A = 1
@memorious
def make(x): return Plain(), Row(x), Mode.A
@memorious
def kinds(x):
    plain, row, mode = make(x)
    return isinstance(plain, Plain), row == Row(x), mode is Mode.A
if __name__ == "__main__":
    make(1)
    print(*Parallel(2)([delayed(kinds)(1)])[0], *kinds(1))
    for plain, row, mode in Parallel(2)([delayed(make)(x) for x in (1, 2)]):
        print(isinstance(plain, Plain), isinstance(row, Row), mode is Mode.A)
    print(make.is_cached(2))
""",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["True"] * 13


def test_class_state_changed_by_calls_is_not_an_edit(run_python: RunPython) -> None:
    printed = run_python(
        """
import warnings
warnings.simplefilter("ignore")
from joblib import Parallel, delayed
from funes import memorious
class C:
    count = 0
    def __init__(self):
        type(self).count += 1
@memorious
def g(x):
    C()
    return x
if __name__ == "__main__":
    for start in (0, 10, 20):
        print(*Parallel(2)(delayed(g)(x) for x in (start, start + 1)), g(start + 5))
    print(all(g.is_cached(x) for x in (0, 1, 5, 10, 11, 15, 20, 21, 25)))
""",
        FUNES_CACHE_DIR=None,
    )
    assert printed.split() == ["0", "1", "5", "10", "11", "15", "20", "21", "25", "True"]
