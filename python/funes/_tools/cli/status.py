"""``funes status``: shows which functions would be computed again, why, and how long that takes."""

from __future__ import annotations

from typing import Any

import click

from funes._entries.cache_folder import absolute, is_url
from funes._memo.memo import Memo
from funes._results.units import seconds_shown
from funes._tools.cli import completion, options
from funes._tools.cli.diff import rows_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.output import Column, print_rows
from funes._tools.status.checkout import CheckoutError, described_at
from funes._tools.status.functions import imported, memos_in, modules_of
from funes._tools.status.status import FunctionStatus, removed, status_of, status_since

_COLUMNS = (
    Column("function"),
    Column("state"),
    Column("results", right=True),
    Column("stale", right=True),
    Column("seconds", seconds_shown, right=True),
    Column("changed", "\n".join, below=True),
)
#: The states in which calls would be computed again.
_RECOMPUTED = ("stale", "changed")


@click.command(short_help="Show which functions would be computed again after an edit.")
@click.argument("modules", type=completion.MODULE, metavar="[MODULE]...", nargs=-1)
@click.option("--against", metavar="REV", help="Compare with the git revision REV instead.")
@click.option(
    "--max-seconds",
    metavar="N",
    type=click.FloatRange(min=0),
    help="Exit with 1 if the stale calls took more than N seconds.",
)
@options.folder
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    modules: tuple[str, ...],
    against: str | None,
    max_seconds: float | None,
    folder: str | None,
    as_json: bool,
) -> None:
    """Show which functions would be computed again, why, and how long their calls took. Runs no memorious function.

    Imports each MODULE, and all modules of a package. The default is the modules whose functions have results in the
    cache folder. Functions whose calls would be computed again come first, the costliest one first.

    \b
    function   the module and qualified name of the function
    state      current   there are results of the present definition
               stale     there are only results of earlier definitions
               new       there are no results
               unknown   the function has no definition: its calls run
                         uncached
               with --against: same, changed, added, removed or unknown
    results    the number of results of the present definition
    stale      the number of calls that have a result of the definition
               before, and none of the present one
    seconds    the run time of these calls
    changed    the changes since the definition before
    definition   the present definition hash                   (--json)
    before     the definition hash with which it is compared   (--json)
    changes    the changes, as in `funes diff`                 (--json)
    detail     why something is not known, and the like        (--json)

    Exit code: 1 if the stale calls took more than --max-seconds, if a module cannot be imported, or if no module has a
    memorious function.
    """
    options.find_code()
    failed: dict[str, str] = {}
    names = list(modules) or modules_of(options.opened(folder))
    memos = memos_in(imported(names, failed.__setitem__))
    _move(memos, folder)
    if against is None:
        found = [status_of(memo) for memo in memos]
    else:
        try:
            found = _since(memos, against, names, failed)
        except CheckoutError as error:
            raise click.UsageError(str(error)) from error
    for name, reason in failed.items():
        click.echo(f"{name} cannot be imported: {reason}", err=True)
    if not found and not failed:
        where = f"in {', '.join(names)}" if names else "whose module can be imported from here"
        raise NotFound(f"there is no memorious function {where}")
    recomputed = [each for each in found if each.state in _RECOMPUTED]
    recomputed.sort(key=lambda each: -each.seconds)
    rest = [each for each in found if each.state not in _RECOMPUTED]
    print_rows(map(_row, recomputed + rest), _COLUMNS, as_json=as_json)
    seconds = sum(each.seconds for each in recomputed)
    calls = sum(each.stale for each in recomputed)
    if found:
        text = f"{len(recomputed)} of {len(found)} functions are stale"
        took = f"their {calls} stored call{'s' * (calls != 1)} took {seconds_shown(seconds)}"
        click.echo(f"{text}; {took}" if recomputed else text, err=True)
    if failed or (max_seconds is not None and seconds > max_seconds):
        ctx.exit(PROBLEMS_FOUND)


def _move(memos: list[Memo[..., Any]], folder: str | None) -> None:
    """Makes the functions use the cache folder that the user gave."""
    if folder is None:
        return
    root = absolute(folder)
    if is_url(root):
        raise click.UsageError(f"{folder} is not a folder")
    for memo in memos:
        memo._move(root)


def _since(
    memos: list[Memo[..., Any]], revision: str, names: list[str], failed: dict[str, str]
) -> list[FunctionStatus]:
    before = described_at(revision, names)
    for name, reason in before.failed.items():
        if name not in failed:
            click.echo(f"at {revision}, {name} cannot be imported: {reason}", err=True)
    found = [status_since(memo, before.definitions.get(memo._identity)) for memo in memos]
    present = {memo._identity for memo in memos}
    return found + removed(each for each in before.definitions if each not in present)


def _row(found: FunctionStatus) -> dict[str, Any]:
    changed = [str(change) for change in found.changes]
    return {
        **found._asdict(),
        "changes": rows_of(found.changes),
        "changed": [*changed, found.detail] if found.detail else changed,
    }
