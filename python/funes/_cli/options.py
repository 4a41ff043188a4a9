"""What commands have in common: which cache folder, in which form, and whether to go ahead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from funes._calls.options import Options
from funes._cli.exits import NotThere

__all__ = ["as_json", "cache_folder", "confirm", "yes"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _existing(_: click.Context, __: click.Parameter, given: str | None) -> Path:
    folder = Path(Options(cache_dir=given).root())
    if not folder.is_dir():
        raise NotThere(f"there is no cache folder {folder}; name another one with --cache")
    return folder


def cache_folder(command: _Command) -> _Command:
    """Give a command the option ``--cache``, and the parameter ``cache_folder``, the path of a folder that exists."""
    option = click.option(
        "--cache",
        "cache_folder",
        metavar="DIR",
        callback=_existing,
        help="The cache folder; without it FUNES_CACHE_DIR, or else ./cache.",
    )
    return option(command)


def as_json(command: _Command) -> _Command:
    """Give a command the option ``--json``, and the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def yes(command: _Command) -> _Command:
    """Give a command the option ``--yes``, and the parameter ``yes``, which `confirm` wants."""
    return click.option("--yes", "-y", is_flag=True, help="Go ahead without asking.")(command)


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`; where nobody can answer, do not go on.

    Raises:
        click.Abort: The answer is no.
        click.UsageError: There is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask at: say --yes.")
    click.confirm(question, abort=True, err=True)
