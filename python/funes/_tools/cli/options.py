"""Defines options that commands share, and the prompt before changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from funes._entries.cache_folder import is_url
from funes._results.cache import Cache, open_cache
from funes._tools.cli.exit_codes import NotFound, Refused
from funes._tools.cli.resolve import named_values
from funes._warnings import one_line

_Command = TypeVar("_Command", bound=Callable[..., Any])


def opened(folder: str | None) -> Cache:
    """Opens the cache folder that the user gave, or the default folder.

    Raises:
        NotFound: The folder does not exist.
    """
    try:
        return open_cache(folder or None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except NotADirectoryError as error:
        raise NotFound(f"{error.filename} is a file, not a cache folder") from error
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no cache folder {error.filename}{'' if folder else ': name one with --cache'}"
        ) from error
    except OSError as error:
        raise NotFound(f"the cache folder cannot be listed: {one_line(error)}") from error


class BucketCommand(click.Command):
    """A command that takes the URL of a bucket as --cache, or before all other arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and is_url(args[0]):
            args = ["--cache", *args]
        elif len(args) > 1 and is_url(args[1]) and self.name == "verify":
            args = ["--sent-from", args[0], "--cache", *args[1:]]
        return super().parse_args(ctx, args)


def cache_or_bucket(command: _Command) -> _Command:
    """Adds the option ``--cache``, which may be a URL, and passes its value or None to the command as ``place``."""
    return click.option(
        "--cache",
        "place",
        metavar="DIR",
        help="The cache folder, or the URL of a bucket. The default is FUNES_CACHE_DIR, or else ./cache.",
    )(command)


def cache(command: _Command) -> _Command:
    """Adds the option ``--cache``, and passes an open `Cache` to the command as ``cache``."""
    option = click.option(
        "--cache",
        metavar="DIR",
        callback=lambda _, __, given: opened(given),
        help="The cache folder. The default is FUNES_CACHE_DIR, or else ./cache.",
    )
    return option(command)


def folder(command: _Command) -> _Command:
    """Adds the option ``--cache``, and passes its value or None to the command as ``folder``.

    It is for commands that import the function, since the function knows its cache folder.
    """
    option = click.option(
        "--cache",
        "folder",
        metavar="DIR",
        help="The cache folder. The default is that of the function, FUNES_CACHE_DIR, or ./cache.",
    )
    return option(command)


def find_code() -> None:
    """Adds the working directory to `sys.path`, as ``python -m`` does.

    The classes of stored values may be in modules of this directory.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def as_json(command: _Command) -> _Command:
    """Adds the option ``--json``, and passes it to the command as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def where(command: _Command) -> _Command:
    """Adds the option ``--where``, and passes a dict from arguments to values to the command as ``where``."""
    option = click.option(
        "--where",
        metavar="NAME=VALUE",
        multiple=True,
        callback=lambda _, __, given: named_values(given),
        help="Select entries whose argument NAME has this value, a Python literal or else a string. If repeated, all"
        " must match. Types count: 1, 1.0 and '1' differ.",
    )
    return option(command)


def yes(command: _Command) -> _Command:
    """Adds the option ``--yes``, and passes it to the command as ``yes``. The command passes it to `confirm`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, yes: bool) -> None:
    """Asks for confirmation, unless `yes` is true.

    Raises:
        click.Abort: The answer is no.
        Refused: Standard input is not a terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f'cannot ask "{question}" without a terminal: pass --yes to confirm')
    click.confirm(question, abort=True, err=True)
