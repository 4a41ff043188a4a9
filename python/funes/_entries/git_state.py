"""Finds the git commit of the program, without git."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def repository() -> str | None:
    """Returns the folder of the repository with the program, or with the working directory; None without one."""
    for folder in _places():
        former = ""
        while folder != former:
            if os.path.lexists(os.path.join(folder, ".git")):
                return folder
            folder, former = os.path.dirname(folder), folder
    return None


def _places() -> Iterator[str]:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(file, str) and "site-packages" not in file and "dist-packages" not in file:
        yield os.path.dirname(os.path.abspath(file))
    yield os.getcwd()


def commit_of(folder: str) -> str | None:
    """Returns the hash of the commit that a repository has checked out; None if it is not known."""
    found = _head(folder)
    return found if found is not None and _COMMIT.fullmatch(found) else None


def _head(folder: str) -> str | None:
    git = os.path.join(folder, ".git")
    if os.path.isfile(git):  # a worktree, or a submodule
        git = os.path.join(folder, _text(git).removeprefix("gitdir: "))
    head = _text(os.path.join(git, "HEAD"))
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    common = git
    with suppress(OSError):
        common = os.path.join(git, _text(os.path.join(git, "commondir")))
    for place in (git, common):
        with suppress(OSError):
            return _text(os.path.join(place, name))
    with suppress(OSError):
        for line in _text(os.path.join(common, "packed-refs")).splitlines():
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
    return None


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()
