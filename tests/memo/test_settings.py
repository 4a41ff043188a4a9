"""A value of a FUNES_ variable that is not allowed gives one warning, and the call passes and is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Python = Callable[..., "CompletedProcess[str]"]

SCRIPT = """
from funes import memorious

@memorious(cache_dir="cache")
def f(x):
    return x

@memorious(cache_dir="cache")
def g(x):
    return -x

print(f(1), f(1), g(1), f(2), f.is_cached(1))
"""

LARGE = "9" * 400


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("FUNES_LOG", "loud", "it must be a level of logging, such as info"),
        ("FUNES_MAX_BYTES", "much", "it must be a size such as 500M or 10G"),
        ("FUNES_MAX_BYTES", LARGE, "it must be a size such as 500M or 10G"),
        ("FUNES_MEMORY", "abc", "it must be a size such as 64M or 2G"),
        ("FUNES_MEMORY", "-1", "it must be a size such as 64M or 2G"),
        ("FUNES_MEMORY", LARGE, "it must be a size such as 64M or 2G"),
        ("FUNES_MODE", "offlne", "it must be off, readonly, offline or refresh, not 'offlne'"),
        ("FUNES_PACKED", "no", "it must be 0 or 1, not 'no'"),
        ("FUNES_RECHECK", "5%", "it must be the share of hits to compute again, from 0 to 1"),
        ("FUNES_REMOTE", "ftp://bucket", "it must begin with s3://, gs://, az:// or file:///"),
        ("FUNES_REMOTE", "s3://key:hush@bucket", "it must be a URL without a user name, password"),
        ("FUNES_RUNS", "no", "it must be 0 or 1, not 'no'"),
    ],
    ids=lambda value: value[:12],
)
def test_value_that_is_not_allowed_gives_one_warning(
    python: Python, tmp_path: Path, name: str, value: str, reason: str
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = python("script.py", **{name: value})
    assert (done.returncode, done.stdout) == (0, "1 1 -1 2 True\n")
    assert done.stderr.count("CacheWarning: ") == 1, done.stderr
    assert f"CacheWarning: {name} is ignored: {reason}" in done.stderr
    assert "script.py:" in done.stderr.splitlines()[0]
    assert "hush" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FUNES_LOG", " "),
        ("FUNES_LOG", "error"),
        ("FUNES_MAX_BYTES", "0"),
        ("FUNES_MAX_BYTES", "10 GiB"),
        ("FUNES_MEMORY", ""),
        ("FUNES_MEMORY", "64 m"),
        ("FUNES_MODE", ""),
        ("FUNES_MODE", "refresh"),
        ("FUNES_PACKED", "0"),
        ("FUNES_PACKED", "1"),
        ("FUNES_RECHECK", "0"),
        ("FUNES_REMOTE", ""),
    ],
)
def test_allowed_value_gives_no_warning(
    python: Python, tmp_path: Path, name: str, value: str
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = python("script.py", **{name: value})
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 -1 2 True\n", "")
