"""``funes explain``: explains why a call is a hit or a miss."""

from __future__ import annotations

from typing import Any

import click

from funes._results.units import date_exact
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.diff import rows_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.import_function import memo_named
from funes._tools.cli.output import print_json, print_text
from funes._tools.explain.explanation import Explanation
from funes._tools.explain.other_versions import Version


# Negative numbers are arguments, not options.
@click.command(
    short_help="Explain why a call of FUNCTION is a hit or a miss.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("function", type=completion.CODE, metavar="MODULE:FUNCTION")
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT]...")
@options.folder
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    function: str,
    arguments: tuple[str, ...],
    folder: str | None,
    as_json: bool,
) -> None:
    """Explain why a call of FUNCTION is a hit or a miss. Imports MODULE, and does not run the function.

    ARGUMENTs are the arguments of the call: Python literals, or else strings; by name as in lr=0.1.

    \b
    funes explain mine.train:fit 0.1 layers=[8,8] optimizer=adam

    \b
    function   its qualified name                                    (--json)
    hit        true for a hit                                        (--json)
    why        memory, disk; never called, definition, arguments,
               damaged, foreign, format, unreadable, unhashable      (--json)
    definition, arguments   the hashes of the call                   (--json)
    path       the file of the result, or of the most similar result (--json)
    version    the other version with which it is compared           (--json)
    renamed_from  another function with the same code, if this one
               has no results                                        (--json)
    used       the time when the other version was used last         (--json)
    changes    the changes since the other version, as in `funes diff`   (--json)
    is_cached_there   true if the other version has this call    (--json)
    differences   path, before and after, from the most similar result   (--json)
    looked_at, entries   the number of compared and of all results   (--json)
    detail     more details                                          (--json)
    unseen     inputs that are no part of the key, such as the clock (--json)
    run        for a hit, the process that computed the result       (--json)

    Exit code: 0 for a hit, 1 for a miss.
    """
    memo = memo_named(function, folder)
    args, kwargs = resolve.call_arguments(arguments)
    try:
        found = memo.explain(*args, **kwargs)
    except TypeError as error:
        raise click.UsageError(f"{function} does not take these arguments: {error}") from error
    if as_json:
        print_json(_row(found))
    else:
        print_text(str(found))
    if not found.is_hit:
        ctx.exit(PROBLEMS_FOUND)


def _row(found: Explanation) -> dict[str, Any]:
    version: Version | None = found.version
    return {
        "function": found.function,
        "hit": found.is_hit,
        "why": found.why,
        "definition": found.definition or None,
        "arguments": found.arguments or None,
        "path": None if found.path is None else str(found.path),
        "version": None if version is None else version.definition,
        "used": None if version is None else date_exact(version.used_at),
        "renamed_from": found.renamed_from or None,
        "changes": rows_of(found.changes),
        "is_cached_there": found.is_cached_there,
        "differences": [difference._asdict() for difference in found.differences],
        "looked_at": found.looked_at,
        "entries": found.entries,
        "detail": found.detail,
        "unseen": list(found.unseen),
        "run": None if found.run is None else found.run._asdict(),
    }
