"""``funes pull``: receives results from a bucket."""

from __future__ import annotations

import os

import click

from funes._entries import signing
from funes._entries.cache_folder import absolute
from funes._funes import Store
from funes._remote.transfer import pulled
from funes._results.cache import open_cache
from funes._tools.cli import buckets


@click.command(short_help="Receive the results of a bucket that a cache folder lacks.")
@buckets.transfer("received")
def command(
    *,
    cache_dir: str,
    url: str,
    function: str | None,
    versions: tuple[str, ...],
    newer_than: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Receive the results in the bucket at URL that the cache folder DIR lacks, with their large arguments.

    Every file is verified before it gets its name, with FUNES_SIGNING_KEY also its signature, and nothing is unpickled.
    If the command is interrupted, the next one receives the rest. The columns are those of `funes push`; the size of
    segments and packs is not known before.

    Exit code: 1 if an object cannot be used, or the bucket cannot be used.
    """
    mirror = buckets.mirror_of(url)
    folder = absolute(cache_dir)
    if not dry_run:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    store = Store(folder, key=signing.from_environment())
    chosen = buckets.chosen(open_cache(mirror.path), function, versions)
    found = pulled(mirror, store, chosen, buckets.since(newer_than))
    buckets.carry_out(found, "received", dry_run=dry_run, as_json=as_json)
