"""``funes unpack``: restore single files from segments and packs."""

from __future__ import annotations

import click

from funes._results.cache import Cache
from funes._results.stored import StoredVersion, Unpacking
from funes._tools.cli import completion, options
from funes._tools.cli.repack import repack


@click.command(short_help="Restore single files from segments and packs.")
@click.argument("function", type=completion.FUNCTION, required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Restore the single files of every version, or of those of FUNCTION, from segments and packs, byte for byte.

    Segments and packs are deleted when all their results are safely in single files. Segments to which programs append
    are left.

    \b
    definition   the version
    results      the number of restored results
    packed       the number of segments and packs that were deleted
    busy         the number of segments and packs that were left
    """
    repack(
        cache, function, StoredVersion.unpack, Unpacking._fields, label="unpack", as_json=as_json
    )
