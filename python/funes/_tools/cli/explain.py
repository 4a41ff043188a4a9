"""``funes explain``: why a call is remembered, or is not."""

from __future__ import annotations

from typing import Any

import click

from funes._tools.cli import options, resolve
from funes._tools.cli.diff import rows_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND
from funes._tools.cli.import_function import memo_named
from funes._tools.cli.output import print_json, print_text
from funes._tools.cli.units import date_exact
from funes._tools.explain.explanation import Explanation
from funes._tools.explain.other_versions import Version


# Negative numbers are arguments, not options.
@click.command(
    short_help="Say why a call of FUNCTION is remembered, or not.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("function", metavar="MODULE:FUNCTION")
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
    """Say why a call of FUNCTION is remembered, or why it would compute. The function is not run; MODULE is imported.

    ARGUMENTs are those of the call: Python literals, or else texts; by name as in lr=0.1.

    \b
    funes explain mine.train:fit 0.1 layers=[8,8] optimizer=adam

    \b
    function   its qualified name                                    (--json)
    hit        whether it is remembered                              (--json)
    why        memory, disk; never called, definition, arguments,
               damaged, foreign, format, unreadable, unhashable      (--json)
    definition, arguments   the hashes of the call                   (--json)
    path       the file of the result, or of the nearest one         (--json)
    version    the version it is compared with                       (--json)
    renamed_from  the other function whose code is the same, if nothing
               is stored of this one                                 (--json)
    used       when that was used last                               (--json)
    changes    what changed since that version, as in `funes diff`   (--json)
    is_remembered_there   whether that version remembers the call    (--json)
    differences   path, before and after, from the nearest result    (--json)
    looked_at, entries   how many results were compared, and of how many (--json)
    detail     what else there is to say                             (--json)

    Exit code: 0 if the call is remembered, 1 if it is not.
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
        "is_remembered_there": found.is_remembered_there,
        "differences": [difference._asdict() for difference in found.differences],
        "looked_at": found.looked_at,
        "entries": found.entries,
        "detail": found.detail,
    }
