"""Tests which parts of functions, classes and instances count if they are arguments."""

from __future__ import annotations

import functools
import inspect
import pickle
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from funes import hash_definition, memorious
from funes._code.function_attributes import MEMO_STATE, memo_attributes

pytestmark = pytest.mark.usefixtures("cache")


def function(doc: str = "", annotation: Any = int, **attributes: Any) -> Callable[..., Any]:
    def made(x: Any) -> Any:
        return x

    made.__doc__ = doc
    made.__annotations__ = {"x": annotation}
    made.__dict__.update(attributes)
    return made


def class_of(doc: str = "", annotation: Any = int, **attributes: Any) -> Any:
    class Made:
        def method(self) -> None:
            pass

    Made.__doc__ = Made.method.__doc__ = doc
    Made.__annotations__ = {"x": annotation}
    Made.method.__dict__.update(attributes)
    return Made


def wrapping(inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def wrapper() -> int:
        return 0

    return wrapper


def get_type_hints_of(cls: Any) -> Any:
    return get_type_hints(cls)


READS: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (lambda g: g.weight, function(weight=1), function(weight=2)),
    (lambda g: getattr(g, "weight", 0), function(), function(weight=2)),
    (lambda gs: [g.tags for g in gs], [function(tags=["a"])], [function(tags=["b"])]),
    (lambda g: g.__wrapped__(), wrapping(lambda: 1), wrapping(lambda: 2)),
    (lambda g: inspect.unwrap(g)(), wrapping(lambda: 1), wrapping(lambda: 2)),
    (lambda c: c.method.route, class_of(route="a"), class_of(route="b")),
    (lambda o: o.method.route, class_of(route="a")(), class_of(route="b")()),
    (
        lambda p: p.func.weight,
        functools.partial(function(weight=1)),
        functools.partial(function(weight=2)),
    ),
    (lambda g: g.__doc__, function("a"), function("b")),
    (lambda gs: [inspect.getdoc(g) for g in gs], [function("a")], [function("b")]),
    (lambda o: o.__doc__, class_of("a")(), class_of("b")()),
    (lambda o: type(o).__doc__, class_of("a")(), class_of("b")()),
    (lambda o: inspect.getdoc(o.method), class_of("a")(), class_of("b")()),
    (lambda g: g.__annotations__, function("", int), function("", str)),
    (lambda g: str(inspect.signature(g)), function("", int), function("", str)),
    (lambda o: type(o).__annotations__, class_of("", int)(), class_of("", str)()),
    (get_type_hints_of, class_of("", int), class_of("", list[str])),
]


@pytest.mark.parametrize(("read", "one", "other"), READS)
def test_read_parts_of_arguments_count(read: Callable[[Any], Any], one: Any, other: Any) -> None:
    memo = memorious(read)
    assert memo(one) == read(one) != read(other) == memo(other)
    assert memo.key(one).definition == memo.key(other).definition


def test_unread_parts_of_arguments_do_not_count() -> None:
    @memorious
    def call(thing: Any) -> Any:
        return thing.method()

    assert call.key(class_of("a", int)()) == call.key(class_of("b", str)())
    memo = memorious(lambda g: g(1))
    assert memo.key(function("a", int)) == memo.key(function("b", str))


def weighed(x: int) -> int:
    return x


@memorious
def remembered(x: int) -> int:
    return x


class Tool:
    """One."""

    size: int

    def method(self) -> None:
        pass


def test_change_in_argument_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    for thing in (weighed, remembered, Tool.method):
        memo = memorious(lambda g: g.weight)
        for weight in (1, 2, [3]):
            monkeypatch.setattr(thing, "weight", weight, raising=False)
            assert memo(thing) == weight
        thing.weight.append(4)  # type: ignore[union-attr]
        assert memo(thing) == [3, 4]
    described = memorious(lambda tool: (type(tool).__doc__, type(tool).__annotations__))
    before = described(Tool())
    monkeypatch.setattr(Tool, "__doc__", "Two.")
    assert described(Tool())[0] == "Two."
    monkeypatch.setattr(Tool, "__annotations__", {"size": str})
    assert described(Tool())[1] == {"size": str}
    monkeypatch.undo()
    assert described(Tool()) == before


def test_parts_that_one_argument_reads_of_another_count() -> None:
    def doc_of(thing: Any) -> Any:
        return type(thing).__doc__

    @memorious
    def apply(read: Callable[[Any], Any], thing: Any) -> Any:
        return read(thing)

    assert apply(doc_of, class_of("a")()) == "a"
    assert apply(doc_of, class_of("b")()) == "b"
    assert apply(repr, 1) == "1"
    assert apply.key(id, class_of("a")()) == apply.key(id, class_of("b")())


def test_memorious_argument_equals_plain_function() -> None:
    memo = memorious(lambda g: g(1))
    assert memo.key(remembered) == memo.key(remembered.__wrapped__)
    remembered.__dict__["weight"] = 1
    try:
        assert memo.key(remembered) != memo.key(remembered.__wrapped__)
    finally:
        del remembered.__dict__["weight"]


def test_cache_folder_of_wrapped_memo_does_not_count(tmp_path: Any) -> None:
    def wrapped(folder: str) -> Any:
        memo = memorious(function(), cache_dir=tmp_path / folder)
        memo(1)

        @functools.wraps(memo)
        def wrapper(x: int) -> Any:
            return memo(x)

        return functools.lru_cache(wrapper)

    assert hash_definition(wrapped("a")) == hash_definition(wrapped("b"))


def test_internal_state_of_memo_does_not_count() -> None:
    memo = memorious(function())
    before = hash_definition(memo)
    memo(1)
    pickle.dumps(memo)
    assert vars(memo).keys() <= set(MEMO_STATE)
    assert not memo_attributes(memo)
    assert hash_definition(memo) == before
