"""`memorious(strict=True)` raises an error where the cache would give a warning."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, UnhashableArgumentError, memorious

Printed = Callable[[], list[str]]

pytestmark = pytest.mark.usefixtures("cache")

ENDLESS = iter([1])


class Model:
    """Contains an unhashable object two levels deep."""

    def __init__(self) -> None:
        self.cache = {"lock": threading.Lock()}

    def predict(self) -> int:
        return 1


def use(model: Any) -> str:
    print("ran")
    return "used"


TEXTS = [
    (Model(), "argument 'model' -> .cache['lock']: a lock cannot be part of a key"),
    ([Model().predict], "argument 'model' -> [0].__self__.cache['lock']: a lock cannot be part"),
    ({"it": iter([])}, "argument 'model' -> ['it']: an iterator cannot be part of a key"),
    (threading.Lock(), "argument 'model': a lock cannot be part of a key"),
]


@pytest.mark.parametrize(("model", "text"), TEXTS, ids=lambda it: type(it).__name__)
def test_strict_raises_for_unhashable_argument_before_the_run(
    model: Any, text: str, cache: Path, printed: Printed
) -> None:
    with pytest.raises(UnhashableArgumentError) as refused:
        memorious(use, strict=True)(model)
    assert str(refused.value).startswith(text)
    for advice in ("memorious(ignore=...)", "funes.register", "__funes_key__"):
        assert advice in str(refused.value)
    assert isinstance(refused.value, TypeError)
    assert printed() == []
    assert not cache.exists()


@pytest.mark.parametrize(("model", "text"), TEXTS, ids=lambda it: type(it).__name__)
def test_non_strict_warns_once_with_the_same_text(
    model: Any, text: str, cache: Path, printed: Printed
) -> None:
    remembered = memorious(use)
    with pytest.warns(CacheWarning) as warned:
        assert [remembered(model), remembered(model)] == ["used", "used"]
    assert printed() == ["ran", "ran"]
    [warning] = warned
    assert f"it ran uncached: {text}" in str(warning.message)
    assert "memorious(ignore=...)" in str(warning.message)


def test_strict_allows_unhashable_ignored_arguments(printed: Printed) -> None:
    remembered = memorious(use, strict=True, ignore="model")
    assert [remembered(Model()), remembered(threading.Lock())] == ["used", "used"]
    assert printed() == ["ran"]


def test_strict_raises_for_unstorable_result(printed: Printed) -> None:
    @memorious(strict=True)
    def lock() -> Any:
        print("ran")
        return threading.Lock()

    with pytest.raises(TypeError, match="lock"):
        lock()
    assert printed() == ["ran"]


def test_strict_raises_for_unwritable_folder(cache: Path, printed: Printed) -> None:
    cache.write_text("in the way")
    with pytest.raises(OSError, match="cache"):
        memorious(use, strict=True)(1)
    cache.unlink()


def test_strict_raises_for_damaged_entry(printed: Printed) -> None:
    remembered = memorious(use, strict=True)
    remembered(1)
    remembered.cache_clear()  # the result in memory does not depend on the file
    remembered.key(1).path.write_bytes(b"garbage")
    with pytest.raises(Exception, match="is damaged"):
        remembered(1)


def test_strict_raises_for_unhashable_global(printed: Printed) -> None:
    @memorious(strict=True)
    def consume() -> Any:
        print("ran")
        return ENDLESS

    with pytest.raises(UnhashableArgumentError, match="'global ENDLESS', which consume uses"):
        consume()
    assert printed() == []
