"""Builds libraries for LD_PRELOAD, which replace functions of the system, from the C files here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["NEEDED", "built"]

_CC = shutil.which("cc")

#: The marks of a test that needs one.
NEEDED = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD"),
    pytest.mark.skipif(_CC is None, reason="no C compiler, which the extension needs too"),
]


def built(name: str, folder: Path) -> Path:
    """Build the library of ``name.c`` in a folder."""
    assert _CC
    shim = folder / f"{name}.so"
    source = str(Path(__file__).with_name(f"{name}.c"))
    # Silences warnings about comparing arguments with null that are declared nonnull.
    subprocess.run([_CC, "-shared", "-fPIC", "-O1", "-o", str(shim), source, "-ldl"], check=True)
    return shim
