"""A full disk of 2 MB: calls continue, and results are stored again when there is space."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root of Linux mounts a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "funes-test", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this root may not mount: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


SCRIPT = """
import os, pickle, warnings
from pathlib import Path
from funes import memorious

disk = Path(os.environ["DISK"])

@memorious(cache_dir=disk / "cache", memory=0)
def spell(x):
    print("computed", x)
    return bytes([x % 251]) * 300_000

def call(x):
    assert spell(x) == bytes([x % 251]) * 300_000

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for x in range(20):
        call(x)
print("warnings", [str(warning.message)[:60] for warning in caught])
stored = list(disk.rglob("*.dill"))
print("stored", len(stored))
for path in stored:
    # Each entry is complete.
    entry = pickle.loads(path.read_bytes())
    assert entry["output"] == bytes([entry["input"]["x"] % 251]) * 300_000
assert not [path for path in disk.rglob("*") if path.name.startswith(".tmp-")]
for path in stored:
    path.unlink()
print("room")
for x in (100, 100):
    call(x)
"""


def test_full_disk_costs_no_result_and_freed_space_is_used(
    small_disk: Path, run_python: Callable[..., str]
) -> None:
    lines = run_python(SCRIPT, DISK=str(small_disk)).splitlines()
    assert lines[:20] == [f"computed {x}" for x in range(20)]
    # One warning for all results that were not stored; a few fit on the disk.
    assert lines[20].count("was not stored") == 1
    assert 1 <= int(lines[21].split()[1]) <= 6
    assert lines[22:] == ["room", "computed 100"]
