"""How `make docs` builds the documentation: Sphinx, with the Markdown of MyST and the theme Furo.

The pages are the Markdown files of the repository where they lie, so that a link leads to the same place on the site
and in the files.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from version import version as version_of_cargo_toml  # noqa: E402

project = "funes"
author = "the funes authors"
copyright = author  # noqa: A001
release = version_of_cargo_toml()

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "examples/*.md", "tests/vectors/*.md"]
exclude_patterns = ["docs/_build", "target", "dist", ".*"]
html_theme = "furo"
html_title = f"funes {release}"

# The headings of a page can be linked to, as where the files are read in a browser.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
# In a signature `bytes` is the builtin type, and some classes have attributes of this name.
suppress_warnings = ["ref.python"]
default_role = "py:obj"

#: Page -> the page whose lists of links are the navigation below it.
LISTS = {"README": "docs/README", "docs/decisions/README": "docs/decisions/README"}


def navigation(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Add what the sidebar shows, from the lists that people read, so that a page is listed once."""
    if docname not in LISTS:
        return
    listed = ROOT / f"{LISTS[docname]}.md"
    captions: dict[str, list[str]] = {"": []}
    caption = ""
    for line in listed.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            caption = line.removeprefix("## ")
            captions[caption] = []
        for target in re.findall(r"^- \[[^]]*\]\(([^)]*)\.md\)", line):
            page = (listed.parent / target).resolve().relative_to(ROOT)
            captions[caption].append(f"/{page.as_posix()}")
    if docname != LISTS[docname]:
        captions[""].insert(0, f"/{LISTS[docname]}")
    for caption, pages in captions.items():
        heading = [f":caption: {caption}"] if caption else []
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", *heading, "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", navigation)
