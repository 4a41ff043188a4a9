"""``funes pack``: merge results into one compressed file per version."""

from __future__ import annotations

import click

from funes._results.cache import Cache
from funes._results.stored import Packing, StoredVersion
from funes._tools.cli import completion, options
from funes._tools.cli.repack import repack


@click.command(short_help="Merge results into one compressed file per version.")
@click.argument("function", type=completion.FUNCTION, required=False)
@options.cache
@options.as_json
def command(*, function: str | None, cache: Cache, as_json: bool) -> None:
    """Merge the segments, packs and single files of every version, or of those of FUNCTION, into one pack.

    Programs may use the cache meanwhile: segments that they append to are left out. Results with more than 64 KiB, and
    those for which the function read files, stay single files. If the command is killed, results may be stored twice,
    and none is lost.

    \b
    definition   the version
    results      the number of results in the pack
    bytes        the size of the pack
    packed       the number of segments and packs that it replaces
    files        the number of single files that it replaces
    damaged      the number of damaged records, whose files are moved to the folder "damaged"
    busy         the number of segments and packs that were left out
    """
    repack(cache, function, StoredVersion.pack, Packing._fields, label="pack", as_json=as_json)
