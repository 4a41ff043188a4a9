"""The Python blocks of README and docs run and print the shown output."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
    *sorted((ROOT / "examples").glob("*.md")),
    ROOT / "tests" / "vectors" / "README.md",
]
#: Kinds of blocks besides Python: commands, examples that are not run, and directives of `make docs`.
NOT_RUN = ("sh", "text", "yaml", "{eval-rst}", "{include}")


def script_of(page: str) -> str:
    """Blanks all lines of a page except Python blocks, so that tracebacks have the lines of the page."""
    lines = []
    inside = False
    for line in page.splitlines():
        if line.startswith("```"):
            inside = line.rstrip() == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines) + "\n"


def fences(page: str) -> list[str]:
    """Returns the declared kinds of the blocks of a page."""
    return [line[3:].strip() for line in page.splitlines() if line.startswith("```")][::2]


def promised_output(script: str) -> list[str]:
    """Returns the comment after each print."""
    return re.findall(r"^ *print\(.*\) +# (.*)$", script, re.M)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_code_blocks_of_a_page_print_the_shown_output(
    page: Path, cache: Path, run_python: Callable[..., str]
) -> None:
    text = page.read_text(encoding="utf-8")
    for needed in re.findall(r"^<!-- needs: (\w+) -->$", text, re.M):
        pytest.importorskip(needed)
    script = script_of(text)
    output = run_python(script).splitlines()
    rest = iter(output)
    for promise in promised_output(script):
        assert promise in rest, f"the page promises {promise!r}; the code printed {output}"


def test_first_screen_runs_again(cache: Path, run_python: Callable[..., str]) -> None:
    script = script_of((ROOT / "README.md").read_text(encoding="utf-8"))
    first, second = (run_python(script).splitlines() for _ in range(2))
    assert first[:2] == second[:2] == ["False", "DECAY: 0.9 -> 0.95"]
    assert second[2] == "train: 6 points, 6 cached"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_python_or_marked(page: Path) -> None:
    kinds = fences(page.read_text(encoding="utf-8"))
    assert [kind for kind in kinds if kind != "python" and not kind.startswith(NOT_RUN)] == []


def test_named_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = set(re.findall(r"^([a-z-]+):.*##", makefile, re.M))
    named = {
        f"{page.name}: {recipe}"
        for page in PAGES
        for recipe in re.findall(
            r"^make ([a-z-]+)|`make ([a-z-]+)[^`]*`", page.read_text(encoding="utf-8"), re.M
        )
        for recipe in filter(None, recipe)
    }
    assert len(named) > 5
    assert [name for name in named if name.split(": ")[1] not in recipes] == []


BEHAVIOUR = runpy.run_path(str(ROOT / "benches" / "behaviour.py"))


@pytest.mark.parametrize("claim", BEHAVIOUR["CLAIMS"])
def test_funes_behaves_as_in_the_readme_table(claim: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n| {claim} | yes |" in readme
    assert BEHAVIOUR["outcome"]("funes", BEHAVIOUR["CLAIMS"][claim]) == "yes"


def test_links_between_pages_resolve() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipes = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make test" in readme
    assert recipes[-4:] == ["make lint", "make docs", "make test", "make test-newest"]


def test_readme_names_the_required_rust() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    needed = re.search(r'^rust-version = "(.*)"', manifest, re.M)
    assert needed
    assert f"({needed[1]} or later)" in readme
