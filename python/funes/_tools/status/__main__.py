"""Describes the functions in a checkout: ``python -m funes._tools.status CHECKOUT OUTPUT MODULE...``."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType

from funes._tools.status.functions import imported, memos_in
from funes._tools.status.status import described


def main(checkout: str, output: str, names: list[str]) -> None:
    """Writes the definitions of the functions of modules, and the reasons why modules could not be imported."""
    failed: dict[str, str] = {}
    modules = imported(names, failed.__setitem__)
    for module in modules:
        if not _is_in(module, checkout):
            failed[module.__name__] = (
                f"it is imported from {module.__file__}, not from the checkout"
            )
    memos = memos_in([module for module in modules if module.__name__ not in failed])
    definitions = {memo._identity: described(memo) for memo in memos}
    with open(output, "w", encoding="utf-8") as file:
        json.dump([definitions, failed], file)


def _is_in(module: ModuleType, checkout: str) -> bool:
    path = os.path.realpath(module.__file__ or (list(getattr(module, "__path__", ())) or [""])[0])
    return path.startswith(checkout + os.sep)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
