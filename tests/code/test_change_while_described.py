"""Tests that a change of state while a definition is described leads to no wrong result.

Each case has a trigger among the globals or values. When it is encoded, it changes state that was encoded before, as
another thread may do at any moment. A result that was computed with the new state must not be found with the old state.
"""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning

#: The name in `sys` of the change that the next trigger makes: what is in `sys` does not count.
PENDING = "change_pending_in_this_test"

TRIGGER = f"""
from funes import memorious

class Trigger:
    def __reduce__(self):
        import sys
        sys.__dict__.pop("{PENDING}", int)()
        return Trigger, ()

class Box:
    pass

ZZZ = Trigger()
"""

#: For each case: the state; what sets it, with `n`; and the function.
CASES = {
    "attribute of an object": (
        "BOX = Box()",
        "BOX.number = n",
        "def f(x): return BOX.number, ZZZ is None",
    ),
    "object in a list": (
        "BOXES = [Box(), Box()]",
        "BOXES[1].number = n",
        "def f(x): return BOXES[1].number, ZZZ is None",
    ),
    "object with another object": (
        "BOX = Box(); BOX.inner = Box()",
        "BOX.inner.numbers = [n]",
        "def f(x): return BOX.inner.numbers[0], ZZZ is None",
    ),
    "object that contains itself": (
        "BOX = Box(); BOX.inner = BOX",
        "BOX.number = n",
        "def f(x): return BOX.inner.number, ZZZ is None",
    ),
    "objects as elements of a set": (
        "BOXES = {Box()}",
        "next(iter(BOXES)).number = n",
        "def f(x): return next(iter(BOXES)).number, ZZZ is None",
    ),
    "list with a function": (
        "def helper(): return 0\nPAIR = [helper, 0]",
        "PAIR[1] = n",
        "def f(x): return PAIR[1], ZZZ is None",
    ),
    "object whose class reads it": (
        "class Own:\n    def read(self): return OWN.number\nOWN = Own()",
        "OWN.number = n",
        "def f(x): return OWN.read(), ZZZ is None",
    ),
    "object that a helper reads": (
        "BOX = Box()\ndef helper(): return BOX.number if ZZZ else 0",
        "BOX.number = n",
        "def f(x): return helper()",
    ),
    "object as a default": (
        "BOX = Box()",
        "BOX.number = n",
        "def f(x, box=BOX, zzz=ZZZ): return box.number",
    ),
    "captured object": (
        "BOX = Box()\ndef reader(box, zzz):\n    return lambda: box.number if zzz else 0\nread = reader(BOX, ZZZ)",
        "BOX.number = n",
        "def f(x): return read()",
    ),
    "object as a class attribute": (
        "class Own:\n    box = Box()",
        "Own.box.number = n",
        "def f(x): return Own.box.number, ZZZ is None",
    ),
    "class attribute": (
        "class Own:\n    pass",
        "Own.number = n",
        "def f(x): return Own.number, ZZZ is None",
    ),
    "plain list": ("NUMBERS = [0]", "NUMBERS[0] = n", "def f(x): return NUMBERS[0], ZZZ is None"),
    "global": ("NUMBER = 0", "globals()['NUMBER'] = n", "def f(x): return NUMBER, ZZZ is None"),
    "attribute of a function": (
        "def helper(): return helper.number\nhelper.number = 0\nhelper.trigger = ZZZ",
        "helper.number = n",
        "def f(x): return helper()",
    ),
    "docstring of a function": (
        "def helper(): return 0",
        "helper.__doc__ = str(n)",
        "def f(x): return helper.__doc__, ZZZ is None",
    ),
    "annotations of a function": (
        "def helper(): return 0",
        "helper.__annotations__['number'] = n",
        "def f(x): return helper.__annotations__['number'], ZZZ is None",
    ),
    "attribute that was set on a library class": (
        "from fractions import Fraction",
        "Fraction.number_of_test = n",
        "def f(x): return Fraction(1).number_of_test, ZZZ is None",
    ),
    "value that the function depends on": (
        "BOX = Box()",
        "BOX.number = n",
        "def f(x): return eval('BOX').number",
    ),
}
OPTIONS = {"value that the function depends on": "depends_on=[BOX, ZZZ]"}

Load = Callable[[str], types.ModuleType]


@pytest.fixture
def load(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Returns a function that imports a source text, beside another thread, as such changes come from other threads."""
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()

    def load(text: str) -> types.ModuleType:
        (tmp_path / "of_test.py").write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "of_test", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("of_test")

    yield load
    is_over.set()
    thread.join()
    vars(sys).pop(PENDING, None)


def is_pending() -> bool:
    return PENDING in vars(sys)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, load: Load) -> tuple[Any, Callable[[int], None]]:
    """Returns the function of a case, and what sets its state. The state is 1, and 2 after the trigger."""
    state, setter, function = CASES[request.param]
    options = OPTIONS.get(request.param, "")
    module = load(f"{TRIGGER}\n{state}\n@memorious({options})\n{function}\n")

    def set_number(number: int) -> None:
        exec(setter, vars(module), {"n": number})

    set_number(1)
    setattr(sys, PENDING, lambda: set_number(2))
    return module.f, set_number


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_result_is_not_stored_under_the_state_from_before(
    case: tuple[Any, Callable[[int], None]],
) -> None:
    f, set_number = case
    assert f(1) == f.__wrapped__(1)
    assert not is_pending(), "the state did not change while the function was described"
    set_number(1)
    assert f(1) == f.__wrapped__(1)


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_result_is_found_after_a_change_while_the_function_is_described(
    case: tuple[Any, Callable[[int], None]],
) -> None:
    f, _ = case
    for _ in range(3):
        f(1)
    assert not is_pending()
    assert f.is_cached(1)


def test_edit_while_state_of_calls_is_described_is_detected(load: Load) -> None:
    module = load(
        TRIGGER
        + textwrap.dedent("""
        BOX, N = Box(), 1
        BOX.seen = []
        @memorious
        def f(x):
            BOX.seen.append(x)
            return list(BOX.seen), N, ZZZ is None
        """)
    )

    def change() -> None:
        module.BOX.seen[:] = [7]

    with pytest.warns(CacheWarning, match="BOX"):
        assert module.f(1)[0] == [1]
    module.N = 2
    setattr(sys, PENDING, change)
    module.f(2)
    assert not is_pending()
    module.BOX.seen[:] = []
    assert module.f(2)[0] == [2]


def test_function_whose_state_changes_at_each_description_runs_uncached(load: Load) -> None:
    module = load(
        TRIGGER
        + textwrap.dedent("""
        BOX = Box()
        BOX.number = 0
        @memorious
        def f(x): return x, BOX is None, ZZZ is None
        """)
    )

    def change() -> None:
        module.BOX.number += 1
        setattr(sys, PENDING, change)

    change()
    with pytest.warns(CacheWarning, match="changes while it is described"):
        assert module.f(1) == (1, False, False)
    delattr(sys, PENDING)
    module.f(1)
    assert module.f.is_cached(1)
