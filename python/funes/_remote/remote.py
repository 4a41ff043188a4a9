"""A remote cache as this process sees it: what is in the bucket, and whether it can be reached."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from funes._code.definition_file import FILE_NAME, merged_bytes
from funes._entries import large_arguments
from funes._entries.remote_url import checked_url
from funes._entries.run_record import path_of_run
from funes._funes import (
    ERROR_EXTENSION,
    EXTENSION,
    OBJECTS,
    PACKED,
    Incoming,
    Store,
    earlier_files,
    finished_packed,
    safe_name,
)
from funes._remote import runs
from funes._remote.bucket import CHUNK_BYTES, PART_BYTES, Bucket, BucketError, Object

#: After a failure, no request is made for so many seconds.
PAUSE_SECONDS = 60.0

#: A listing is used for so many seconds at least, and for so many times the seconds that it took.
LISTED_SECONDS = 60.0
_LISTED_FACTOR = 20

#: A listing ends after so many seconds or names. It is then incomplete, and each further name costs a request.
LISTING_SECONDS = 20.0
MOST_LISTED = 2_000_000

#: A listing looks at the time after so many names: the length of a page.
_PAGE = 1000

#: How often a definition file is merged while other machines replace it. The next result tries again.
_MERGES = 5

#: The number of bytes from which on a definition file in the bucket is not read.
_LARGEST_DESCRIPTION = 64 << 20

#: The number of requests that a call makes at the same time.
REQUESTS = 8

#: The file beside segments and packs that names those which were received or sent, also before they were merged.
TAKEN = ".taken"

#: The name of a segment or pack below the folder of its definition.
PACKED_NAME = re.compile(rf"{PACKED}/([0-9a-f]{{32}}\.(?:seg|pack))")

_DIGEST = 40

A = TypeVar("A")
R = TypeVar("R")


class PausedError(BucketError):
    """No request is made, since one has failed a moment ago."""


class EntryKey(NamedTuple):
    """The function name, the definition digest and the argument digest of an entry.

    The argument digest of a remembered error has `ERROR_EXTENSION` at its end.
    """

    function: str
    definition: str
    arguments: str

    @property
    def of_error(self) -> EntryKey:
        """The key of the remembered error of the same call."""
        return self._replace(arguments=self.arguments + ERROR_EXTENSION)

    @property
    def is_error(self) -> bool:
        """True for a remembered error."""
        return self.arguments.endswith(ERROR_EXTENSION)

    @property
    def folder(self) -> str:
        """The folder of the definition in the bucket."""
        return folder_of(self.function, self.definition)

    @property
    def name(self) -> str:
        """The name of the object."""
        return f"{self.folder}/{self.arguments}{'' if self.is_error else EXTENSION}"


def folder_of(function: str, definition: str) -> str:
    """Returns the folder of a definition in the bucket."""
    return f"{safe_name(function)}/{definition}"


class Listing:
    """The names of the objects of a definition."""

    def __init__(self, folder: str, names: Iterator[str]) -> None:
        self._start = len(folder) + 1
        #: The argument digests of the entries. As bytes, a million of them takes 100 MB.
        self._entries: set[bytes] = set()
        #: The other names.
        self._rest: set[str] = set()
        #: Held while segments and packs are received.
        self.taking = threading.Lock()
        #: True once all segments and packs of the listing were received.
        self.is_taken = False
        #: False if the bucket has more objects than were listed.
        self.is_complete = True
        started = time.monotonic()
        for count, name in enumerate(names, 1):
            self.add(name)
            is_late = not count % _PAGE and time.monotonic() > started + LISTING_SECONDS
            if is_late or count >= MOST_LISTED:
                self.is_complete = False
                break
        self._until = time.monotonic() + max(
            LISTED_SECONDS, _LISTED_FACTOR * (time.monotonic() - started)
        )

    def is_current(self) -> bool:
        """Returns whether the listing is used without asking again."""
        return time.monotonic() < self._until

    def add(self, name: str) -> None:
        """Adds an object."""
        digest = self._digest(name)
        if digest is None:
            self._rest.add(name[self._start :])
        else:
            self._entries.add(digest)

    def discard(self, name: str) -> None:
        """Removes an object that is gone."""
        digest = self._digest(name)
        if digest is not None:
            self._entries.discard(digest)
        self._rest.discard(name[self._start :])

    def __contains__(self, name: str) -> bool:
        digest = self._digest(name)
        return name[self._start :] in self._rest if digest is None else digest in self._entries

    def may_have(self, name: str) -> bool:
        """Returns false if there is no such object; true also if the bucket has to be asked."""
        return not self.is_complete or name in self

    def rest(self) -> set[str]:
        """Returns the names below the folder that are no entries."""
        return set(self._rest)

    def _digest(self, name: str) -> bytes | None:
        own = name[self._start :]
        if len(own) == _DIGEST + len(EXTENSION) and own.endswith(EXTENSION):
            with suppress(ValueError):
                return bytes.fromhex(own[:_DIGEST])
        return None


class Fetched(NamedTuple):
    """What became of an object that was received."""

    #: "published", "taken", "damaged", "foreign" or "format", as `Incoming.publish` returns it.
    state: str
    reason: str


class Remote:
    """The remote cache at a URL. Raises the errors of `Bucket`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bucket = Bucket(url)
        #: True once a failure was reported.
        self.is_reported = False
        #: A failure of the queue, which the next call reports.
        self.failure: str | None = None
        self._lock = threading.Lock()
        self._listings: dict[str, Listing] = {}
        #: The damaged objects that this process has received, with their versions.
        self._damaged: dict[str, str | None] = {}
        #: The large arguments and run records that are known to be in the bucket.
        self._objects: set[str] = set()
        #: The states of the definition files that were sent: name, time of the last change, and size.
        self._described: set[tuple[str, int, int]] = set()
        #: The run records for which this process has asked, with the cache folder.
        self._asked_runs: set[tuple[str, str]] = set()
        #: The damaged segments and packs.
        self._refused: set[str] = set()
        self._paused = {"read": 0.0, "write": 0.0}
        #: Why a request has failed.
        self._reason = ""

    def is_paused(self, side: str) -> bool:
        """Returns whether no request is made since one has failed. `side`: "read" or "write"."""
        return time.monotonic() < self._paused[side]

    @contextmanager
    def guarded(self, side: str) -> Iterator[None]:
        """Stops requests for a while if one fails."""
        try:
            yield
        except BucketError as error:
            until = time.monotonic() + PAUSE_SECONDS
            self._reason = str(error)
            # A server that refuses to write may let read.
            for each in (side,) if error.is_refusal else self._paused:
                self._paused[each] = until
            raise

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Guards a request that reads. Raises `PausedError` if another thread has just failed."""
        if self.is_paused("read"):
            raise PausedError(self._reason)
        with self.guarded("read"):
            yield

    def listing(self, folder: str, *, is_new: bool = False) -> Listing:
        """Returns the names of the objects of a definition.

        Args:
            folder: The folder of the definition.
            is_new: If true, the bucket is asked in any case.
        """
        with self._lock:
            known = self._listings.get(folder)
            if known is not None and known.is_current() and not is_new:
                return known
            with self._asking():
                listed = Listing(folder, (each.name for each in self.bucket.objects(folder)))
            self._listings[folder] = listed
            return listed

    def get(self, name: str, listing: Listing | None = None) -> Object | None:
        """Begins to receive an object; returns None if there is none. Raises `BucketError`."""
        with self._asking():
            found = self.bucket.get(name)
        if found is None and listing is not None:
            listing.discard(name)
        return found

    def fetch(self, store: Store, key: EntryKey, *, replace: bool = False) -> Fetched | None:
        """Receives an entry, and publishes it in the cache folder once it is verified. Nothing is unpickled.

        Args:
            store: The cache folder.
            key: The entry.
            replace: If true, the entry replaces one that is there.

        Returns:
            None if there is no such object.

        Raises:
            BucketError: The request failed.
            OSError: The entry cannot be written.
        """
        listing = self.listing(key.folder)
        found = self.get(key.name, listing)
        if found is None:
            return None
        fetched = self.receive(found, Incoming(store, *key), replace=replace)
        if fetched.state == "damaged":
            self._damaged[key.name] = found.e_tag
        if fetched.state == "published":
            for path in earlier_files(store.path(*key)):
                name = f"{key.folder}/{os.path.basename(path)}"
                if name in listing and not os.path.lexists(path):
                    earlier = self.get(name, listing)
                    if earlier is not None:
                        digits = os.path.basename(path)[_DIGEST + 1 : -len(EXTENSION)]
                        self.receive(earlier, Incoming(store, *key, digits))
            self.receive_runs(store, runs.runs_of(store.path(*key)))
        return fetched

    def take_packed(self, store: Store, function: str, definition: str) -> tuple[bool, str | None]:
        """Receives the segments and packs of a definition that the cache folder has never had.

        Returns:
            Whether there is a new one; and which one is damaged and why, or None.

        Raises:
            BucketError: A request failed.
            OSError: A file cannot be written.
        """
        listing = self.listing(folder_of(function, definition))
        if listing.is_taken:
            return False, None
        with listing.taking:
            if listing.is_taken:
                return False, None
            start = f"{PACKED}/"
            # A name in a bucket may lead anywhere.
            matches = map(PACKED_NAME.fullmatch, listing.rest())
            names = sorted(match[1] for match in matches if match)
            folder = os.path.join(store.folder(function, definition), PACKED)
            taken = _names_in(os.path.join(folder, TAKEN)) if names else set()
            new = [
                each
                for each in names
                if each not in taken
                and each not in self._refused
                and not os.path.lexists(os.path.join(folder, each))
            ]

            def take(name: str) -> Fetched | None:
                found = self.get(f"{folder_of(function, definition)}/{start}{name}")
                if found is None:
                    return None
                incoming = Incoming.packed(store, function, definition, name)
                return self.receive(found, incoming)

            problem = None
            is_new = False
            for name, fetched in zip(new, in_parallel(take, new), strict=True):
                if fetched is None:
                    continue
                if fetched.state == "published":
                    is_new = True
                    _add_name(os.path.join(folder, TAKEN), name)
                else:
                    self._refused.add(name)
                    place = f"{self.url}/{folder_of(function, definition)}/{start}{name}"
                    problem = f"{place} was not used: {fetched.reason}"
            listing.is_taken = True
            if is_new:
                self.receive_runs(store, runs.runs_in_folder(os.path.dirname(folder)))
            return is_new, problem

    def send_packed(self, store: Store, function: str, definition: str) -> int:
        """Sends the segments and packs that never change any more and are not there.

        Returns:
            The number of files that were sent.

        Raises:
            BucketError: A request failed.
            OSError: A file cannot be read.
        """
        remote_folder = folder_of(function, definition)
        listing = self.listing(remote_folder)
        folder = store.folder(function, definition)
        count = 0
        for name in finished_packed(store, function, definition):
            if f"{remote_folder}/{PACKED}/{name}" not in listing:
                if not count:
                    self._send_runs(store, runs.runs_in_folder(folder))
                path = os.path.join(folder, PACKED, name)
                self._send_once(listing, f"{remote_folder}/{PACKED}/{name}", path)
                # It stays known if it is merged into another one.
                _add_name(os.path.join(folder, PACKED, TAKEN), name)
                count += 1
        self._describe(listing, remote_folder, os.path.join(folder, FILE_NAME))
        return count

    def receive(self, found: Object, incoming: Incoming, *, replace: bool = False) -> Fetched:
        """Receives the content of an object, verifies and publishes it."""
        with self.guarded("read"):
            _write(incoming, found.chunks(), found.bytes)
        return Fetched(*incoming.publish(stored=found.stored, replace=replace))

    def receive_runs(self, store: Store, ids: set[str]) -> None:
        """Receives run records that a cache folder lacks. Asks for each once, since it may not be there."""
        for run in ids:
            if (store.root, run) in self._asked_runs or self.is_paused("read"):
                continue
            self._asked_runs.add((store.root, run))
            if not os.path.lexists(path_of_run(store.root, run)):
                runs.receive(self.bucket, store, run)

    def send(self, store: Store, key: EntryKey, *, replace: bool = False) -> bool:
        """Sends an entry, with its large arguments and the definition file, unless they are there.

        Args:
            store: The cache folder.
            key: The entry.
            replace: If true, the entry replaces the object that is there.

        Returns:
            Whether the entry was sent.

        Raises:
            BucketError: A request failed.
            OSError: The file cannot be read.
        """
        path = store.path(*key)
        listing = self.listing(key.folder)
        earlier = earlier_files(path)
        is_there = key.name in listing
        is_damaged = key.name in self._damaged
        if is_there and not (replace or is_damaged or earlier):
            return False
        # First what the entry refers to.
        for digest in set(large_arguments.named_in_file(path)):
            name = f"{OBJECTS}/{digest}{EXTENSION}"
            self._send_once(self._objects, name, store.object_path(digest), looks=True)
        self._send_runs(store, runs.runs_of(path))
        for each in earlier:
            self._send_once(listing, f"{key.folder}/{os.path.basename(each)}", each)
        if is_damaged and not replace:
            self._replace(key.name, path, self._damaged.get(key.name))
        elif is_there or replace:
            self._replace(key.name, path, None)
        else:
            self._send_file(key.name, path)
        self._damaged.pop(key.name, None)
        listing.add(key.name)
        self._describe(listing, key.folder, os.path.join(os.path.dirname(path), FILE_NAME))
        return True

    def _describe(self, listing: Listing, folder: str, path: str) -> None:
        """Sends a definition file, or adds what it has to the one that is there. Does so once for each state of it.

        Args:
            listing: The objects of the definition.
            folder: The folder of the definition in the bucket.
            path: The definition file.
        """
        name = f"{folder}/{FILE_NAME}"
        with suppress(FileNotFoundError):
            found = os.stat(path)
            with self._once(self._described, (name, found.st_mtime_ns, found.st_size)) as is_first:
                if is_first:
                    self._merge(listing, name, _content(path))

    def _merge(self, listing: Listing, name: str, own: bytes) -> None:
        """Merges a definition file with the one that is there. Another machine may do the same."""
        definition = name.split("/")[-2]
        with self.guarded("write"):
            if name not in listing and self.bucket.create(name, own):
                listing.add(name)
                return
            for _ in range(_MERGES):
                found = self.bucket.get(name)
                if found is None:
                    if self.bucket.create(name, own):
                        return
                    continue
                if found.bytes > _LARGEST_DESCRIPTION:
                    return
                try:
                    merged = merged_bytes(b"".join(found.chunks()), own, definition)
                except ValueError:
                    return
                if merged is None or self.bucket.replace(name, merged, found.e_tag):
                    return

    def _send_runs(self, store: Store, ids: set[str]) -> None:
        """Sends run records, unless they were sent."""
        for run in ids:
            with self._once(self._objects, runs.name_of(run)) as is_first:
                if is_first:
                    with self.guarded("write"):
                        runs.send(self.bucket, store, run)

    def _send_once(
        self, sent: Listing | set[str], name: str, path: str, *, looks: bool = False
    ) -> None:
        """Sends a file that several entries need, unless it is one of the `sent` or another thread sends it."""
        with self._once(sent, name) as is_first, suppress(FileNotFoundError):
            if is_first:
                self._send_file(name, path, looks=looks)

    @contextmanager
    def _once(self, sent: Listing | set[Any], what: Any) -> Iterator[bool]:
        """Yields true if something is not one of the `sent`, and adds it, unless an exception follows."""
        with self._lock:
            is_first = what not in sent
            if is_first:
                sent.add(what)
        try:
            yield is_first
        except BaseException:
            if is_first:
                sent.discard(what)
            raise

    def _send_file(self, name: str, path: str, *, looks: bool = False) -> None:
        """Sends a file, unless there is an object of this name. `looks`: asks before it sends."""
        stored = os.stat(path)
        with self.guarded("write"):
            if (looks or stored.st_size > PART_BYTES) and self.bucket.exists(name):
                return
            if stored.st_size > PART_BYTES:
                # No server makes parts conditional, so that two processes may both send it.
                self.bucket.replace_by_file(name, path, stored.st_mtime_ns)
            else:
                self.bucket.create(name, _content(path), stored.st_mtime_ns)

    def _replace(self, name: str, path: str, e_tag: str | None) -> None:
        stored = os.stat(path)
        with self.guarded("write"):
            if stored.st_size > PART_BYTES:
                self.bucket.replace_by_file(name, path, stored.st_mtime_ns)
            else:
                self.bucket.replace(name, _content(path), e_tag, stored.st_mtime_ns)


def in_parallel(function: Callable[[A], R], items: Sequence[A], threads: int = REQUESTS) -> list[R]:
    """Calls a function with each item, in several threads that wait for a server."""
    if len(items) < 2:
        return [function(each) for each in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="funes remote") as pool:
        return list(pool.map(function, items))


def _write(incoming: Incoming, chunks: Iterator[bytes], size: int) -> None:
    """Writes the content of an object. Another thread hashes and writes a part while the next one arrives."""
    if size <= CHUNK_BYTES:
        for chunk in chunks:
            incoming.write(chunk)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="funes remote") as pool:
        written: Future[None] | None = None
        for chunk in chunks:
            if written is not None:
                written.result()
            written = pool.submit(incoming.write, chunk)
        if written is not None:
            written.result()


def _names_in(path: str) -> set[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split())
    except (OSError, ValueError):
        return set()


def _add_name(path: str, name: str) -> None:
    """Adds a line to a file. Without it, a segment or pack may be received again."""
    with suppress(OSError):
        mode = os.stat(os.path.dirname(path)).st_mode & 0o660
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
        try:
            os.write(descriptor, f"{name}\n".encode())
        finally:
            os.close(descriptor)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


#: The remote caches of this process by URL; a text that says why one cannot be used.
_remotes: dict[str, Remote | str] = {}

#: True in a child that was forked after its parent had used a remote cache.
_is_forked = False


def remote_of(url: str) -> Remote | str:
    """Returns the remote cache at a URL, or a text that says why it cannot be used in this process."""
    found = _remotes.get(url)
    if found is None:
        found = _remotes.setdefault(url, _open(url))
    return found


def opened_remotes() -> list[Remote]:
    """Returns the remote caches that this process uses."""
    return [each for each in _remotes.values() if isinstance(each, Remote)]


def _open(url: str) -> Remote | str:
    if _is_forked:
        return (
            "the remote cache is not used in this process, which was forked after its parent had used it: start workers"
            ' with "spawn", "forkserver" or loky. funes push sends what was not sent'
        )
    try:
        return Remote(checked_url("FUNES_REMOTE", url))
    except ImportError:
        return "the remote cache is not used, since obstore is missing: pip install 'funes[remote]'"
    except (ValueError, BucketError) as error:
        return f"the remote cache is not used: {error}"


def _after_fork_in_child() -> None:
    global _is_forked
    _is_forked = _is_forked or any(isinstance(each, Remote) for each in _remotes.values())
    _remotes.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
