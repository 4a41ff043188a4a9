"""`remote=` and `FUNES_REMOTE`: what is allowed, what is reported, and that no secret leaves the environment."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes import memorious

Make = Callable[..., Any]
RunPython = Callable[..., str]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://server/x", "must begin with s3://, gs://, az:// or file:///"),
        ("/mnt/shared", "must begin with"),
        ("bucket", "must begin with"),
        ("s3:/bucket", "must begin with"),
        ("s3://", "must name a bucket"),
        ("file://", "must name an absolute folder"),
        ("file://host/folder", "must name an absolute folder"),
        ("s3://bucket?endpoint=x", "without a user name"),
    ],
)
def test_a_wrong_url_is_refused_at_decoration(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"remote .*{message}"):
        memorious(remote=url)


@pytest.mark.parametrize(
    "url", ["s3://key:hush-hush@bucket/x", "az://a/b?sig=hush-hush", "gs://b/x#hush-hush"]
)
def test_a_url_with_a_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="Credentials come from environment") as raised:
        memorious(remote=url)
    assert "hush-hush" not in str(raised.value)


def test_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="remote must be the URL"):
        memorious(remote=Path("/mnt"))  # type: ignore[call-overload]


def test_a_url_as_cache_folder_is_an_error_that_names_remote(cache: Path) -> None:
    with pytest.raises(ValueError, match="use remote= for a bucket"):
        memorious(cache_dir="s3://bucket/cache")


def test_the_environment_variable_is_used_unless_the_option_is_given(
    server: fake_s3.FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_REMOTE", "s3://bucket/of-all/")

    @memorious(cache_dir=tmp_path / "one")
    def first(x: int) -> int:
        return x

    @memorious(cache_dir=tmp_path / "two", remote="")
    def second(x: int) -> int:
        return x

    first(1)
    second(1)
    assert funes.flush()
    assert {name.split("/")[1] for name in server.names()} == {"first"}


def test_a_wrong_environment_variable_gives_one_warning(
    server: fake_s3.FakeS3, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNES_REMOTE", "ftp://key:hush-hush@bucket")

    @memorious
    def first(x: int) -> int:
        return x

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert [first(x) for x in range(3)] == [0, 1, 2]
    assert len(found) == 1
    assert "FUNES_REMOTE" in str(found[0].message)
    assert "hush-hush" not in str(found[0].message)
    assert found[0].filename == __file__


def test_a_missing_obstore_is_named(cache: Path, run_python: RunPython) -> None:
    script = """
import sys, warnings
sys.modules["obstore"] = None
from funes import memorious
try:
    memorious(remote="s3://bucket")
except ImportError as error:
    print(error)

@memorious
def double(x):
    return x * 2

with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    print(double(1), double(2))
print(*(each.message for each in found), sep="\\n")
"""
    assert run_python(script, FUNES_REMOTE="s3://bucket").splitlines() == [
        "remote= needs obstore: pip install 'funes[remote]'",
        "2 4",
        "the remote cache is not used, since obstore is missing: pip install 'funes[remote]'",
    ]


def test_a_remote_cache_costs_no_import_before_a_miss(cache: Path, run_python: RunPython) -> None:
    pytest.importorskip("obstore")
    script = """
import sys
from funes import memorious

@memorious(remote="file:///tmp/x")
def double(x):
    return x * 2

print([name for name in sys.modules if "obstore" in name or "funes._remote" in name])
"""
    assert run_python(script) == "[]\n"


def test_no_secret_is_in_a_pickle_a_log_a_message_or_a_file(
    server: fake_s3.FakeS3,
    machine: Make,
    secrets: tuple[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import cloudpickle

    caplog.set_level(logging.DEBUG)
    here = machine("here")
    here(2)
    assert funes.flush()
    server.fault = fake_s3.refusing(403, "SignatureDoesNotMatch")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        here.refresh(2)
        here(3)
        funes.flush()
        here(4)
    assert found
    texts = [str(each.message).encode() for each in found]
    texts += [cloudpickle.dumps(here), pickle.dumps(here._options), repr(here._options).encode()]
    texts += [each.content for each in server.objects.values()]
    texts += [path.read_bytes() for path in (tmp_path / "here").rglob("*") if path.is_file()]
    texts.append(caplog.text.encode())
    for secret in secrets:
        assert os.environ["AWS_SECRET_ACCESS_KEY"]  # it is there to be leaked
        assert not any(secret.encode() in text for text in texts)
