"""Run records in a bucket. A record that is missing or cannot be received leaves versions unknown, and nothing else."""

from __future__ import annotations

import os
from contextlib import suppress

from funes._entries.run_record import parsed, path_of_run, write_received
from funes._funes import RUNS, Listing, Store, earlier_files, run_in_file
from funes._remote.bucket import Bucket, BucketError

#: A larger object is no run record.
_MAX_BYTES = 1 << 20


def name_of(run: str) -> str:
    """Returns the name of the object of a record."""
    return f"{RUNS}/{run}.json"


def runs_of(path: str) -> set[str]:
    """Returns the ids of the records that the entry in a file and its earlier entries carry."""
    return set(filter(None, map(run_in_file, [path, *earlier_files(path)])))


def runs_in_folder(folder: str) -> set[str]:
    """Returns the ids of the records that entries in a folder carry, also packed ones."""
    listing = Listing(folder)
    found: set[str] = set()
    with suppress(OSError):
        for *_, runs in iter(lambda: listing.sum_up(reads=True), None):
            found |= runs.keys()
    return found


def send(bucket: Bucket, store: Store, run: str) -> None:
    """Sends a record, unless it is there or damaged: an object in a bucket is never replaced.

    Raises:
        BucketError: The request failed. A server may refuse records and let results be sent, which is no error.
    """
    try:
        with open(path_of_run(store.root, run), "rb") as file:
            content, changed = file.read(), os.fstat(file.fileno()).st_mtime_ns
        if parsed(content, run) is not None:
            bucket.create(name_of(run), content, changed)
    except OSError:
        return
    except BucketError as error:
        if not error.is_refusal:
            raise


def receive(bucket: Bucket, store: Store, run: str) -> None:
    """Receives a record, if it is there and not damaged."""
    with suppress(BucketError, OSError):
        content = _content_of(bucket, run)
        if content is not None:
            write_received(store.root, run, content)


def problem_with(bucket: Bucket, run: str) -> str | None:
    """Receives a record, and returns why it cannot be used; None if it can, or if it is gone. Raises `BucketError`."""
    content = _content_of(bucket, run)
    return None if content is None or parsed(content, run) else "it is not what its name says"


def _content_of(bucket: Bucket, run: str) -> bytes | None:
    """Receives a record; returns None if there is none, and nothing if it is too large. Raises `BucketError`."""
    found = bucket.get(name_of(run))
    if found is None:
        return None
    return b"".join(found.chunks()) if found.bytes <= _MAX_BYTES else b""
