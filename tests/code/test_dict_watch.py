"""Tests that every way to change a module, a builtin or a container of settings is noticed at the next call."""

from __future__ import annotations

import builtins
import importlib
import os
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funes import memorious

RunPython = Callable[..., str]

pytestmark = [
    pytest.mark.usefixtures("cache"),
    pytest.mark.filterwarnings("ignore::funes.CacheWarning"),
]

MODULE = """
N = 1
SETTINGS = {"a": 1, "b": {"c": [1, 2], "d": {3}}, "e": (4, [5])}
LIST = [1, "two", (3.0, None)]
SET = {1, 2}
ROUND = []
ROUND.append(ROUND)

def f(x): return x, N
def set_n(value):
    global N
    N = value
def del_n():
    global N
    del N
def settings(x): return x, repr(SETTINGS), repr(LIST), sorted(SET)
def round_trip(x): return x, len(ROUND)
"""


class Text(str):
    """A key that equals a str."""

    __slots__ = ()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Returns a new module with the functions that are changed."""
    (tmp_path / "changing.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("changing")
    sys.modules.pop("changing", None)
    vars(builtins).pop("N", None)


def outcome(function: Callable[[Any], Any]) -> object:
    try:
        return function(1)
    except NameError as error:
        return str(error)


def check(memo: Any, changes: list[str], **names: Any) -> None:
    """Makes the changes one by one. The memo must always agree with the function."""
    for change in ["pass", *changes]:
        exec(textwrap.dedent(change), names)
        for _ in range(4):
            assert outcome(memo) == outcome(memo.__wrapped__), change


#: Changes of the name N of a module `m` with the dict `d`. None of them leaves N as it was.
NAME = {
    "global statement": ["m.set_n(2)", "m.set_n([3])", "m.del_n()", "m.set_n(4)"],
    "attribute": ["m.N = 2", "setattr(m, 'N', 3)", "del m.N", "m.N = 4"],
    "item": ["d['N'] = 2", "del d['N']", "d['N'] = 3", "d.__setitem__('N', 4)", "d.__delitem__('N')"],
    "setdefault": ["del m.N", "d.setdefault('N', 2)"],
    "update": ["d.update(N=2)", "d.update([('N', 3)])", "d.update({'N': 4})", "d |= {'N': 5}"],
    "pop": ["d.pop('N')", "d['N'] = 2", "m.Z = 1; d['N'] = d.pop('N')", "m.set_n(3)"],
    "popitem": ["d['N'] = d.pop('N')", "assert d.popitem()[0] == 'N'", "d['N'] = 2"],
    "init": ["dict.__init__(d, N=2)", "dict.__init__(d, {'N': 3})"],
    "exec": ["exec('N = 2', d)", "exec('del N', d)", "exec('global N; N = 3', d)"],
    "clear": ["then = dict(d)\nd.clear()", "d.update(then)", "d['N'] = 2"],
    "clone": ["then = dict(d)\nd.clear()", "then['N'] = 5; d.update(then)", "d['N'] = 2"],
    "key of another type": ["d[Text('N')] = 2", "d.pop(Text('N'))", "d[Text('N')] = 3", "d['N'] = 4"],
    "key that is not interned": ["d[''.join(['', 'N'])] = 2", "d[bytes([78]).decode()] = 3"],
    "builtin": [
        "import builtins; builtins.N = 7", "del m.N", "builtins.N = 8", "del builtins.N", "builtins.N = 9",
        "m.N = 10",
    ],
    "module of another class": [
        "import types\nclass Other(types.ModuleType): pass\nm.__class__ = Other", "m.N = 2",
    ],
    "attributes of an object": [
        "class C: pass\no = C(); o.__dict__ = d", "o.N = 2", "def set(v): o.N = v",
        *[f"set({n})" for n in range(3, 30)], "del o.N", "o.N = 30",
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", NAME)
def test_change_of_a_global_is_noticed(module: types.ModuleType, way: str) -> None:
    check(memorious(module.f), NAME[way], m=module, d=vars(module), Text=Text)


def test_change_of_an_attribute_of_another_module_is_noticed(module: types.ModuleType) -> None:
    namespace: dict[str, Any] = {"changing": module, "__name__": __name__}
    exec("def f(x): return x, changing.N", namespace)
    for way in ("global statement", "attribute", "item", "update", "pop", "exec"):
        module.N = 1
        memo = memorious(namespace["f"])
        for change in NAME[way]:
            exec(change, {"m": module, "d": vars(module)})
            if hasattr(module, "N"):
                assert memo(1) == memo(1) == (1, module.N), change


#: Changes of the containers of a module `m`.
CONTENTS = {
    "item": ["m.SETTINGS['a'] = 2", "m.SETTINGS['z'] = 3", "del m.SETTINGS['z']"],
    "methods of a dict": [
        "m.SETTINGS.update(a=2)", "m.SETTINGS.pop('e')", "m.SETTINGS.popitem()", "m.SETTINGS.clear()",
        "m.SETTINGS.setdefault('a', 3)", "m.SETTINGS |= {'b': [4]}", "m.SETTINGS['b'].append(5)",
        "m.SETTINGS.clear(); m.SETTINGS.update({'c': 6, 'd': {}})", "m.SETTINGS['d'][7] = 8",
    ],
    "nested": [
        "m.SETTINGS['b']['c'][0] = 2", "m.SETTINGS['b']['d'].add(4)", "m.SETTINGS['b']['x'] = {}",
        "m.SETTINGS['b']['x']['y'] = [1]", "m.SETTINGS['b']['x']['y'].append(2)", "m.SETTINGS['e'][1][0] = 6",
        "b = m.SETTINGS['b']; m.SETTINGS['b'] = dict(b)", "m.SETTINGS['b']['c'] = [1]", "m.SETTINGS['b']['c'] += [2]",
    ],
    "equal containers": [
        "m.SETTINGS['b']['c'] = list(m.SETTINGS['b']['c'])", "m.SETTINGS['b']['c'].append(3)",
        "m.LIST[2:] = [tuple(m.LIST[2])]", "m.LIST[:] = list(m.LIST)", "m.LIST[0] = 1.0", "m.LIST[0] = True",
        "m.SETTINGS['e'] = (4, [5])", "m.SETTINGS['e'][1].append(6)",
    ],
    "list": [
        "m.LIST.append(4)", "m.LIST[0] = 2", "m.LIST[1:2] = [5, 6]", "m.LIST.reverse()", "m.LIST.pop()",
        "m.LIST.insert(0, 'x')", "del m.LIST[0]", "m.LIST.clear()", "m.LIST.extend([1, 2])", "m.LIST *= 2",
        "m.LIST.sort(reverse=True)", "m.LIST[0], m.LIST[3] = m.LIST[3], m.LIST[0]", "m.LIST[0] = [7]",
        "m.LIST[0][0] = 8",
    ],
    "set": [
        "m.SET.add(3)", "m.SET.discard(1)", "m.SET.discard(2); m.SET.add(4)", "m.SET.update(range(50))", "m.SET.pop()",
        "m.SET ^= {3, 7, 99}", "m.SET.clear()", "m.SET.add(0)", "m.SET.remove(0); m.SET.add(8)",
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", CONTENTS)
def test_change_in_a_container_is_noticed(module: types.ModuleType, way: str) -> None:
    check(memorious(module.settings), CONTENTS[way], m=module)


def test_container_that_holds_itself_is_compared(module: types.ModuleType) -> None:
    check(memorious(module.round_trip), ["m.ROUND.append(m.ROUND)", "m.ROUND.clear()"], m=module)


@pytest.mark.parametrize("before", ["", "vars(helper)", "helper.__dict__ = {}"])
@pytest.mark.parametrize(
    "change", ["helper.factor = 2", "helper.__dict__ = {'factor': 2}", "vars(helper)['factor'] = 2"]
)
def test_attribute_of_a_function_that_had_none_is_noticed(
    module: types.ModuleType, before: str, change: str
) -> None:
    source = "def helper(): return 1\ndef g(x): return helper(), getattr(helper, 'factor', 1)"
    Path(module.__file__ or "").write_text(source)
    importlib.invalidate_caches()
    module = importlib.reload(module)
    g = memorious(module.g)
    for statement in ("", before, change, "helper.factor = 3", "del helper.factor", change):
        exec(statement, vars(module))
        for _ in range(4):
            assert g(1) == module.g(1)


def test_change_by_a_call_is_no_edit(module: types.ModuleType) -> None:
    exec("def g(x):\n global N\n N += 1\n return x", vars(module))
    memo = memorious(vars(module)["g"])
    assert [memo(x) for x in (1, 2, 3, 1, 2, 3)] == [1, 2, 3, 1, 2, 3]
    assert module.N == 4  # each was computed once
    module.N = 1
    assert [memo(x) for x in (1, 2, 3)] == [1, 2, 3]
    assert module.N == 1


def test_more_changes_of_a_class_than_it_gets_version_tags(module: types.ModuleType) -> None:
    exec("class C: a = 0\ndef g(x): return x, C.a", vars(module))
    memo, cls = memorious(vars(module)["g"]), vars(module)["C"]
    memo(1)
    for number in range(1100):
        cls.a = number % 3
        assert cls.a == number % 3  # the class gets a tag
        if number % 50 == 0 or number > 990:
            assert memo(1) == memo(1) == (1, number % 3)


def test_changes_while_another_thread_calls(module: types.ModuleType) -> None:
    exec("def g(x): return x, N, SETTINGS['a'], LIST[0]", vars(module))
    memo = memorious(vars(module)["g"])
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            memo(1)

    callers = [threading.Thread(target=call) for _ in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for caller in callers:
            caller.start()
        end = time.monotonic() + 2
        number = 0
        while time.monotonic() < end:
            number += 1
            module.N = number % 2
            assert memo(1)[1] == number % 2
            module.SETTINGS["a"] = number % 3
            assert memo(1)[2] == number % 3
            module.LIST[0] = number % 2
            assert memo(1) == (1, number % 2, number % 3, number % 2)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        for caller in callers:
            caller.join()


def test_freed_namespaces_leave_nothing_behind() -> None:
    for number in range(300):
        namespace: dict[str, Any] = {
            "N": number % 7,
            "S": {"a": [number % 7]},
            "__name__": __name__,
        }
        exec("def f(x): return x, N, S['a'][0]", namespace)
        memo = memorious(namespace["f"])
        assert memo(1) == memo(1) == (1, number % 7, number % 7)
        namespace["S"]["a"][0] = namespace["N"] = 9
        assert memo(1) == memo(1) == (1, 9, 9)


#: The same module in a process of its own, and a check of all changes of `NAME` and `CONTENTS`.
PROCESS = """
import sys, types, warnings
warnings.simplefilter("ignore")
sys.path[:0] = [{folder!r}, {tests!r}, {root!r}]
{first}
from test_dict_watch import CONTENTS, MODULE, NAME, Text, check
from pathlib import Path
Path({folder!r}, "changing.py").write_text(MODULE)
import builtins, importlib, changing
from funes import memorious

def run():
    for table, name in (NAME, "f"), (CONTENTS, "settings"):
        for changes in table.values():
            changing.__class__ = types.ModuleType
            builtins.__dict__.pop("N", None)
            importlib.reload(changing)
            memo = memorious(getattr(changing, name))
            check(memo, changes, m=changing, d=vars(changing), Text=Text)
{then}
print("done")
"""

ADD_WATCHERS = """
import ctypes
CALLBACK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)
python = ctypes.pythonapi
"""


@pytest.fixture
def script(tmp_path: Path, run_python: RunPython) -> Callable[..., str]:
    """Returns a function that runs `PROCESS` with some lines before the import of funes and at the end."""

    def run(first: str = "", then: str = "run()") -> str:
        here = Path(__file__).parent
        text = PROCESS.format(
            folder=str(tmp_path), tests=str(here), root=str(here.parent),
            first=textwrap.dedent(first), then=textwrap.dedent(then),
        )  # fmt: skip
        return run_python(text)

    return run


needs_watchers = pytest.mark.skipif(
    sys.version_info < ((3, 12) if getattr(sys, "_is_gil_enabled", lambda: True)() else (3, 14, 7)),
    reason="the interpreter has no dict watchers, or funes does not use them",
)


@needs_watchers
def test_guards_without_a_watcher(script: Callable[..., str]) -> None:
    taken = ADD_WATCHERS + textwrap.dedent(
        """
        nothing = CALLBACK(lambda *_: 0)
        try:
            while True:
                python.PyDict_AddWatcher(nothing)
        except RuntimeError:
            pass
        """
    )
    assert script(taken) == "done\n"


@needs_watchers
@pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="the interpreter crashes when the hook runs"
)
def test_hit_while_another_watcher_fails(script: Callable[..., str]) -> None:
    # The interpreter calls the hook after the watchers that come before, and before the dict changes.
    first = ADD_WATCHERS + textwrap.dedent(
        """
        def fail(*_):
            raise ValueError

        failing = CALLBACK(fail)
        early = python.PyDict_AddWatcher(failing)
        import funes
        late = [python.PyDict_AddWatcher(failing) for _ in range(3)]
        """
    )
    then = """
    memo = memorious(changing.f)
    settings = memorious(changing.settings)
    calls = 0

    def hook(unraisable):
        global calls
        calls += 1
        assert memo(1) == memo(1) and settings(1) == settings(1)

    sys.unraisablehook = hook
    for watcher in [early, *late]:
        for watched in vars(changing), changing.SETTINGS:
            python.PyDict_Watch(watcher, ctypes.py_object(watched))
    for number in range(10):
        changing.N = number + 2
        assert memo(1) == memo(1) == changing.f(1)
        changing.SETTINGS["a"] = number + 2
        assert settings(1) == settings(1) == changing.settings(1)
    assert calls >= 20
    for watcher in [early, *late]:
        for watched in vars(changing), changing.SETTINGS:
            python.PyDict_Unwatch(watcher, ctypes.py_object(watched))
    """
    assert script(first, then) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_guards_in_a_forked_child(script: Callable[..., str]) -> None:
    then = """
    import os
    memo = memorious(changing.f)
    assert memo(1) == memo(1) == (1, 1)
    warnings.simplefilter("ignore")
    if (child := os.fork()) == 0:
        changing.N = 2
        works = memo(1) == memo(1) == (1, 2)
        run()
        os._exit(0 if works else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memo(1) == (1, 1)
    changing.N = 3
    assert memo(1) == (1, 3)
    """
    assert script("", then) == "done\n"


def test_exit_with_watched_dicts(script: Callable[..., str]) -> None:
    then = """
    import os, threading, time

    def f(x): return x, sys.modules.get("m"), os.sep, N, len(changing.LIST)
    N = 1
    memo = memorious(f)
    memo(1), memo(1)

    class AtExit:
        def __del__(self, memo=memo):
            memo(1)

    at_exit = changing.at_exit = AtExit()

    def forever():
        while True:
            memo(1)

    threading.Thread(target=forever, daemon=True).start()
    time.sleep(0.1)
    """
    assert script("", then) == "done\n"
