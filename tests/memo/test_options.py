"""Invalid option values raise an error at the decorator, which names the option."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from funes import CacheWarning, memorious, open_cache
from funes._entries.cache_folder import is_url
from funes._memo.options import _FOREIGN, Options


async def coroutine(_result: object, _seconds: float) -> bool:
    return False


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("cache_dir", 5, TypeError),
        ("cache_dir", b"cache", TypeError),
        ("cache_dir", ["cache"], TypeError),
        ("cache_dir", "s3://bucket/cache", ValueError),
        ("cache_dir", "gs://bucket", ValueError),
        ("cache_dir", "file:///tmp/cache", ValueError),
        ("cache_dir", PurePosixPath("s3://bucket/cache"), ValueError),
        ("ignore", 3, TypeError),
        ("ignore", [3], TypeError),
        ("ignore", b"x", TypeError),
        ("strict", "no", TypeError),
        ("strict", 1, TypeError),
        ("single_flight", None, TypeError),
        ("shared", "group", TypeError),
        ("signing_key", 5, TypeError),
        ("signing_key", "", TypeError),
        ("verify", "sometimes", ValueError),
        ("verify", True, ValueError),
        ("max_age", "day", ValueError),
        ("max_age", -1, ValueError),
        ("max_age", True, ValueError),
        ("max_age", float("nan"), ValueError),
        ("max_age", timedelta(seconds=-1), ValueError),
        ("cache_if", True, TypeError),
        ("cache_if", "result", TypeError),
        ("cache_if", coroutine, TypeError),
        ("durability", "sometimes", ValueError),
        ("durability", True, ValueError),
        ("durability", None, ValueError),
        ("durability", float("nan"), ValueError),
        ("large_argument", "1X", ValueError),
        ("large_argument", 1.5, TypeError),
        ("large_argument", None, TypeError),
        ("memory", "64X", ValueError),
        ("memory", True, TypeError),
        ("memory", [], TypeError),
    ],
)
def test_invalid_option_value_is_refused_by_option_name(
    option: str, value: Any, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=rf"^{option}\b"):
        memorious(**{option: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "taken"),
    [
        ("cache_dir", "C:/cache", "C:/cache"),
        ("cache_dir", "a:b", "a:b"),
        ("cache_dir", Path("here"), "here"),
        ("ignore", ["x"], frozenset("x")),
        ("ignore", "x", frozenset("x")),
        ("durability", 3, 3.0),
        ("durability", np.float64(0.5), 0.5),
        ("durability", "never", float("inf")),
        ("large_argument", 1e6, 10**6),
        ("large_argument", np.int64(7), 7),
        ("memory", -1, 0),
        ("memory", 10**30, 2**63 - 1),
    ],
)
def test_unambiguous_option_values_are_converted(option: str, value: Any, taken: Any) -> None:
    made = memorious(**{option: value})
    options: Options = made.keywords["options"]  # type: ignore[attr-defined]
    found = getattr(options, option)
    assert (type(found), found) == (type(taken), taken)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("s3://bucket/x", True),
        ("s3:/bucket/x", True),
        ("gs+http://bucket", True),
        ("abfs://x@y/z", True),
        ("C:/cache", False),
        ("C:\\cache", False),
        ("./s3:/x", False),
        ("a b:/x", False),
        ("cache", False),
        ("/tmp/s3:/x", False),
        ("x:y", False),
        ("", False),
    ],
)
def test_url_detection(folder: str, expected: bool) -> None:
    assert is_url(folder) is expected


@pytest.mark.parametrize("url", ["s3://bucket/cache", "gs://x", "az:/x"])
def test_url_in_environment_warns_and_creates_no_folder(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUNES_CACHE_DIR", url)

    @memorious
    def f(x: int) -> int:
        return x + 1

    with pytest.warns(CacheWarning, match="FUNES_CACHE_DIR must be a folder, not the URL") as found:
        assert f(1) == 2
    assert len(found) == 1
    assert list(tmp_path.iterdir()) == []
    assert not f.is_cached(1)
    with pytest.raises(NotADirectoryError):
        f.key(1)
    with pytest.raises(ValueError, match="is a URL"):
        open_cache()
    monkeypatch.setenv("FUNES_CACHE_DIR", str(tmp_path / "cache"))
    assert f(1) == 2
    assert f.is_cached(1)


def test_file_at_cache_dir_warns_and_calls_succeed(tmp_path: Path) -> None:
    path = tmp_path / "afile"
    path.write_text("mine", encoding="utf-8")

    @memorious(cache_dir=path)
    def f(x: int) -> int:
        return x + 1

    with pytest.warns(
        CacheWarning,
        match="not stored: could not create a file in .*afile.*: not a directory$",
    ):
        assert f(1) == 2
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("expire", "max_age="),
        ("ttl", "max_age="),
        ("stale_after", "max_age="),
        ("cachedir", 'cache_dir="..."'),
        ("cache_dir_path", 'cache_dir="..."'),
        ("location", 'cache_dir="..."'),
        ("maxsize", "memory="),
        ("typed", "always have different keys"),
        ("refresh", "f.refresh(...)"),
        ("verbose", "FUNES_LOG=info"),
        ("compress", "leave it out"),
        ("ignore_args", 'ignore="name"'),
        ("cache_validation_callback", "cache_if="),
        ("max_agee", "Did you mean max_age=?"),
        ("quux", "the options are cache_dir, ignore,"),
    ],
)
def test_options_of_other_libraries_name_ours(option: str, hint: str) -> None:
    with pytest.raises(TypeError) as raised:
        memorious(**{option: 1})
    assert str(raised.value).startswith(
        f"memorious() got an unexpected keyword argument {option!r}"
    )
    assert hint in str(raised.value)
    with pytest.raises(TypeError, match=option):

        @memorious(**{option: 1})
        def f(x: int) -> int:
            return x


def test_hints_for_options_of_other_libraries_name_no_option_that_exists() -> None:
    assert not set(_FOREIGN) & set(Options._fields)
