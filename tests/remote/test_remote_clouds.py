"""Google Cloud Storage and Azure: what the URL and the environment become. No server of theirs was tried."""

from __future__ import annotations

import socket
import warnings
from pathlib import Path
from typing import Any

import pytest

import funes
from funes import memorious

SECRET = "aHVzaC1odXNo"


@pytest.fixture
def bucket_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns ``bucket_at(url)``: the bucket, with credentials in the environment."""
    pytest.importorskip("obstore")
    from funes._remote.bucket import Bucket

    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    return Bucket


@pytest.mark.parametrize(
    ("url", "store", "config"),
    [
        ("gs://team/a/b", "GCSStore", {"bucket": "team"}),
        ("az://team/a/b", "AzureStore", {"container_name": "team"}),
    ],
)
def test_url_names_bucket_and_prefix(
    bucket_at: Any, url: str, store: str, config: dict[str, str]
) -> None:
    bucket = bucket_at(url)
    for one in (bucket._reading, bucket._sending):
        assert type(one).__name__ == store
        assert one.prefix == "a/b"
        assert one.config == config
        assert one.client_options["connect_timeout"] == "2.0s"
        assert one.retry_config["max_retries"] == 2
        assert SECRET not in repr((one.config, one.client_options))
    assert bucket._reading.client_options["read_timeout"] == "5.0s"
    assert bucket._sending.client_options["timeout"] == "20.0s"


@pytest.mark.parametrize(("url", "prefix"), [("gs://team", "GOOGLE"), ("az://team", "AZURE")])
def test_settings_of_the_http_client_are_read_from_the_environment(
    bucket_at: Any, monkeypatch: pytest.MonkeyPatch, url: str, prefix: str
) -> None:
    assert "allow_http" not in bucket_at(url)._reading.client_options
    monkeypatch.setenv(f"{prefix}_ALLOW_HTTP", "true")
    monkeypatch.setenv(f"{prefix}_PROXY_URL", "http://127.0.0.1:1")
    options = bucket_at(url)._reading.client_options
    assert str(options["allow_http"]).lower() == "true"
    assert options["proxy_url"] == "http://127.0.0.1:1"


def test_azure_that_cannot_be_reached_costs_one_warning_without_secrets(
    bucket_at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv(
            "AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}/account"
        )
        monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")

        @memorious(cache_dir=tmp_path, remote="az://team/a")
        def double(x: int) -> int:
            return x * 2

        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            assert [double(x) for x in range(3)] == [0, 2, 4]
            funes.flush()
    (warning,) = found
    assert "az://team/a: the server cannot be reached" in str(warning.message)
    assert SECRET not in str(warning.message)
