"""Reads the version of funes from Cargo.toml.

python scripts/version.py               prints it
python scripts/version.py v1.2.3        fails if the tag is not that of this version
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Returns the version, such as "0.1.0"."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    return re.findall(r'^version = "(.*)"', manifest, re.M)[0]


def main(tag: str | None = None) -> None:
    """Prints the version, or compares a tag with it."""
    if tag is not None and tag != f"v{version()}":
        raise SystemExit(
            f"the tag is {tag}, and Cargo.toml says {version()}: set workspace.package.version, "
            f"or tag v{version()}"
        )
    print(version())


if __name__ == "__main__":
    main(*sys.argv[1:])
