"""The package has the license texts of the libraries that are compiled into it."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_license_of_zstd_is_in_the_package() -> None:
    """The crate zstd compiles the C library, whose license demands its text beside the binary."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^license-files = \["LICENSE", "licenses/\*\.txt",', settings, re.M)
    assert re.search(r'^license = "MIT AND .*BSD-3-Clause.*"$', settings, re.M)
    files = {
        file.name: file.read_text(encoding="utf-8")
        for file in importlib.metadata.files("funes") or []
        if "licenses" in file.parts
    }
    assert set(files) == {"LICENSE", "zstd.txt", "echarts.LICENSE.txt"}
    text = files["zstd.txt"]
    assert "Copyright (c) Meta Platforms, Inc. and affiliates" in text
    assert "Redistributions in binary form must reproduce the above copyright notice" in text
