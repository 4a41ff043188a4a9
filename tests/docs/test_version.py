"""The version is defined in one place, and a tag must match it."""

from __future__ import annotations

import re
import shutil
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


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Returns the script in a repository whose changes have the version of Cargo.toml."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(ROOT / "Cargo.toml", tmp_path)
    log = f"# Changes\n\n## {funes.__version__} (2026-12-01)\n\n- New.\n\n## 0.0.1 (2019-01-01)\n\n- Old.\n"
    (tmp_path / "CHANGELOG.md").write_text(log, encoding="utf-8")
    return Path(shutil.copy2(SCRIPT, tmp_path / "scripts"))


def test_a_tag_of_this_version_passes(python: Python, script: Path) -> None:
    assert python(script, f"v{funes.__version__}").stdout == f"{funes.__version__}\n"
    assert python(script, f"v{funes.__version__}", "--changes").stdout == "- New.\n"
    assert python(script).stdout.strip() == funes.__version__


@pytest.mark.parametrize("tag", ["v99.0.0", funes.__version__, f"v{funes.__version__}rc1", ""])
def test_another_tag_fails_with_a_reason(python: Python, script: Path, tag: str) -> None:
    done = python(script, tag)
    assert done.returncode == 1
    assert "Cargo.toml" in done.stderr


@pytest.mark.parametrize("title", ["Unreleased", "1.0.0 (2026-12-01)", funes.__version__])
def test_a_tag_without_changes_fails(python: Python, script: Path, title: str) -> None:
    log = script.parents[1] / "CHANGELOG.md"
    log.write_text(f"# Changes\n\n## {title}\n\n- New.\n", encoding="utf-8")
    done = python(script, f"v{funes.__version__}")
    assert done.returncode == 1
    assert "CHANGELOG.md has no changes of this version" in done.stderr
