"""Tests that changes in a running session are detected at the next call."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guard_cases import CHANGES, Change

from funes import CacheWarning, memorious

pytestmark = pytest.mark.usefixtures("cache")

NUMBER = 1
SETTINGS: dict[str, Any] = {"rate": 1, "layers": [1, 2]}


def helper(x: int) -> int:
    return x + 1


def other_helper(x: int) -> int:
    return x + 100


def with_default(x: int, y: int = 1, *, z: int = 1) -> int:
    return x + y * 10 + z * 100


class Base:
    scale = 2

    def area(self) -> int:
        return self.scale


class Derived(Base):
    def area(self) -> int:
        return super().area() * 10


INSTANCE = types.SimpleNamespace(weight=3)
HELPERS: dict[str, Callable[[int], int]] = {"first": helper}


def make(captured: Any) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def read() -> Any:
        return captured

    def write(value: Any) -> None:
        nonlocal captured
        captured = value

    return read, write


READ, WRITE = make(1)


@memorious
def total(x: int) -> Any:
    return x * 1000 + NUMBER + SETTINGS["rate"] + helper(x)


@memorious
def configured(x: int) -> Any:
    return [x, SETTINGS["rate"], list(SETTINGS["layers"])]


@memorious
def drawn(x: int) -> Any:
    return x, Derived().area()


@memorious
def weighed(x: int) -> Any:
    return x * INSTANCE.weight


@memorious
def dispatched(x: int) -> Any:
    return HELPERS["first"](x)


@memorious
def defaulted(x: int) -> Any:
    return with_default(x)


@memorious
def captured(x: int) -> Any:
    return x, READ()


def rebind_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules[__name__], "NUMBER", 7)


def rebind_helper(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules[__name__], "helper", other_helper)


def replace_code(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(helper, "__code__", other_helper.__code__)


def change_item(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(SETTINGS, "rate", 5)


def change_nested(patch: pytest.MonkeyPatch) -> None:
    SETTINGS["layers"][0] = 9


def replace_method(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Derived, "area", lambda self: 4)


def replace_base_attribute(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Base, "scale", 5)


def change_instance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(INSTANCE, "weight", 4)


def change_dispatch(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(HELPERS, "first", other_helper)


def change_defaults(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(with_default, "__defaults__", (2,))


def change_keyword_defaults(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(with_default, "__kwdefaults__", {"z": 2})


def change_keyword_default_in_place(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(with_default.__kwdefaults__, "z", 3)  # type: ignore[arg-type]


def change_captured(patch: pytest.MonkeyPatch) -> None:
    WRITE(8)


@pytest.mark.parametrize(
    ("memo", "change"),
    [
        (total, rebind_number),
        (total, rebind_helper),
        (total, replace_code),
        (total, change_item),
        (configured, change_item),
        (configured, change_nested),
        (drawn, replace_method),
        (drawn, replace_base_attribute),
        (weighed, change_instance),
        (dispatched, change_dispatch),
        (dispatched, replace_code),
        (defaulted, change_defaults),
        (defaulted, change_keyword_defaults),
        (defaulted, change_keyword_default_in_place),
        (captured, change_captured),
    ],
)
def test_change_and_its_reversal_are_detected(memo: Any, change: Any) -> None:
    memo._close()
    before = memo(3)
    assert before == memo.__wrapped__(3)
    first = memo.key(3)
    with pytest.MonkeyPatch.context() as patch:
        change(patch)
        changed = memo.__wrapped__(3)
        assert changed != before
        assert memo(3) == changed
        assert memo.key(3).definition != first.definition
    WRITE(1)
    SETTINGS["layers"][0] = 1
    assert memo(3) == before
    assert memo.key(3) == first


@pytest.mark.parametrize("case", CHANGES, ids=[case.name for case in CHANGES])
def test_change_of_result_is_detected(
    case: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "config", raising=False)
    (tmp_path / "config.py").write_text("N = 1\ndef g(): return N\n")
    (tmp_path / "live.py").write_text(f"from funes import memorious\n{case.text}")
    monkeypatch.delitem(sys.modules, "live", raising=False)
    importlib.invalidate_caches()
    module: Any = importlib.import_module("live")
    module.f = memorious(module.f)

    def outcome(function: Any) -> str:
        try:
            return repr(function(1))
        except (AttributeError, NameError) as error:
            return repr(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)  # about variables that the function changes
        before = outcome(module.f)
        assert outcome(module.f) == before
        for statement in case.changes:
            exec(statement, vars(module))
            plain = outcome(module.f.__wrapped__)
            assert plain != before, statement
            assert outcome(module.f) == plain, statement
            before = plain
    for name in ("config", "live"):
        sys.modules.pop(name, None)


def test_new_name_is_detected(tmp_path: Path, run_python: Callable[..., str]) -> None:
    printed = run_python(
        """
from funes import memorious
@memorious
def f(x):
    try:
        return helper(x)
    except NameError:
        return "nothing"
print(f(1))
def helper(x):
    return x + 1
print(f(1))
def len(x):
    return 99
@memorious
def g(x):
    return len(x)
print(g([1]))
del len
print(g([1]))
"""
    )
    assert printed.split() == ["nothing", "2", "99", "1"]


def test_change_of_argument_class_is_detected() -> None:
    class Shape:
        def area(self) -> int:
            return 1

    @memorious
    def f(shape: Shape) -> int:
        return shape.area()

    assert f(Shape()) == 1
    Shape.area = lambda self: 2  # type: ignore[method-assign]
    assert f(Shape()) == 2
