"""A call returns as if there were no remote cache if that fails in any way, with one warning."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_s3
import pytest

import funes
from funes._remote import bucket, remote

Make = Callable[..., Any]
Printed = Callable[[], list[str]]
RunPython = Callable[..., str]

SKEWED = fake_s3.refusing(403, "RequestTimeTooSkewed")

FAULTS = {
    "unauthorized": (fake_s3.refusing(401, "InvalidToken"), "401 Unauthorized InvalidToken"),
    "forbidden": (fake_s3.refusing(403, "AccessDenied"), "403 Forbidden AccessDenied"),
    "clock skew": (SKEWED, "RequestTimeTooSkewed"),
    "no bucket": (fake_s3.refusing(404, "NoSuchBucket"), "404 Not Found NoSuchBucket"),
    "throttled": (fake_s3.refusing(503, "SlowDown"), "503 Service Unavailable SlowDown"),
    "broken": (fake_s3.refusing(500, "InternalError"), "500 Internal Server Error"),
    "slow": (fake_s3.hanging, "did not answer in time"),
    "nonsense": (lambda handler: handler.answer(200, b"<html>") or True, "bucket/team: "),
}


def caught(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Returns the result of a call, and its warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    return result, [str(each.message) for each in found]


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_server_costs_one_warning_and_one_timeout(
    name: str,
    server: fake_s3.FakeS3,
    machine: Make,
    monkeypatch: pytest.MonkeyPatch,
    secrets: tuple[str, str],
) -> None:
    server.fault, expected = FAULTS[name]
    monkeypatch.setattr(bucket, "READ_SECONDS", 0.5)
    there = machine("there")
    started = time.monotonic()
    result, messages = caught(lambda: [there(x) for x in range(5)])
    assert result == [0, 3, 6, 9, 12]
    assert time.monotonic() - started < 5
    assert len(messages) == 1
    assert expected in messages[0]
    assert not any(secret in messages[0] for secret in secrets)
    assert not funes.flush()
    requests = len(server.requests)
    # Nothing is asked for a minute, then once.
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + remote.PAUSE_SECONDS - 1)
    assert there(5) == 15
    assert not funes.flush()
    assert len(server.requests) == requests
    server.fault = None
    monkeypatch.setattr(time, "monotonic", lambda: now + remote.PAUSE_SECONDS + 6)
    assert there(6) == 18
    assert funes.flush(10)
    assert len(server.requests) > requests
    assert server.entries() == 1


def test_a_server_that_cannot_be_reached_costs_one_warning(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.close()
    result, messages = caught(lambda: [machine("there")(x) for x in range(3)])
    assert result == [0, 3, 6]
    assert [message for message in messages if "cannot be reached" in message] == messages
    assert len(messages) == 1


def test_a_server_name_that_cannot_be_resolved_costs_one_warning(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://no-such-host.invalid:80")
    result, messages = caught(lambda: [machine("there")(x) for x in range(3)])
    assert result == [0, 3, 6]
    assert len(messages) == 1


def test_a_truncated_body_is_not_stored(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, tmp_path: Path
) -> None:
    machine("here")(2)
    assert funes.flush()
    server.fault = fake_s3.truncating
    result, messages = caught(lambda: machine("there")(2))
    assert (result, len(messages)) == (6, 1)
    assert printed() == ["computing 2", "computing 2"]
    assert not list((tmp_path / "there").rglob(".tmp-*"))


def test_a_slow_server_in_the_middle_of_a_body_is_left_in_time(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("here")(2)
    assert funes.flush()
    monkeypatch.setattr(bucket, "READ_SECONDS", 0.5)
    monkeypatch.setattr(remote, "_remotes", {})

    def stalling(handler: fake_s3.Handler) -> bool:
        found = server.objects.get(handler.name)
        if handler.command != "GET" or found is None:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(found.content)))
        handler.send_header("ETag", found.e_tag)
        handler.send_header("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")
        handler.end_headers()
        handler.wfile.write(found.content[:10])
        handler.wfile.flush()
        return fake_s3.hanging(handler)

    server.fault = stalling
    started = time.monotonic()
    result, messages = caught(lambda: machine("there")(2))
    assert (result, len(messages)) == (6, 1)
    assert time.monotonic() - started < 5


def test_results_are_read_if_writing_is_forbidden(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    machine("here")(2)
    assert funes.flush()

    def forbidding(handler: fake_s3.Handler) -> bool:
        return handler.command == "PUT" and handler.refuse(403, "AccessDenied")

    server.fault = forbidding
    there = machine("there")
    assert there(3) == 9
    is_sent, messages = caught(funes.flush)
    assert not is_sent
    assert len(messages) == 1
    assert "403 Forbidden AccessDenied" in messages[0]
    assert "funes push" in messages[0]
    assert [there(x) for x in (2, 4, 5)] == [6, 12, 15]
    assert printed() == ["computing 2", "computing 3", "computing 4", "computing 5"]


@pytest.mark.parametrize("ignores", [True, False])
def test_a_server_without_conditional_requests_gets_plain_ones(
    ignores: bool, server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    server.is_conditional = False

    def refusing(handler: fake_s3.Handler) -> bool:
        is_conditional = "If-Match" in handler.headers or "If-None-Match" in handler.headers
        return is_conditional and handler.refuse(501, "NotImplemented")

    server.fault = None if ignores else refusing
    machine("here")(2)
    assert funes.flush()
    name = next(name for name in server.names() if name.endswith(".dill"))
    content = server.objects[name].content
    server.put(name, content[:-1])
    with pytest.warns(funes.CacheWarning, match="has no footer of an entry"):
        assert machine("there")(2) == 6
    assert funes.flush()
    assert server.objects[name].content != content[:-1]
    assert machine("third")(2) == 6
    assert printed() == ["computing 2", "computing 2"]


def test_a_damaged_object_is_reported_computed_and_replaced(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, tmp_path: Path
) -> None:
    machine("here")(2)
    assert funes.flush()
    name = next(name for name in server.names() if name.endswith(".dill"))
    content = server.objects[name].content
    server.put(name, content[:50] + bytes([content[50] ^ 1]) + content[51:])
    there = machine("there")
    result, messages = caught(lambda: [there(2), there(2)])
    assert result == [6, 6]
    assert len(messages) == 1
    assert f"s3://bucket/{name} was not used: its checksum" in messages[0]
    assert funes.flush()
    assert machine("third")(2) == 6
    assert printed() == ["computing 2", "computing 2"]
    assert not list((tmp_path / "there").rglob("damaged"))


def test_a_damaged_object_that_was_repaired_meanwhile_stays(
    server: fake_s3.FakeS3, machine: Make
) -> None:
    machine("here")(2)
    assert funes.flush()
    name = next(name for name in server.names() if name.endswith(".dill"))
    content = server.objects[name].content
    server.put(name, b"damaged")

    def repairing(handler: fake_s3.Handler) -> bool:
        if handler.command == "PUT":
            server.put(name, content)
        return False

    server.fault = repairing
    with pytest.warns(funes.CacheWarning):
        machine("there")(2)
    assert funes.flush()
    assert server.objects[name].content == content


def test_nothing_is_unpickled_before_the_signature_is_verified(
    server: fake_s3.FakeS3, machine: Make, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("here")(2)
    machine("here", signing_key="of another team, long enough")(3)
    assert funes.flush()
    before = {name: found.content for name, found in server.objects.items()}
    there = machine("there", signing_key="the key of this team, long enough")
    loaded: list[Any] = []
    monkeypatch.setattr("funes._entries.unpickler.load_entry", lambda *each: loaded.append(each))
    result, messages = caught(lambda: [there(2), there(3)])
    assert result == [6, 9]
    assert loaded == []
    assert len(messages) == 1
    assert "not signed with the key in use" in messages[0]
    assert funes.flush()
    assert {name: server.objects[name].content for name in before} == before
    assert printed() == ["computing 2", "computing 3", "computing 2", "computing 3"]


def test_signed_results_are_shared(server: fake_s3.FakeS3, machine: Make, printed: Printed) -> None:
    key = "the key of this team, long enough"
    machine("here", signing_key=key)(2)
    assert funes.flush()
    assert machine("there", signing_key=key)(2) == 6
    assert printed() == ["computing 2"]


def test_an_object_in_another_place_is_damaged(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("here")
    here(2)
    assert funes.flush()
    folder = f"team/triple/{here.definition}"
    content = server.objects[f"{folder}/{here.key(2).arguments}.dill"].content
    server.put(f"{folder}/{here.key(3).arguments}.dill", content)
    monkeypatch.setattr(remote, "_remotes", {})
    with pytest.warns(funes.CacheWarning, match="checksum"):
        assert machine("there")(3) == 9


def test_an_object_that_is_gone_is_computed(
    server: fake_s3.FakeS3, machine: Make, printed: Printed
) -> None:
    here, there = machine("here"), machine("there")
    here(2)
    assert funes.flush()
    there(1)
    server.objects.clear()
    assert there(2) == 6
    assert funes.flush()
    assert any(name.endswith(f"{there.key(2).arguments}.dill") for name in server.names())


def test_a_strict_function_raises(server: fake_s3.FakeS3, machine: Make) -> None:
    server.fault = fake_s3.refusing(403, "AccessDenied")
    with pytest.raises(OSError, match="403 Forbidden AccessDenied"):
        machine("there", strict=True)(2)


def test_a_full_queue_is_reported_once(
    server: fake_s3.FakeS3, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funes._remote import outbox

    monkeypatch.setattr(outbox, "MAX_WAITING", 0)
    here = machine("here")
    result, messages = caught(lambda: [here(x) for x in range(3)])
    assert result == [0, 3, 6]
    assert len(messages) == 1
    assert "funes push" in messages[0]
    assert not funes.flush()
    assert funes.flush()


def test_a_process_that_ends_sends_its_results_within_a_bound(
    server: fake_s3.FakeS3, run_python: RunPython, tmp_path: Path
) -> None:
    script = """
from funes import memorious

@memorious(remote="s3://bucket")
def triple(x):
    return 3 * x

for x in range(50):
    triple(x)
"""
    run_python(script, FUNES_CACHE_DIR=str(tmp_path / "cache"))
    assert server.entries() == 50


def test_a_process_reports_at_its_end_what_was_not_sent(
    server: fake_s3.FakeS3, python: Callable[..., Any], tmp_path: Path
) -> None:
    server.fault = lambda handler: handler.command == "PUT" and handler.refuse(403, "AccessDenied")
    (tmp_path / "script.py").write_text(
        """
from funes import memorious

@memorious(remote="s3://bucket")
def triple(x):
    return 3 * x

triple(1)
"""
    )
    done = python("script.py", FUNES_CACHE_DIR=str(tmp_path / "cache"))
    assert done.returncode == 0
    assert done.stderr.count("CacheWarning") == 1
    assert "403 Forbidden AccessDenied" in done.stderr


@pytest.mark.slow
def test_a_process_ends_if_the_server_does_not_answer(
    server: fake_s3.FakeS3, run_python: RunPython, tmp_path: Path
) -> None:
    def fault(handler: fake_s3.Handler) -> bool:
        return handler.command == "PUT" and fake_s3.hanging(handler)

    server.fault = fault
    script = """
from funes import memorious
from funes._remote import bucket, outbox

bucket.SEND_SECONDS, outbox.EXIT_SECONDS = 2.0, 1.0

@memorious(remote="s3://bucket")
def triple(x):
    return 3 * x

print([triple(x) for x in range(50)][-1])
"""
    started = time.monotonic()
    assert run_python(script, FUNES_CACHE_DIR=str(tmp_path / "cache")) == "147\n"
    assert time.monotonic() - started < 15
