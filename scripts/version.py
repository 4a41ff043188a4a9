"""Reads the version of funes from Cargo.toml, and its changes from CHANGELOG.md.

python scripts/version.py               prints the version
python scripts/version.py v1.2.3        fails if the tag is not that of this version, or if the changes lack it
python scripts/version.py v1.2.3 --changes      prints the changes of this version
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


def changes() -> str:
    """Returns the section of CHANGELOG.md about this version; empty if there is none."""
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    title = rf"^## {re.escape(version())} \(\d{{4}}-\d\d-\d\d\)\n"
    _, *rest = re.split(title, log, maxsplit=1, flags=re.M)
    return "".join(rest).split("\n## ")[0].strip()


def main(tag: str | None = None, option: str | None = None) -> None:
    """Prints the version or its changes, or compares a tag with them."""
    if tag is not None and tag != f"v{version()}":
        raise SystemExit(
            f"the tag is {tag}, and Cargo.toml says {version()}: set workspace.package.version, "
            f"or tag v{version()}"
        )
    if tag is not None and not changes():
        raise SystemExit(
            f"CHANGELOG.md has no changes of this version: write the title ## {version()} "
            "(YYYY-MM-DD) above them"
        )
    if option not in (None, "--changes"):
        raise SystemExit(__doc__)
    print(changes() if option else version())


if __name__ == "__main__":
    main(*sys.argv[1:])
