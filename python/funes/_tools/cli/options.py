"""What commands have in common: which cache folder, in which form, and whether to go ahead."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from funes._results.cache import Cache, open_cache
from funes._tools.cli.exit_codes import NotFound, Refused
from funes._tools.cli.resolve import named_values

_Command = TypeVar("_Command", bound=Callable[..., Any])


def opened(folder: str | None) -> Cache:
    """The cache in the folder that was named, or in the one that would be used here.

    Raises:
        NotThere: There is no such folder.
    """
    try:
        return open_cache(folder or None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except NotADirectoryError as error:
        raise NotFound(f"{error.filename} is a file, and no cache folder") from error
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no cache folder {error.filename}; name another one with --cache"
        ) from error
    except OSError as error:
        raise NotFound(f"the cache folder cannot be listed: {error}") from error


def cache(command: _Command) -> _Command:
    """Give a command the option ``--cache``, and the parameter ``cache``, a `Cache` whose folder exists."""
    option = click.option(
        "--cache",
        metavar="DIR",
        callback=lambda _, __, given: opened(given),
        help="The cache folder; without it FUNES_CACHE_DIR, or else ./cache.",
    )
    return option(command)


def folder(command: _Command) -> _Command:
    """Give a command the option ``--cache``, and the parameter ``folder``, what was given, or None.

    It is for a command that imports the function, which knows its folder itself.
    """
    option = click.option(
        "--cache",
        "folder",
        metavar="DIR",
        help="The cache folder; without it that of the function, FUNES_CACHE_DIR, or else ./cache.",
    )
    return option(command)


def find_code() -> None:
    """Let the modules of the classes in stored values be found in the working directory, as ``python -m`` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def as_json(command: _Command) -> _Command:
    """Give a command the option ``--json``, and the parameter ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def where(command: _Command) -> _Command:
    """Give a command the option ``--where``, and the parameter ``where``, a dict from arguments to values."""
    option = click.option(
        "--where",
        metavar="NAME=VALUE",
        multiple=True,
        callback=lambda _, __, given: named_values(given),
        help="Entries whose argument NAME has this value, a Python literal or else a text; of several, all must hold."
        " Types count: 1, 1.0 and '1' differ.",
    )
    return option(command)


def yes(command: _Command) -> _Command:
    """Give a command the option ``--yes``, and the parameter ``yes``, which `confirm` wants."""
    return click.option("--yes", "-y", is_flag=True, help="Go ahead without asking.")(command)


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`; where nobody can answer, do not go on.

    Raises:
        click.Abort: The answer is no.
        Refused: There is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} There is no terminal to ask at; say --yes")
    click.confirm(question, abort=True, err=True)
