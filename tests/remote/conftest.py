"""Fixtures of the tests of the remote cache: a fake S3 server, and memorious functions that use it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes import memorious

#: Credentials that occur nowhere else, so that tests can look for them.
SECRETS = ("AKIA0NOBODYHASTHIS00", "s3cr3t-n0b0dy-has-th1s")


@pytest.fixture
def secrets() -> tuple[str, str]:
    return SECRETS


@pytest.fixture(autouse=True)
def _no_run_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns off run records, since most tests count objects or requests. test_remote_runs.py turns them on."""
    monkeypatch.setenv("FUNES_RUNS", "0")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_s3.FakeS3]:
    pytest.importorskip("obstore")
    from funes._remote import remote

    running = fake_s3.FakeS3()
    monkeypatch.setenv("AWS_ENDPOINT", running.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SECRETS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS[1])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    # The remote caches of other tests, with other servers.
    monkeypatch.setattr(remote, "_remotes", {})
    yield running
    running.fault = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        funes.flush(10)  # no other test sends what this one has left
    running.close()


Make = Callable[..., Any]


@pytest.fixture
def machine(tmp_path: Path) -> Make:
    """Returns ``machine(name, **options)``: a function with a cache folder of its own, which counts its runs."""

    def make(name: str, **options: Any) -> Any:
        given: dict[str, Any] = {"remote": "s3://bucket/team", **options}

        @memorious(cache_dir=tmp_path / name, **given)
        def triple(x: int) -> int:
            print("computing", x)
            return 3 * x

        return triple

    return make
