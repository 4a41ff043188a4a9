"""Describes the memorious functions of another git revision, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from funes._code.definition_file import Content


class Revision(NamedTuple):
    """The functions of a revision."""

    #: The definitions by identity of the function.
    definitions: dict[str, Content]
    #: The reasons why modules could not be imported, by name.
    failed: dict[str, str]


class CheckoutError(Exception):
    """Raised if a revision cannot be checked out or described."""


def described_at(revision: str, modules: Iterable[str]) -> Revision:
    """Describes the functions of modules as they are at a revision of the repository of the working directory.

    Raises:
        CheckoutError: There is no such revision, or its process failed.
    """
    root = os.path.realpath(_git("rev-parse", "--show-toplevel"))
    with _checkout(revision, root) as folder, tempfile.TemporaryDirectory() as results:
        output = os.path.join(results, "definitions.json")
        place = _moved(os.getcwd(), root, folder)
        os.makedirs(place, exist_ok=True)  # the revision may not have the working directory
        try:
            subprocess.run(  # noqa: S603
                [sys.executable, "-m", str(__package__), folder, output, *modules],
                cwd=place,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(_search_path(root, folder))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what modules print
                check=True,
            )
            with open(output, encoding="utf-8") as file:
                return Revision(*json.load(file))
        except (OSError, subprocess.CalledProcessError) as error:
            raise CheckoutError(
                f"the functions of {revision} cannot be described: {error}"
            ) from error


@contextmanager
def _checkout(revision: str, root: str) -> Iterator[str]:
    """Yields the path of a temporary git worktree of a revision."""
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(os.path.realpath(parent), os.path.basename(root))
        # No hook of the repository runs.
        _git("-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--detach", folder, commit)
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", folder)


def _search_path(root: str, folder: str) -> Iterator[str]:
    """Yields the folders that are searched for modules; those in the repository become folders of the checkout."""
    for each in sys.path:
        path = os.path.realpath(each)
        if path == root or path.startswith(root + os.sep):
            moved = _moved(path, root, folder)
            # An environment in the repository is no part of a revision.
            yield moved if os.path.isdir(moved) else path
        else:
            yield path


def _moved(path: str, root: str, folder: str) -> str:
    return os.path.join(folder, os.path.relpath(os.path.realpath(path), root))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607 -- the user's own
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise CheckoutError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"{arguments[-1].partition('^')[0]} is not a revision"
        raise CheckoutError(reason.removeprefix("fatal: ")) from error
    return done.stdout.strip()
