"""Records under which versions a process computes results: a small JSON file in `runs` in the cache folder.

An entry carries the id of the record, which is a digest of what the record says: equal processes share a file, which is
written once. If a process imports another library, or git answers, its later results carry another id.
docs/format.md describes the file. The first result of a process needs this module, so it imports little.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container
from contextlib import suppress
from typing import Any, NamedTuple

from funes._entries.git_state import commit_of, repository
from funes._entries.library_versions import imported_versions
from funes._entries.settings import setting
from funes._funes import RUNS, GitDiff, Store, hash_value

_FORMAT = 1

#: The time in seconds for which the first fork waits for git.
_FORK_SECONDS = 0.5

#: The number of hexadecimal digits of an id.
_DIGITS = 32

#: The end of a record that is complete.
_END = b"\n}"

#: What a record says besides what it is called, and when it was first written.
_NOT_SAID = ("id", "written")

_NAME = re.compile(rf"([0-9a-f]{{{_DIGITS}}})\.json")


class RunRecord(NamedTuple):
    """Under which versions a result was computed.

    Example:
        >>> print(RunRecord("0" * 32, "3.12.4", packages={"numpy": "2.3.5"}, commit="5d41402a" * 5))
        Python 3.12.4, numpy 2.3.5, commit 5d41402a5d41
    """

    #: The id of the record: 32 hexadecimal digits.
    id: str
    #: The version of Python.
    python: str = ""
    #: The system, its version and the processor.
    platform: str = ""
    #: The versions of the imported libraries, by the name of the module.
    packages: dict[str, str] = {}  # noqa: RUF012 -- a default that nothing changes
    #: The git commit of the program, or of the working directory; empty if there is none.
    commit: str = ""
    #: Whether tracked files differed from the commit; None if it is not known.
    is_dirty: bool | None = None
    #: The name of the host.
    host: str = ""

    def __str__(self) -> str:
        return self.with_libraries(self.packages)

    def with_libraries(self, libraries: Container[str]) -> str:
        """Formats the record in one line, with the versions of these libraries only."""
        parts = [f"Python {self.python}"]
        parts += [f"{name} {each}" for name, each in self.packages.items() if name in libraries]
        if self.commit:
            parts.append(f"commit {self.commit[:12]}{' with changes' if self.is_dirty else ''}")
        if self.host:
            parts.append(f"on {self.host}")
        return ", ".join(parts)


class _Code:
    """The git commit of the program, as it is when the process begins to compute."""

    def __init__(self) -> None:
        self.commit: str | None = None
        self.diff: GitDiff | None = None
        #: Whether a fork has waited for git.
        self.has_waited = False
        with suppress(Exception):
            folder = repository()
            self.commit = folder and commit_of(folder)
            if folder and self.commit:
                self.diff = GitDiff(folder)


_code: _Code | None = None
#: Maps the cache folders to the record that was written there last.
_written: dict[str, dict[str, Any]] = {}


def is_on() -> bool:
    """Returns whether this process records runs."""
    return setting("FUNES_RUNS") is not False


def begin_run() -> None:
    """Begins to ask git, before the first computation of the process. Never raises an `Exception`."""
    if is_on():
        _code_now()


def record_run(store: Store) -> bytes | None:
    """Writes the record of this process into a cache, unless it is there. Never raises an `Exception`.

    Returns:
        The id of the record: 16 bytes. None if `FUNES_RUNS` is 0, or if the record cannot be written.
    """
    if not is_on():
        return None
    try:
        record = _present()
        before = _written.get(store.root)
        if before is None or before["id"] != record["id"]:
            _write(store.root, record)
            _written[store.root] = record
        return bytes.fromhex(record["id"])
    except Exception:  # results are stored without it
        return None


def renew_run(store: Store) -> None:
    """Writes the record again if the cache folder was deleted while the process ran. Never raises an `Exception`."""
    record = _written.get(store.root)
    if record is not None:
        with suppress(Exception):
            _write(store.root, record)


def id_of(record: dict[str, Any]) -> str:
    """Returns the id of a record: the digest of what it says."""
    said = {name: value for name, value in record.items() if name not in _NOT_SAID}
    return hash_value(said)[:_DIGITS]


def run_named(name: str) -> str | None:
    """Returns the id in the name of a record's file; None for other names."""
    found = _NAME.fullmatch(name)
    return found and found[1]


def path_of_run(root: str, run: str) -> str:
    """Returns the file of the record with an id, in a cache folder."""
    return os.path.join(root, RUNS, f"{run}.json")


def _code_now() -> _Code:
    global _code
    if _code is None:
        _code = _Code()
    return _code


def _present() -> dict[str, Any]:
    code = _code_now()
    system = os.uname() if hasattr(os, "uname") else None
    if system is None:
        platform, host = sys.platform, os.environ.get("COMPUTERNAME", "")
    else:
        platform, host = f"{system.sysname} {system.release} {system.machine}", system.nodename
    record = {
        "format": _FORMAT,
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": sys.implementation.name,
        "platform": _printable(platform),
        "packages": imported_versions(),
        "commit": code.commit,
        "dirty": None if code.diff is None else code.diff.is_dirty,
        "host": _printable(host),
    }
    return {"id": id_of(record), **record}


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def _write(root: str, record: dict[str, Any]) -> None:
    """Writes a record, unless it is there. What is there stays, unless it is damaged."""
    path = path_of_run(root, record["id"])
    is_damaged = False
    with suppress(FileNotFoundError):
        with open(path, "rb") as file:
            is_complete = file.read().endswith(_END)
        if is_complete:
            with suppress(OSError):  # another user owns the file, in a shared folder
                os.utime(path)  # `funes gc` keeps it until an entry carries its id
            return
        is_damaged = True
    from datetime import datetime, timezone

    written = datetime.now(timezone.utc).isoformat(timespec="seconds")
    _publish(root, {**record, "written": written}, replaces=is_damaged)


def write_received(root: str, run: str, content: bytes) -> None:
    """Writes a record that came from elsewhere, unless it is damaged or the cache folder has it."""
    import json

    if parsed(content, run) is not None:
        _publish(root, json.loads(content), replaces=False)


def _publish(root: str, record: dict[str, Any], *, replaces: bool) -> None:
    from funes._atomic_json import is_shared, name_new, write_json

    path = path_of_run(root, record["id"])
    folder = os.path.dirname(path)
    shared = is_shared(root)
    with suppress(FileExistsError):
        os.mkdir(folder)
        with suppress(OSError):  # a file system without permissions of its own
            os.chmod(folder, 0o770 if shared else 0o700)
    publish = os.replace if replaces else name_new
    with suppress(FileExistsError):  # another process has written an equal one
        write_json(folder, os.path.basename(path), record, shared=shared, publish=publish)


def _before_fork() -> None:
    # Python warns of a fork of a process with threads.
    if _code is not None and _code.diff is not None and not _code.has_waited:
        _code.has_waited = True
        _code.diff.wait(_FORK_SECONDS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def read_run(root: str, run: str | None) -> RunRecord | None:
    """Reads a record of a cache folder; returns None if there is none, or if it is damaged.

    Args:
        root: The cache folder.
        run: The id of the record; None for no record.
    """
    if run is None:
        return None
    try:
        with open(path_of_run(root, run), "rb") as file:
            return parsed(file.read(), run)
    except OSError:
        return None


def parsed(content: bytes, run: str) -> RunRecord | None:
    """Reads a record; returns None if it is not the one with this id, or not understood."""
    import json

    try:
        record = json.loads(content)
        if record["format"] != _FORMAT or record["id"] != run or id_of(record) != run:
            return None
        return RunRecord(
            run,
            str(record["python"]),
            str(record["platform"]),
            {str(name): str(version) for name, version in record["packages"].items()},
            str(record["commit"] or ""),
            record["dirty"],
            str(record["host"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
