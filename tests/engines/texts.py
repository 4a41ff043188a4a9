"""The user code of a driver program, as a module, a script or the cells of a notebook.

Every function returns ``x * rate + offset``; an edit changes only the rate.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PLACES = ["module", "script", "notebook"]

#: The rate before and after an edit.
ORIGINAL, EDITED = 1, 1000

#: Three sets of functions that are edited. Workers import the first set after its edit and the other two
#: before; functions of the last set are not called before the edit.
SETS = ["newer", "older", "stale"]

IMPORTS = """
import dataclasses, functools, os, random
from pathlib import Path

import numpy as np

from funes import memorious

LOG = @log@
FLAG = @flag@
DATA = @data@
REMOTE = @remote@
"""

#: One function of each kind. Each call appends a line to the log.
KINDS = """
def mark(name):
    with open(LOG, "a") as file:
        file.write(name + "\\n")

FACTOR = 3

def triple(x):
    return x * FACTOR

@memorious
def function(x):
    mark("function")
    return triple(x)

def make(offset):
    @memorious
    def inner(x):
        mark("closure")
        return triple(x) + offset
    return inner

closure = make(7)

class Model:
    def __init__(self, weight):
        self.weight = weight

    @memorious
    def method(self, x):
        mark("method")
        return triple(x) + self.weight

    @memorious
    @classmethod
    def of_class(cls, x):
        mark("classmethod")
        return triple(x) + len(cls.__name__)

    @staticmethod
    @memorious
    def static(x):
        mark("staticmethod")
        return triple(x) + 1

def plain(x):
    mark("alias")
    return triple(x) + 2

alias = memorious(plain)

nameless = memorious(lambda x: mark("lambda") or triple(x) + 3)

@memorious
async def coroutine(x):
    mark("async")
    return triple(x) + 4

@memorious
def seeded(x):
    mark("seeded")
    return [x, random.random(), float(np.random.rand())]

@dataclasses.dataclass
class Config:
    rate: float
    layers: list = dataclasses.field(default_factory=list)

    def scaled(self, x):
        return x * self.rate

@memorious
def train(config):
    mark("dataclass")
    return config.scaled(10) + len(config.layers)

@memorious
def array(values):
    mark("array")
    return values * 2

@memorious
def storm(x):
    mark("storm")
    return x * 2

@memorious
def fatal(x):
    if not os.path.exists(FLAG):
        open(FLAG, "w").close()
        os.kill(os.getpid(), 9)
    return x * 3

@memorious(depends_on=[Path(DATA)])
def data(x):
    with open(DATA) as file:
        return x + int(file.read())

@memorious(remote=REMOTE)
def shared(x):
    mark("shared")
    return triple(x) + 8

PATCHED = 2

def patched_helper(x):
    return x * 2

class Patched:
    rate = 2

@memorious
def patched(x):
    return x * PATCHED, patched_helper(x), x * Patched.rate

#: name: the function, and the arguments of two calls.
KINDS = {
    "function": (function, (1,), (2,)),
    "closure": (closure, (1,), (2,)),
    "method": (Model(5).method, (1,), (2,)),
    "classmethod": (Model.of_class, (1,), (2,)),
    "staticmethod": (Model.static, (1,), (2,)),
    "alias": (alias, (1,), (2,)),
    "lambda": (nameless, (1,), (2,)),
    "async": (coroutine, (1,), (2,)),
    "seeded": (functools.partial(seeded, global_seed=5), (1,), (2,)),
    "dataclass": (train, (Config(0.5, [1, 2]),), (Config(0.25),)),
}
"""

#: The values of the first calls; a seeded call is compared with one of the driver.
VALUES = {
    "function": 3,
    "closure": 10,
    "method": 8,
    "classmethod": 8,
    "staticmethod": 4,
    "alias": 5,
    "lambda": 6,
    "async": 7,
    "dataclass": 7.0,
}

#: A module that the functions below use.
HELPERS = """
import dataclasses

RATE = @rate@

def rate():
    return @rate@

@dataclasses.dataclass
class Scale:
    def scaled(self, x):
        return x * @rate@
"""

#: The edits of this text; only the text of a module can be edited while the driver runs.
OWN = """
@memorious
def @set@_own(x):
    return x * @rate@ + 1

@SET@_RATE = @rate@

@memorious
def @set@_constant(x):
    return x * @SET@_RATE + 2

def @set@_helper(x):
    return x * @rate@

@memorious
def @set@_through(x):
    return @set@_helper(x) + 3

@memorious
def @set@_default(x, rate=@rate@):
    return x * rate + 4

def @set@_make_own(rate):
    return memorious(lambda x: x * rate + 5)

class @set@_Owner:
    rate = @rate@

    @memorious
    def method(self, x):
        return x * self.rate + 6

    @memorious
    @classmethod
    def of_class(cls, x):
        return x * cls.rate + 7

    @staticmethod
    @memorious
    def static(x):
        return x * @rate@ + 8

@SET@_OWN = {
    "own": (@set@_own, 1),
    "constant": (@set@_constant, 2),
    "through": (@set@_through, 3),
    "default": (@set@_default, 4),
    "captured": (@set@_make_own(@rate@), 5),
    "method": (@set@_Owner().method, 6),
    "classmethod": (@set@_Owner.of_class, 7),
    "staticmethod": (@set@_Owner.static, 8),
}
"""

#: The edits of the helper module.
BEHIND = """
import @set@_helpers
from @set@_helpers import rate as @set@_imported

@memorious
def @set@_module_helper(x):
    return x * @set@_helpers.rate() + 11

@memorious
def @set@_module_constant(x):
    return x * @set@_helpers.RATE + 12

@memorious
def @set@_from_import(x):
    return x * @set@_imported() + 13

def @set@_plain(x):
    return x * @set@_helpers.rate() + 14

@set@_alias = memorious(@set@_plain)

def @set@_make(offset):
    @memorious
    def inner(x):
        return x * @set@_helpers.rate() + offset
    return inner

@memorious
def @set@_class_inside(x):
    return @set@_helpers.Scale().scaled(x) + 16

@memorious
def @set@_argument(scale, x):
    return scale.scaled(x) + 17

@memorious
def @set@_inner(x):
    return x * @set@_helpers.rate()

@memorious
def @set@_outer(x):
    return @set@_inner(x) + 18

@memorious
def @set@_two(offset, x):
    return x * @set@_helpers.rate() + offset

#: name: the function, and what it adds to the product of its argument and the rate.
@SET@_BEHIND = {
    "module helper": (@set@_module_helper, 11),
    "module constant": (@set@_module_constant, 12),
    "from import": (@set@_from_import, 13),
    "alias": (@set@_alias, 14),
    "closure": (@set@_make(15), 15),
    "class inside": (@set@_class_inside, 16),
    "argument": (functools.partial(@set@_argument, @set@_helpers.Scale()), 17),
    "memorious helper": (@set@_outer, 18),
    "partial": (functools.partial(@set@_two, 19), 19),
    "lambda": (memorious(lambda x: x * @set@_helpers.rate() + 20), 20),
}
"""

SCRIPT = """
if __name__ == "__main__":
    import driver
    driver.main(globals())
"""

NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell()
for cell in {cells!r}:
    shell.run_cell(cell, store_history=True).raise_error()
"""


def fill(text: str, home: Path, name: str = "", rate: int = ORIGINAL) -> str:
    """Inserts the paths of `home`, the name of a set and the rate into a text."""
    values = {
        "log": repr(str(home / "log")),
        "flag": repr(str(home / "flag")),
        "data": repr(str(home / "data")),
        "remote": repr(f"file://{home}/remote" if find_spec("obstore") else ""),
        "set": name,
        "SET": name.upper(),
        "rate": str(rate),
    }
    for placeholder, value in values.items():
        text = text.replace(f"@{placeholder}@", value)
    return text


def write(path: Path, text: str) -> None:
    """Replaces a file atomically: a worker may import it at this moment."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def edit(home: Path, name: str, rate: int) -> None:
    """Writes the files of a set with the given rate."""
    write(home / f"{name}_helpers.py", fill(HELPERS, home, rate=rate))
    write(home / f"{name}.py", fill(IMPORTS + OWN + BEHIND, home, name, rate))


def prepare(home: Path, place: str) -> Path:
    """Writes a driver program and its modules to `home`; returns the program."""
    home.mkdir(parents=True)
    (home / "elsewhere").mkdir()
    for name in ("log", "report"):
        (home / name).touch()
    write(home / "data", str(ORIGINAL))
    for name in SETS:
        edit(home, name, ORIGINAL)
    kinds = fill(IMPORTS + KINDS, home)
    behind = "".join(fill(BEHIND, home, name) for name in SETS)
    program = home / "program.py"
    if place == "module":
        write(home / "mine.py", kinds)
        write(
            program,
            SCRIPT.replace("import driver\n", "import driver, mine\n").replace(
                "globals()", "vars(mine)"
            ),
        )
    elif place == "script":
        write(program, kinds + behind + SCRIPT)
    else:
        cells = [kinds, behind, "import driver\ndriver.main(globals())"]
        write(program, NOTEBOOK.format(cells=cells))
    return program
