"""`memorious(strict=True)`: where the cache cannot do its work there is an error, not a warning."""

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
    """Can be hashed but for a part of a part."""

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
def test_an_argument_that_cannot_be_hashed_is_an_error_before_it_runs(
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
def test_without_it_the_function_runs_and_one_warning_has_the_same_text(
    model: Any, text: str, cache: Path, printed: Printed
) -> None:
    remembered = memorious(use)
    with pytest.warns(CacheWarning) as warned:
        assert [remembered(model), remembered(model)] == ["used", "used"]
    assert printed() == ["ran", "ran"]
    [warning] = warned
    assert f"it ran uncached: {text}" in str(warning.message)
    assert "memorious(ignore=...)" in str(warning.message)


def test_what_is_ignored_may_be_anything(printed: Printed) -> None:
    remembered = memorious(use, strict=True, ignore="model")
    assert [remembered(Model()), remembered(threading.Lock())] == ["used", "used"]
    assert printed() == ["ran"]


def test_a_result_that_cannot_be_stored_is_an_error(printed: Printed) -> None:
    @memorious(strict=True)
    def lock() -> Any:
        print("ran")
        return threading.Lock()

    with pytest.raises(TypeError, match="lock"):
        lock()
    assert printed() == ["ran"]


def test_a_folder_that_cannot_be_made_is_an_error(cache: Path, printed: Printed) -> None:
    cache.write_text("in the way")
    with pytest.raises(OSError, match="cache"):
        memorious(use, strict=True)(1)
    cache.unlink()


def test_a_damaged_entry_is_an_error(printed: Printed) -> None:
    remembered = memorious(use, strict=True)
    remembered(1)
    remembered.cache_clear()  # what is in memory is right, whatever happens to the file
    remembered.key(1).path.write_bytes(b"garbage")
    with pytest.raises(Exception, match="is damaged"):
        remembered(1)


def test_a_global_that_cannot_be_hashed_is_an_error(printed: Printed) -> None:
    @memorious(strict=True)
    def consume() -> Any:
        print("ran")
        return ENDLESS

    with pytest.raises(UnhashableArgumentError, match="'global ENDLESS', which consume uses"):
        consume()
    assert printed() == []
