"""docs/options.md lists what `memorious` and the environment accept."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from funes import memorious

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")


def test_options_page_lists_every_option_and_default() -> None:
    signature = inspect.signature(memorious)
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    documented = dict(re.findall(r"^\| `(\w+)=` \| (.*?) \|", PAGE, re.M))
    assert list(documented) == list(defaults)
    for name, default in defaults.items():
        if default is not None:  # None: the page describes the default in words
            shown = documented[name].strip("`").replace("1 << 20", str(1 << 20))
            assert ast.literal_eval(shown) == default, name


def test_options_page_lists_every_environment_variable() -> None:
    sources = [
        *(ROOT / "python" / "funes").rglob("*.py"),
        *(ROOT / "rust" / "py" / "src").rglob("*.rs"),
        *(ROOT / "rust" / "core" / "src").rglob("*.rs"),
    ]
    used = {
        name
        for source in sources
        for name in re.findall(r"\bFUNES_[A-Z_]+", source.read_text(encoding="utf-8"))
    }
    assert set(re.findall(r"^\| `(FUNES_[A-Z_]+)` \|", PAGE, re.M)) == used
