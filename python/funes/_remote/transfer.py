"""What `funes push`, `pull` and `verify` do: the differences of two listings, as jobs that run in parallel."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import NamedTuple

from funes._code.definition_file import read_definition, record_definition
from funes._entries import large_arguments, signing
from funes._funes import (
    EXTENSION,
    OBJECTS,
    PACKED,
    Incoming,
    Store,
    finished_packed,
    verify_packed,
)
from funes._remote.mirror import REQUESTS, Mirror
from funes._remote.remote import EntryKey, Fetched, Remote, folder_of
from funes._remote.runs import name_of, problem_with
from funes._results.stored import StoredVersion

#: The number of jobs that are begun before the first of them has ended.
_AHEAD = 4 * REQUESTS


class Problem(NamedTuple):
    """A file or object that was left out."""

    #: "damaged", "foreign", "format", "unreadable" or "unknown".
    state: str
    #: The path of the file, or the URL of the object.
    place: str
    text: str


class Job(NamedTuple):
    """A file to send, to receive or to verify."""

    version: StoredVersion | None
    #: "results", "packed", "objects" or "runs".
    what: str
    bytes: int
    run: Callable[[], Problem | None]


def run_all(jobs: Sequence[Job]) -> Iterator[Problem | None]:
    """Runs jobs in parallel, and yields their problems in their order.

    Raises:
        BucketError: A request failed. What was done stays, and the rest can be done later.
        OSError: A file cannot be written.
    """
    waiting = iter(jobs)
    with ThreadPoolExecutor(REQUESTS, thread_name_prefix="funes remote") as pool:
        begun = [pool.submit(job.run) for job in islice(waiting, _AHEAD)]
        try:
            while begun:
                yield begun.pop(0).result()
                begun += [pool.submit(job.run) for job in islice(waiting, 1)]
        finally:
            for each in begun:
                each.cancel()


def pushed(
    remote: Remote, store: Store, versions: Sequence[StoredVersion], since: float | None
) -> Iterator[Job | Problem]:
    """Yields a job for each result, segment and pack of a cache folder that is not in the bucket.

    Args:
        remote: The bucket.
        store: The cache folder.
        versions: The versions to send.
        since: Results that were stored earlier are left out, in seconds since 1970; None for none.
    """
    for version in versions:
        function = version._true_name
        if function is None:
            yield _unknown(str(version.folder))
            continue
        folder = folder_of(function, version.definition)
        listing = remote.listing(folder, is_new=True)
        for entry in version.entries(errors=True):
            key = EntryKey(function, version.definition, entry._key)
            is_file = os.path.lexists(store.path(*key))
            if is_file and key.name not in listing and _is_new(entry.stored.timestamp(), since):
                yield Job(version, "results", entry.bytes, _push(remote, store, key))
        for name in finished_packed(store, function, version.definition):
            path = os.path.join(version.folder, PACKED, name)
            with suppress(FileNotFoundError):
                found = os.stat(path)
                if f"{folder}/{PACKED}/{name}" not in listing and _is_new(found.st_mtime, since):
                    run = _push_packed(remote, store, function, version.definition)
                    yield Job(version, "packed", found.st_size, run)


def _push(remote: Remote, store: Store, key: EntryKey) -> Callable[[], Problem | None]:
    def run() -> Problem | None:
        state, reason = store.check(*key)
        if state == "absent":
            return None
        if state != "found":
            return Problem(state, store.path(*key), reason)
        with suppress(FileNotFoundError):
            remote.send(store, key)
        return None

    return run


def _push_packed(
    remote: Remote, store: Store, function: str, definition: str
) -> Callable[[], Problem | None]:
    def run() -> Problem | None:
        for path, _, damage in verify_packed(store, function, definition):
            if damage:
                text = f"{damage[0][1]}; funes pack moves it away"
                return Problem("damaged", path, text)
        remote.send_packed(store, function, definition)
        return None

    return run


def pulled(
    mirror: Mirror, store: Store, versions: Sequence[StoredVersion], since: float | None
) -> Iterator[Job | Problem]:
    """Yields a job for each result, and for the segments and packs of a version, that a cache folder lacks.

    Args:
        mirror: The bucket.
        store: The cache folder.
        versions: Versions of the mirror.
        since: As for `pushed`, by the time at which the object was sent.
    """
    for version in versions:
        function = version._true_name
        if function is None:
            yield _unknown(f"{mirror.remote.url}/{_folder_of(version)}")
            continue
        describe = _describe(version, store, function)
        for entry in version.entries(errors=True):
            key = EntryKey(function, version.definition, entry._key)
            if not os.path.lexists(store.path(*key)) and _is_new(entry.stored.timestamp(), since):
                yield Job(
                    version, "results", entry.bytes, _pull(mirror.remote, store, key, describe)
                )
        if mirror.packed.get(folder_of(function, version.definition)):
            run = _pull_packed(mirror.remote, store, function, version.definition, describe)
            yield Job(version, "packed", 0, run)


def _pull(
    remote: Remote, store: Store, key: EntryKey, describe: Callable[[], None]
) -> Callable[[], Problem | None]:
    def run() -> Problem | None:
        fetched = remote.fetch(store, key)
        if fetched is None or fetched.state == "taken":
            return None
        if fetched.state != "published":
            return Problem(fetched.state, f"{remote.url}/{key.name}", fetched.reason)
        describe()
        for digest in set(large_arguments.named_in_file(store.path(*key))):
            if not os.path.lexists(store.object_path(digest)):
                _fetch_object(remote, store, digest)
        return None

    return run


def _pull_packed(
    remote: Remote, store: Store, function: str, definition: str, describe: Callable[[], None]
) -> Callable[[], Problem | None]:
    def run() -> Problem | None:
        is_new, damage = remote.take_packed(store, function, definition)
        if is_new:
            describe()
        return None if damage is None else Problem("damaged", *damage.split(" ", 1))

    return run


def _describe(version: StoredVersion, store: Store, function: str) -> Callable[[], None]:
    """Returns a function that writes the definition file of a version beside what was received."""

    def describe() -> None:
        with suppress(ValueError):
            content = read_definition(version.folder)
            if content is not None:
                record_definition(store.folder(function, version.definition), content, shared=False)

    return describe


def verified(
    mirror: Mirror, versions: Sequence[StoredVersion], with_objects: bool
) -> Iterator[Job | Problem]:
    """Yields a job for each object of a bucket, which receives it and compares every byte with its checksum.

    Args:
        mirror: The bucket.
        versions: Versions of the mirror.
        with_objects: Whether large arguments are verified, too.
    """
    remote = mirror.remote
    # The objects are received into this folder, verified, and deleted.
    store = Store(tempfile.mkdtemp(dir=mirror.path), key=signing.from_environment())
    for version in versions:
        function = version._true_name
        if function is None:
            yield _unknown(f"{remote.url}/{_folder_of(version)}")
            continue
        for entry in version.entries(errors=True):
            key = EntryKey(function, version.definition, entry._key)
            run = _verify(remote, key.name, partial(Incoming, store, *key), store.path(*key))
            yield Job(version, "results", entry.bytes, run)
        name = folder_of(function, version.definition)
        for packed in mirror.packed.get(name, ()):
            about = function, version.definition, packed
            path = os.path.join(store.folder(*about[:2]), PACKED, packed)
            run = _verify(
                remote,
                f"{name}/{PACKED}/{packed}",
                partial(Incoming.packed, store, *about),
                path,
            )
            yield Job(version, "packed", 0, run)
    if with_objects:
        for record in mirror.runs:
            yield Job(None, "runs", 0, _verify_run(remote, record))
        with suppress(FileNotFoundError):
            for found in os.scandir(os.path.join(mirror.path, OBJECTS)):
                digest = found.name.removesuffix(EXTENSION)
                run = _verify(
                    remote,
                    f"{OBJECTS}/{found.name}",
                    partial(Incoming.object, store, digest),
                    store.object_path(digest),
                )
                yield Job(None, "objects", found.stat().st_size, run)


def _verify(
    remote: Remote, name: str, begin: Callable[[], Incoming], path: str
) -> Callable[[], Problem | None]:
    def run() -> Problem | None:
        found = remote.get(name)
        if found is None:  # deleted since it was listed
            return None
        fetched = remote.receive(found, begin())
        with suppress(FileNotFoundError):
            os.remove(path)
        if fetched.state == "published":
            return None
        return Problem(fetched.state, f"{remote.url}/{name}", fetched.reason)

    return run


def _verify_run(remote: Remote, run: str) -> Callable[[], Problem | None]:
    def verify() -> Problem | None:
        with remote.guarded("read"):
            reason = problem_with(remote.bucket, run)
        return (
            None if reason is None else Problem("damaged", f"{remote.url}/{name_of(run)}", reason)
        )

    return verify


def _fetch_object(remote: Remote, store: Store, digest: str) -> Fetched | None:
    found = remote.get(f"{OBJECTS}/{digest}{EXTENSION}")
    return None if found is None else remote.receive(found, Incoming.object(store, digest))


def _folder_of(version: StoredVersion) -> str:
    return f"{version.folder.parent.name}/{version.definition}"


def _unknown(place: str) -> Problem:
    text = "the name of its function is not known: definition.json is missing or damaged"
    return Problem("unknown", place, text)


def _is_new(stored: float, since: float | None) -> bool:
    return since is None or stored >= since
