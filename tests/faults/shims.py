"""Libraries that stand before the system's own (LD_PRELOAD): tests build them of the C beside this file."""

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
    """The library of ``name.c``, built in a folder."""
    assert _CC
    shim = folder / f"{name}.so"
    source = str(Path(__file__).with_name(f"{name}.c"))
    # Arguments that cannot be null are asked for nothing here, whatever the compiler thinks of comparisons.
    subprocess.run([_CC, "-shared", "-fPIC", "-O1", "-o", str(shim), source, "-ldl"], check=True)
    return shim
