"""Brings the results of many calls to the cache folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from funes import _warnings
from funes._call.leaves import record_definition_of
from funes._remote.bucket import BucketError
from funes._remote.leaves import report, usable_remote
from funes._remote.remote import EntryKey, Fetched, in_parallel

if TYPE_CHECKING:
    from funes._memo.memo import Memo

#: The number of results that are received at the same time.
REQUESTS = 32


def bring(memo: Memo[Any, Any], definition: str, digests: list[str]) -> bool:
    """Receives those of several entries and remembered errors that are in the remote cache, and its segments and packs.

    A damaged one is left to the call, which reports and replaces it.

    Args:
        memo: A function that has a remote cache.
        definition: The definition digest.
        digests: The argument digests of entries that are not in the cache folder.

    Returns:
        Whether anything was received.
    """
    remote = usable_remote(memo)
    if remote is None or remote.is_paused("read"):
        return False
    store, name = memo._store, memo._function_name
    found = False
    try:
        found, _ = remote.take_packed(store, name, definition)
        keys = [EntryKey(name, definition, digest) for digest in digests]
        listing = remote.listing(keys[0].folder)
        listed = [key for key in keys if listing.may_have(key.name)]
        if memo._options.remember_errors:
            errors = (key.of_error for key in keys if key.name not in listing)
            listed += [
                key
                for key in errors
                if key.name in listing and not os.path.lexists(store.path(*key))
            ]

        def fetch(key: EntryKey) -> Fetched | None:
            return remote.fetch(store, key)

        fetched = in_parallel(fetch, listed, REQUESTS)
        found = found or any(each is not None and each.state == "published" for each in fetched)
    except BucketError as error:
        report(memo, remote, str(error))
    except Exception as error:
        report(memo, remote, _warnings.one_line(error))
    if found:
        record_definition_of(memo, definition)
    return found
