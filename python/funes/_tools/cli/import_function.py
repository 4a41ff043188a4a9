"""Imports functions given as ``MODULE:FUNCTION``, for the commands that need the code."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from funes._entries.cache_folder import absolute, is_url
from funes._memo.bound_method import BoundMemo
from funes._memo.memo import Memo
from funes._tools.cli.options import find_code
from funes._warnings import one_line


def is_code(wanted: str) -> bool:
    """Returns whether a function is given as ``MODULE:FUNCTION``."""
    return ":" in wanted


def memo_named(wanted: str, folder: str | None) -> Memo[..., Any]:
    """Imports a memorious function. Searches the working directory too, as ``python -m`` does.

    Args:
        wanted: ``MODULE:FUNCTION``.
        folder: The cache folder that replaces the folder of the function.

    Raises:
        click.UsageError: There is no such function.
    """
    module, _, name = wanted.partition(":")
    if not module or not name:
        raise click.UsageError(f"{wanted!r} is not MODULE:FUNCTION: write mine.train:fit")
    find_code()
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs the module
        raise click.UsageError(f"{wanted} cannot be imported: {one_line(error)}") from error
    if isinstance(found, BoundMemo):
        found = found.__func__
    if not isinstance(found, Memo):
        raise click.UsageError(f"{wanted} is not decorated with @memorious")
    if folder is not None:
        root = absolute(folder)
        if is_url(root) or os.path.isfile(root):
            raise click.UsageError(f"{folder} is not a folder")
        found._move(root)
    return found
