"""docs/command-line.md documents exactly the commands, options and exit codes that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from funes._tools.cli.commands import NAMES, funes

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: Options that the page tells of once for all commands that have them.
COMMON = {"--cache", "--json", "--yes", "-y", "--help", "-h"}


def command_named(name: str) -> click.Command:
    command = funes.get_command(click.Context(funes), name)
    assert command is not None
    return command


def section_of(name: str) -> str:
    found = re.search(rf"^## funes {name}\b.*?(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, f"the page has no section on funes {name}"
    return found[0]


def options_of(command: click.Command) -> set[str]:
    return {name for each in command.params if isinstance(each, click.Option) for name in each.opts}


def test_page_has_sections_of_commands_in_order_of_help() -> None:
    assert tuple(re.findall(r"^## funes (\w+)", PAGE, re.M)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_section_documents_all_arguments_and_options(name: str) -> None:
    command, section = command_named(name), section_of(name)
    usage = click.Context(command, info_name=f"funes {name}").command.collect_usage_pieces(
        click.Context(command, info_name=f"funes {name}")
    )
    heading = section.splitlines()[0].removeprefix("## ")
    assert heading == " ".join(["funes", name, *usage[1:]])
    told = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section)) - COMMON
    elsewhere = {option for other in NAMES for option in options_of(command_named(other))}
    own = options_of(command) - COMMON
    assert own <= told
    assert told <= elsewhere, "there is no such option"


@pytest.mark.parametrize("name", NAMES)
def test_exit_code_is_in_help_and_on_page(name: str) -> None:
    text = command_named(name).help or ""
    assert ("Exit code" in text) == ("Exit code" in section_of(name))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, id=f"{page.name}: {line}")
        for page in PAGES
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        for line in block.splitlines()
        if line.startswith("funes ")
    ],
)
def test_documented_commands_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line.partition(" > ")[0], comments=True)
    # Only options and arguments are parsed; nothing runs.
    context = command_named(name).make_context(name, arguments, resilient_parsing=True)
    assert context.args == []


def test_page_documents_conventions() -> None:
    intro = PAGE.partition("\n## funes ")[0]
    assert all(f"`{option}" in intro for option in ("--cache", "--json", "--yes"))
    assert "Exit code" in (funes.help or "")
