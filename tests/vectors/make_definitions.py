"""Writes definitions.json: the definition hashes of the projects in tests/code/definition_cases.py, in both versions.

    python tests/vectors/make_definitions.py

Every version of Python must produce these hashes. A changed hash makes users lose stored results, and
must be in CHANGELOG.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "code"))

from definition_cases import CASES
from definition_table import run_table

FILE = Path(__file__).with_name("definitions.json")


def main() -> None:
    """Writes the file; keeps the hashes of cases for which this interpreter is too old."""
    before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        now = run_table(sys.executable, sys.version_info[:2], "hash", Path(folder))
    hashes = {
        case.name: now.get(case.name, before.get(case.name)) for case in CASES if case.has_source
    }
    lines = (f" {json.dumps(name)}: {json.dumps(pair)}" for name, pair in hashes.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
