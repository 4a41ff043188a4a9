"""Tests that endless graphs are refused: mocks, and objects that create further objects at each access."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from funes import CacheWarning, UnhashableArgumentError, hash_definition, hash_value, memorious

pytestmark = pytest.mark.usefixtures("cache")


def helper(x: int) -> int:
    return x


class Client:
    def get(self) -> int:
        return 1


CLIENT = Client()
TABLE: dict[str, Any] = {"helper": helper}


@memorious
def by_name(x: int) -> Any:
    return helper(x)


@memorious
def by_class(x: int) -> Any:
    return Client().get()


@memorious
def by_instance(x: int) -> Any:
    return CLIENT.get()


@memorious
def by_table(x: int) -> Any:
    return [part(x) for part in TABLE.values()]


def deeper(x: int) -> Any:
    return helper(x)


@memorious
def by_helper(x: int) -> Any:
    return deeper(x)


HERE = sys.modules[__name__]
PATCHES: list[tuple[Any, Callable[[Any], Any]]] = [
    (by_name, lambda value: mock.patch.object(HERE, "helper", mock.Mock(return_value=value))),
    (by_name, lambda value: mock.patch(f"{__name__}.helper", return_value=value)),
    (by_name, lambda value: mock.patch(f"{__name__}.helper", autospec=True, return_value=value)),
    (by_helper, lambda value: mock.patch(f"{__name__}.helper", return_value=value)),
    (by_class, lambda value: mock.patch.object(Client, "get", return_value=value)),
    (by_class, lambda value: mock.patch.object(Client, "get", autospec=True, return_value=value)),
    (
        by_class,
        lambda value: mock.patch(f"{__name__}.Client", **{"return_value.get.return_value": value}),
    ),
    (by_instance, lambda value: mock.patch.object(CLIENT, "get", mock.Mock(return_value=value))),
    (
        by_table,
        lambda value: mock.patch.dict(TABLE, {"helper": mock.MagicMock(return_value=value)}),
    ),
]


@pytest.mark.parametrize(("memo", "patched"), PATCHES)
def test_call_with_mock_runs_uncached(memo: Any, patched: Any) -> None:
    memo._warned.clear()
    before = memo(3)
    key = memo.key(3)
    with patched(50):
        with pytest.warns(CacheWarning, match="a mock cannot be part of a key"):
            assert memo(3) == memo.__wrapped__(3)
        with pytest.raises(UnhashableArgumentError, match="mock"):
            memo.key(3)
    with patched(60):
        assert memo(3) == memo.__wrapped__(3)
    assert memo(3) == before
    assert memo.key(3) == key


MOCKS = (
    mock.Mock(),
    mock.MagicMock(),
    mock.AsyncMock(),
    mock.NonCallableMock(),
    mock.PropertyMock(),
    mock.create_autospec(Client),
    mock.create_autospec(helper),
    mock.call(1),
    mock.call.some.name,
    mock.MagicMock().some.name,
)


def children_of(value: Any) -> int:
    return len(vars(value).get("_mock_children") or ())


@pytest.mark.parametrize("value", MOCKS)
def test_mock_is_refused_without_access(value: Any) -> None:
    before = children_of(value)
    for thing in (value, [value], {"a": (value,)}):
        with pytest.raises(UnhashableArgumentError, match="a mock cannot be part of a key"):
            hash_value(thing)
    assert children_of(value) == before


def test_function_argument_that_holds_mock_is_refused() -> None:
    memo = memorious(lambda g: g(1))
    warns = pytest.warns(CacheWarning, match="mock")
    with mock.patch(f"{__name__}.helper", return_value=5), warns:
        assert memo(deeper) == 5
    with mock.patch(f"{__name__}.helper", return_value=6):
        assert memo(deeper) == 6


@pytest.fixture
def library() -> Iterator[Any]:
    """A library whose objects return new objects for every attribute."""
    module = types.ModuleType("json.without_end")
    text = """
class Property:
    @property
    def __wrapped__(self): return Property()
    def __call__(self): return 1
class Attribute:
    def __getattr__(self, name): return Attribute()
class Item:
    def __getattr__(self, name):
        if name == "__wrapped__": return Item()
        raise AttributeError(name)
    def __call__(self): return 1
"""
    sys.modules[module.__name__] = module
    exec(text, vars(module))
    yield module
    del sys.modules[module.__name__]


def test_endless_chain_of_wrappers_is_refused(library: Any) -> None:
    with pytest.raises(UnhashableArgumentError, match="endless chain"):
        hash_value(library.Property())
    start = library.Property()
    memo = memorious(lambda: start)
    with pytest.warns(CacheWarning, match="endless chain"):
        assert memo() is start
    for kind in (library.Attribute, library.Item):
        hash_value(kind())  # an instance without attributes


def test_long_chain_of_partials_and_wrappers_is_followed() -> None:
    import functools

    def chain(end: Any, length: int) -> Any:
        for _ in range(length):
            end = functools.lru_cache(end)
        return end

    assert hash_definition(chain(lambda: 1, 100)) != hash_definition(chain(lambda: 2, 100))


ENDLESS = """
import itertools, sys
from funes import memorious
count = itertools.count()
class Endless:
    def __reduce__(self):
        if next(count) == 10:
            print("looking", flush=True)
        other = Endless()
        return (Endless, (lambda: other,))
endless = Endless()
@memorious(cache_dir=sys.argv[1])
def f(): return endless is not None
print(f(), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a timer of processor time")
def test_interrupt_stops_description(
    tmp_path: Path, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    # The description takes most of a second of processor time. A signal of another process may come too late.
    looking = 'print("looking", flush=True)'
    timer = "signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)"
    interrupt = "import signal\nsignal.signal(signal.SIGVTALRM, signal.default_int_handler)\n"
    script = tmp_path / "main.py"
    script.write_text(interrupt + ENDLESS.replace(looking, f"{looking}; {timer}"))
    run = python(script, tmp_path / "cache")
    assert "KeyboardInterrupt" in run.stderr
    assert run.stdout == "looking\n"


@pytest.mark.slow
def test_definition_size_is_limited(tmp_path: Path, run_python: Callable[..., str]) -> None:
    script = ENDLESS.replace("sys.argv[1]", repr(str(tmp_path / "cache")))
    printed = run_python("import warnings; warnings.simplefilter('ignore')\n" + script)
    assert printed.split() == ["looking", "True"]
