"""A bucket in which another program has written anything: calls return the right results, and no file gets out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import fake_s3
import pytest
from click.testing import CliRunner

import funes
from funes._remote import remote
from funes._tools.cli.commands import funes as commands

Make = Callable[..., Any]
Printed = Callable[[], list[str]]

URL = "s3://bucket/team"
ARGUMENTS = "b" * 40

#: Names below the folder of a function and a definition, or beside them, that no cache has.
NAMES = [
    "tri ple/{definition}/" + ARGUMENTS + ".dill",
    "triple/" + "A" * 40 + "/" + ARGUMENTS + ".dill",
    "-rf/{definition}/" + ARGUMENTS + ".dill",
    "CON/{definition}/" + ARGUMENTS + ".dill",
    "\N{LINE SEPARATOR}/{definition}/definition.json",
    "%2e%2e/{definition}/" + ARGUMENTS + ".dill",
    "_/{definition}/definition.json",
    "x" * 500,
    "a\nb",
    "triple",
    "triple/{definition}",
    "triple/{definition}/" + ARGUMENTS + ".dill",
    "triple/{definition}/" + ARGUMENTS + ".error",
    "triple/{definition}/" + ARGUMENTS + "-" + "0" * 16 + ".dill",
    "triple/{definition}/packed/" + "0" * 32 + ".seg",
    "triple/{definition}/packed/" + "0" * 32 + ".pack",
    "triple/{definition}/.lock",
    "objects/{definition}.dill",
    "objects/{definition}/definition.json",
    "objects/{definition}/" + ARGUMENTS + ".dill",
]


def entry(server: fake_s3.FakeS3) -> str:
    (name,) = (each for each in server.names() if each.endswith(".dill"))
    return name


@pytest.fixture
def there(server: fake_s3.FakeS3, machine: Make, printed: Printed) -> Any:
    """A function of another machine, after one has stored the result for 2."""
    here = machine("here")
    here(2)
    assert funes.flush()
    printed()
    return machine("there")


@pytest.mark.filterwarnings("ignore::funes.CacheWarning")
def test_odd_names_and_contents_harm_nothing(
    server: fake_s3.FakeS3, there: Any, printed: Printed, tmp_path: Path
) -> None:
    for name in NAMES:
        server.put("team/" + name.format(definition=there.definition), b"evil")
    assert there(2) == 6
    assert printed() == []
    assert there(3) == 9
    funes.flush()
    for arguments in (
        ["ls", URL],
        ["show", URL, "triple"],
        ["verify", URL],
        ["pull", str(tmp_path / "pulled"), URL],
        ["gc", URL, "--keep-versions", "1", "--yes"],
    ):
        done = CliRunner().invoke(commands, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    published = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert published
    assert not [path for path in published if path.read_bytes() == b"evil"]


def test_a_name_that_is_no_path_is_named(
    server: fake_s3.FakeS3, there: Any, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_remotes", {})
    server.put(f"team/triple/{there.definition}/../../x", b"evil")
    with pytest.warns(funes.CacheWarning, match="invalid path"):
        assert there(2) == 6
    done = CliRunner().invoke(commands, ["ls", URL])
    assert done.exit_code == 1
    assert "triple/" in done.output


def test_swapped_objects_are_not_used(
    server: fake_s3.FakeS3, there: Any, machine: Make, printed: Printed
) -> None:
    machine("here")(3)
    assert funes.flush()
    one, two = (each for each in server.names() if each.endswith(".dill"))
    server.objects[one], server.objects[two] = server.objects[two], server.objects[one]
    with pytest.warns(funes.CacheWarning, match="was not used"):
        assert (there(2), there(3)) == (6, 9)


def test_a_length_that_is_a_lie_allocates_nothing(
    server: fake_s3.FakeS3, there: Any, printed: Printed
) -> None:
    name = entry(server)

    def lie(handler: fake_s3.Handler) -> bool:
        if handler.command != "GET" or handler.name != name:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 60))
        handler.send_header("ETag", '"x"')
        handler.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        handler.end_headers()
        handler.wfile.write(bytes(100_000))
        handler.close_connection = True
        return True

    server.fault = lie
    with pytest.warns(funes.CacheWarning):
        assert there(2) == 6


@pytest.mark.parametrize(
    "time", [-1e10, 0.0, 9e9, 253_402_300_799.0], ids=["1653", "1970", "2255", "9999"]
)
@pytest.mark.parametrize("stored", ["", "0", "9" * 19, "-5", "1e9", "x"])
def test_times_of_another_clock_are_no_failure(
    server: fake_s3.FakeS3, there: Any, printed: Printed, time: float, stored: str
) -> None:
    found = server.objects[entry(server)]
    found.time = time
    found.metadata = {"funes-stored": stored} if stored else {}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert there(2) == 6
    # The client of the bucket refuses years before 1900.
    assert (warned == [] and printed() == []) or time < 0
    assert CliRunner().invoke(commands, ["ls", URL]).exit_code in (0, int(time < 0))


@pytest.mark.parametrize(
    "body", [b"", b"<x/>", b"\xff" * 100, b"<a>" * 100_000, b"<ListBucketResult><Contents/>"]
)
def test_a_listing_that_is_none_is_no_failure(
    server: fake_s3.FakeS3, machine: Make, body: bytes
) -> None:
    def lie(handler: fake_s3.Handler) -> bool:
        if "list-type" not in handler.path:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    server.fault = lie
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", funes.CacheWarning)
        assert machine("here")(2) == 6
        funes.flush()


def test_a_listing_without_an_end_is_cut_and_names_are_asked_for(
    server: fake_s3.FakeS3,
    there: Any,
    machine: Make,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = f"team/triple/{there.definition}"
    pages = []

    def lie(handler: fake_s3.Handler) -> bool:
        if "list-type" not in handler.path:
            return False
        pages.append(handler.path)
        item = (
            f"<Contents><Key>{escape(folder)}/{{:040x}}.dill</Key>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            '<Size>1</Size><ETag>"x"</ETag></Contents>'
        )
        items = "".join(item.format(len(pages) * 1000 + number) for number in range(1000))
        text = (
            "<ListBucketResult><IsTruncated>true</IsTruncated>"
            f"<NextContinuationToken>{len(pages)}</NextContinuationToken>{items}</ListBucketResult>"
        )
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())
        return True

    server.fault = lie
    monkeypatch.setattr(remote, "_remotes", {})
    monkeypatch.setattr(remote, "MOST_LISTED", 3000)
    assert there(2) == 6
    assert printed() == []  # it was not listed, and is there
    assert there(3) == 9
    assert funes.flush()
    assert machine("other")(3) == 9
    assert list(machine("sweep").map([2, 3], progress=False)) == [6, 9]
    assert printed() == ["computing 3"]
    assert len(pages) < 10
