"""Warns of results that were computed under another major version of a library.

The first hit of a process from disk may need this module, so it imports little.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from funes._entries.library_versions import version_of
from funes._entries.run_record import path_of_run

if TYPE_CHECKING:
    from funes._memo.memo import Memo

#: The versions of libraries in the text of a run record.
_PACKAGES = re.compile(r'"packages": \{([^}]*)\}')
_VERSION = re.compile(r'"([^"]+)": "([^"]*)"')


def check_run(memo: Memo[Any, Any], run: bytes) -> None:
    """Warns if a result was computed under another major version of a library that the definition names.

    Args:
        memo: The function.
        run: The id of the run record. A record that is missing or damaged gives no warning.
    """
    try:
        names = sorted({module.partition(".")[0] for module in memo._core.modules(memo)})
        then = _versions_in(path_of_run(memo._store.root, run.hex()))
        now = {name: version_of(name) for name in names}
    except Exception:  # what is not known gives no warning
        return
    changed = [
        f"{name} {then[name]}, and this is {version}"
        for name, version in now.items()
        if version and name in then and _major(then[name]) != _major(version)
    ]
    if changed:
        memo._warn_once(
            "run",
            f"a stored result was computed with {', '.join(changed)}: funes check --all computes stored results"
            " again, and depends_on= lets the version count",
        )


def _versions_in(path: str) -> dict[str, str]:
    """Returns the versions in a run record by name of the library. Does not load `json`, which takes milliseconds."""
    with open(path, encoding="utf-8") as file:
        found = _PACKAGES.search(file.read())
    return dict(_VERSION.findall(found[1])) if found else {}


def _major(version: str) -> str:
    return version.partition(".")[0]
