"""The version is defined in one place, and a tag must match it."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import funes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "version.py"
Python = Callable[..., "CompletedProcess[str]"]


def test_version_matches_cargo_toml() -> None:
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    [version] = re.findall(r'^version = "(.*)"', manifest, re.M)
    assert funes.__version__ == metadata.version("funes") == version


def test_a_tag_of_this_version_passes(python: Python) -> None:
    assert python(SCRIPT, f"v{funes.__version__}").returncode == 0
    assert python(SCRIPT).stdout.strip() == funes.__version__


@pytest.mark.parametrize("tag", ["v99.0.0", funes.__version__, f"v{funes.__version__}rc1", ""])
def test_another_tag_fails_with_a_reason(python: Python, tag: str) -> None:
    done = python(SCRIPT, tag)
    assert done.returncode == 1
    assert "Cargo.toml" in done.stderr
