"""Fields of exceptions besides their arguments: `errno`, `code`, `name`."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from funes import hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

pytestmark = pytest.mark.usefixtures("without_reducers_of_tblib")


class OwnError(Exception):
    pass


class OwnOfSystemError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(5, "x", path)


class SlottedError(ValueError):
    __slots__ = ("detail",)


class ReducedError(Exception):
    """Leaves out its cache."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.cache: list[int] = []

    def __reduce__(self) -> Any:
        return ReducedError, (self.code,)


UNDECODABLE = ("utf-8", b"ab", 0, 1, "reason")
PLACE = ("file", 1, 2, "text")

MAKERS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("x"),
    "OSError": lambda: OSError(2, "x"),
    "OSError of a file": lambda: OSError(2, "x", "file"),
    "OSError of two files": lambda: OSError(18, "x", "file", None, "other"),
    "OSError of a text": lambda: OSError("x"),
    "BlockingIOError": lambda: BlockingIOError(11, "x", 3),
    "SystemExit": lambda: SystemExit(3),
    "SystemExit of two": lambda: SystemExit(3, 4),
    "StopIteration": lambda: StopIteration(5),
    "StopIteration of nothing": StopIteration,
    "NameError": lambda: NameError("x"),
    "AttributeError": lambda: AttributeError("x"),
    "ImportError": lambda: ImportError("x", name="y", path="z"),
    "ImportError of a text": lambda: ImportError("x"),
    "SyntaxError": lambda: SyntaxError("x", PLACE),
    "SyntaxError of a text": lambda: SyntaxError("x"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError(*UNDECODABLE),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", "ab", 0, 1, "reason"),
    "JSONDecodeError": lambda: json.JSONDecodeError("x", "doc", 1),
    "own": lambda: OwnError("x", 1),
    "own with slots": lambda: SlottedError("x"),
    "own with a reduction": lambda: ReducedError(1),
}
if sys.version_info >= (3, 11):
    MAKERS["ExceptionGroup"] = lambda: ExceptionGroup("x", [ValueError("y")])  # noqa: F821

#: Exception -> fields that can be set, with another value.
FIELDS: dict[str, dict[str, object]] = {
    "OSError": {"errno": 3, "strerror": "y", "filename": "f", "filename2": "g"},
    "OSError of a file": {"errno": 3, "filename": "g"},
    "OSError of a text": {"errno": 3, "filename": "f"},
    "BlockingIOError": {"characters_written": 4},
    "SystemExit": {"code": 4},
    "StopIteration": {"value": 6},
    "StopIteration of nothing": {"value": 6},
    "NameError": {"name": "y"},
    "AttributeError": {"name": "y", "obj": 1},
    "ImportError": {"name": "w", "path": "w", "msg": "w"},
    "ImportError of a text": {"name": "w", "path": "w"},
    "SyntaxError": {"msg": "y", "filename": "g", "lineno": 7, "offset": 7, "text": "y", "end_lineno": 7,
                    "end_offset": 7, "print_file_and_line": True},
    "SyntaxError of a text": {"lineno": 7, "text": "y"},
    "UnicodeDecodeError": {"encoding": "ascii", "object": b"cd", "start": 1, "end": 2, "reason": "y"},
    "UnicodeEncodeError": {"encoding": "ascii", "object": "cd", "start": 1, "end": 2, "reason": "y"},
    "JSONDecodeError": {"lineno": 9, "extra": 1},
    "own": {"detail": 1},
    "own with slots": {"detail": 1, "more": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_field_counts(name: str) -> None:
    errors = [MAKERS[name]()]
    for field, value in FIELDS[name].items():
        errors.append(MAKERS[name]())
        setattr(errors[-1], field, value)
    assert_all_differ(errors)
    again = MAKERS[name]()
    for field, value in reversed(FIELDS[name].items()):
        setattr(again, field, value)
        setattr(errors[-1], field, value)
    for field, value in FIELDS[name].items():
        setattr(errors[-1], field, value)
    assert hash_value(again) == hash_value(errors[-1])


@pytest.mark.parametrize("name", MAKERS)
def test_copies_are_equal(name: str) -> None:
    make = MAKERS[name]
    assert_all_equal([make(), make(), copy.copy(make()), pickle.loads(pickle.dumps(make()))])


def test_exceptions_differ() -> None:
    assert_all_differ(make() for make in MAKERS.values())


@pytest.mark.parametrize("name", MAKERS)
def test_note_counts(name: str) -> None:
    plain, first, second = (MAKERS[name]() for _ in range(3))
    first.__notes__, second.__notes__ = ["a"], ["b"]  # type: ignore[attr-defined]
    assert_all_differ([plain, first, second])


def test_field_that_pickle_keeps_is_in_the_copy() -> None:
    error = ImportError("x", name="y", path="z")
    error.extra = 1  # type: ignore[attr-defined]
    assert_all_equal([error, pickle.loads(pickle.dumps(error))])


def test_field_of_an_exception_that_was_raised_counts() -> None:
    def raised(name: str) -> AttributeError:
        with pytest.raises(AttributeError) as caught:
            getattr(1, name)
        caught.value.args = ("x",)
        return caught.value

    assert_all_differ(map(raised, ("first", "second")))
    assert_all_equal([raised("first"), raised("first")])


def test_field_that_follows_from_no_argument_counts() -> None:
    first, second = OwnOfSystemError("a"), OwnOfSystemError("b")
    second.filename = "c"
    assert_all_differ([first, second, OwnOfSystemError("d")])


def test_what_a_reduction_leaves_out_does_not_count() -> None:
    first, second = ReducedError(1), ReducedError(1)
    second.cache.append(1)
    assert_all_equal([first, second])


def test_traceback_does_not_count() -> None:
    def raised() -> ValueError:
        try:
            raise ValueError("x")
        except ValueError as error:
            return error

    assert_all_equal([ValueError("x"), raised()])


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import pickle
values = [OSError(2, "x", "f"), StopIteration(5), SystemExit(3), SyntaxError("x", ("f", 1, 2, "t")), NameError("x")]
values.append(ImportError("x", name="y"))
values += [pickle.loads(pickle.dumps(value)) for value in values]
values[0].errno = 3
values[1].value = 6
values[4].name = "y"
""",
    )


def test_a_suppressed_context_counts_without_a_context() -> None:
    makers: list[Callable[[], BaseException]] = [
        lambda: KeyError(1),
        lambda: OSError(2, "x"),
        lambda: SystemExit(3),
    ]
    for make in makers:
        error = make()
        error.__suppress_context__ = True
        assert_all_differ([make(), error])
