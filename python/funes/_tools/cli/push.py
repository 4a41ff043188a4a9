"""``funes push``: sends results to a bucket."""

from __future__ import annotations

import click

from funes._remote.transfer import pushed
from funes._tools.cli import buckets, options


@click.command(short_help="Send the results of a cache folder to a bucket that lacks them.")
@buckets.transfer("sent")
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
    """Send the results of the cache folder DIR that are not in the bucket at URL, with their large arguments.

    Every file is verified before it is sent; a damaged one is left out. If the command is interrupted, the next one
    sends the rest. Programs may use both meanwhile.

    \b
    what       results, or packed (segments and packs)
    function   the name of the function
    version    the definition hash
    files      the number of files
    bytes      the total size of the files

    Exit code: 1 if a file was left out, or the bucket cannot be used.
    """
    cache = options.opened(cache_dir)
    remote = buckets.opened(url)
    found = pushed(
        remote, cache._store, buckets.chosen(cache, function, versions), buckets.since(newer_than)
    )
    buckets.carry_out(found, "sent", dry_run=dry_run, as_json=as_json)
