"""Inputs that are not seen are reported once per function, with the line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, memorious

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def port() -> Iterator[int]:
    """Returns the port of a server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=lambda: [server.accept()[0].close() for _ in range(2)])
        thread.start()
        number = server.getsockname()[1]
        yield number
        while thread.is_alive():
            socket.create_connection(("127.0.0.1", number)).close()


def connected(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)):
        return 1


def listed(way: str) -> int:
    if way == "glob":
        return len(list(Path().glob("*")))
    if way == "iterdir":
        return len(list(Path().iterdir()))
    if way == "scandir":
        with os.scandir() as entries:
            return len(list(entries))
    return len(os.listdir() if way == "listdir" else list(os.walk(".")))


def started(way: str) -> int:
    if way == "system":
        return os.system("exit 0")
    if way == "run":
        return subprocess.run([sys.executable, "-c", ""], check=True).returncode
    with os.popen("exit 0") as output:
        return len(output.read())


def reported(function: Any, *args: Any) -> str:
    with pytest.warns(CacheWarning) as caught:
        function(*args)
        function(*args)
        function.forget(*args)
        function(*args)
    (warning,) = caught
    return str(warning.message)


@pytest.mark.parametrize("way", ["glob", "iterdir", "scandir", "listdir", "walk"])
def test_a_listing_is_reported(way: str) -> None:
    text = reported(memorious(listed), way)
    assert f"({__file__}:" in text
    assert "lists a folder" in text


@pytest.mark.skipif(os.name != "posix", reason="the command is that of a shell")
@pytest.mark.parametrize("way", ["system", "run", "popen"])
def test_another_process_is_reported(way: str) -> None:
    text = reported(memorious(started), way)
    assert f"({__file__}:" in text
    assert "starts another process" in text


def test_the_network_is_reported(port: int) -> None:
    text = reported(memorious(connected), port)
    assert f"({__file__}:" in text
    assert "uses the network" in text


def test_files_ignore_silences_what_stands_for_files() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert memorious(files="ignore")(listed)("listdir") >= 0
        assert memorious(depends_on=Path("missing").name)(listed)("listdir") >= 0


def test_folders_of_the_call_itself_are_no_input() -> None:
    @memorious
    def in_its_own_folder() -> list[str]:
        import json
        import platform

        platform.processor()
        json.dumps(1)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "a").write_text("a")
            return sorted(os.listdir(folder))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert in_its_own_folder() == ["a"]


def test_what_is_evaluated_at_the_definition_is_no_input(load_module: Callable[[str], Any]) -> None:
    module = load_module("""
        import sys

        @memorious(memory=len(sys.argv[0][:0]))
        def f(x: sys.argv, *rest: sys.argv, name: sys.argv = sys.argv[0][:0]) -> sys.argv:
            return x, rest, name

        g = memorious(lambda x, name=sys.argv[0][:0]: (x, name))

        @memorious
        def h(x):
            def inner(name=sys.argv[0]):
                return name

            return x, inner()
    """)
    assert module.f(1, 2) == (1, (2,), "")
    assert module.g(1) == (1, "")
    with pytest.warns(CacheWarning, match="it reads the command line"):
        module.h(1)


@pytest.mark.parametrize("name", ["importlib.metadata", "importlib_metadata"])
def test_installed_packages_are_no_listing(name: str) -> None:
    module = pytest.importorskip(name)

    @memorious
    def groups() -> list[str]:
        return sorted(module.entry_points().groups)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert groups()
