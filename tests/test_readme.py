"""What the pages show works: every block of Python in the README and in docs/ runs, and prints what it says."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def script_of(page: str) -> str:
    """The page with all but its Python blocked out, line for line, so that a traceback names the page's own line."""
    lines = []
    inside = False
    for line in page.splitlines():
        if line.startswith("```"):
            inside = line.rstrip() == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines) + "\n"


def promised_output(script: str) -> list[str]:
    """What stands in a comment behind each print."""
    return re.findall(r"^ *print\(.*\) +# (.*)$", script, re.M)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    page: Path, cache: Path, run_python: Callable[..., str]
) -> None:
    script = script_of(page.read_text(encoding="utf-8"))
    output = run_python(script).splitlines()
    rest = iter(output)
    for promise in promised_output(script):
        assert promise in rest, f"the page promises {promise!r}; the code printed {output}"


BEHAVIOUR = runpy.run_path(str(ROOT / "benches" / "behaviour.py"))


@pytest.mark.parametrize("claim", BEHAVIOUR["CLAIMS"])
def test_funes_does_what_the_table_of_the_readme_says(claim: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n| {claim} | yes |" in readme
    assert BEHAVIOUR["outcome"]("funes", BEHAVIOUR["CLAIMS"][claim]) == "yes"


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*PAGES, *ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipes = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make test" in readme
    assert recipes[-2:] == ["make lint", "make test"]


def test_the_readme_names_the_rust_that_is_needed() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    needed = re.search(r'^rust-version = "(.*)"', manifest, re.M)
    assert needed
    assert f"({needed[1]} or later)" in readme
