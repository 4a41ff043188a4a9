"""``funes adopt``: copies results to a new version of a function."""

from __future__ import annotations

from typing import Any

import click

from funes._atomic_json import is_shared
from funes._code.definition_diff import Change
from funes._memo.options import SYNC_AFTER_SECONDS
from funes._results.stored import StoredVersion
from funes._tools.adopt.adopt import plan
from funes._tools.adopt.result import AdoptionResult
from funes._tools.adopt.subject import Subject
from funes._tools.adopt.translation import read_parts_in
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.diff import print_changes, rows_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.import_function import is_code, memo_named
from funes._tools.cli.output import print_json, print_text
from funes.errors import AdoptionError


@click.command(short_help="Copy the results of version OLD to version NEW. Asks first.")
@click.argument("function", type=completion.FUNCTION)
@click.argument("old", type=completion.VERSION)
@click.argument("new", type=completion.VERSION, required=False)
@click.option(
    "--add",
    metavar="NAME=VALUE",
    multiple=True,
    callback=lambda _, __, given: resolve.named_values(given),
    help="NAME is a new parameter. Until now it was VALUE, a Python literal or else a string.",
)
@click.option(
    "--rename",
    metavar="OLD=NEW",
    multiple=True,
    callback=lambda _, __, given: _names(given),
    help="The parameter OLD is now called NEW.",
)
@click.option("--drop", metavar="NAME", multiple=True, help="The parameter NAME was removed.")
@click.option(
    "--function",
    "former",
    metavar="NAME",
    help="The name of the function in OLD, if it was renamed or moved.",
)
@click.option("--dry-run", "-n", is_flag=True, help="Only show what would be copied.")
@options.yes
@options.folder
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    function: str,
    old: str,
    new: str | None,
    add: dict[str, Any],
    rename: dict[str, str],
    drop: tuple[str, ...],
    former: str | None,
    dry_run: bool,
    yes: bool,
    folder: str | None,
    as_json: bool,
) -> None:
    """Copy the results of version OLD of FUNCTION to version NEW, after an edit that changes no result.

    Shows the changes from OLD to NEW before it asks. FUNCTION is MODULE:FUNCTION, which is imported, and NEW is its
    current definition. Or FUNCTION is a name as in `funes ls`, and NEW a stored version, by default the version with
    the latest result. OLD and NEW are the first digits of definition hashes.

    Computes nothing, and changes nothing of OLD. Refuses if two results would get the same key. If parameters have
    changed, results are unpickled, which imports the modules of their classes.

    \b
    definition   the hash of OLD                                      (--json)
    into         the hash of NEW                                      (--json)
    changes      the changes, as in `funes diff`; null if unknown     (--json)
    entries      the number of results that were or would be copied   (--json)
    left_out     the results that cannot be copied, with the reason   (--json)
    evidence     the outcome of `funes check`, if all results were
                 equal                                                (--json)

    Exit code: 1 if it was refused, or if results were left out.
    """
    subject = _subject(function, (old, former), new, folder)
    options.find_code()
    try:
        adoption = plan(subject, old, add=add, rename=rename, drop=drop, function=former)
        changed, found = adoption.changes(), adoption.look()
        if not as_json:
            _show(changed, found, dry_run)
        if not dry_run:
            options.confirm(f"Copy {found.summary()}?", yes)
            found = adoption.carry_out()
    except (AdoptionError, OSError) as error:
        raise NotFound(str(error)) from error
    if as_json:
        rows = None if changed is None else rows_of(changed)
        print_json({**found._asdict(), "changes": rows})
    elif not dry_run:
        print_text(f"copied {found.summary()}")
    if found.left_out:
        ctx.exit(PROBLEMS_FOUND)


def _show(changed: list[Change] | None, found: AdoptionResult, dry_run: bool) -> None:
    """Prints the changes, and the results that would be left out."""
    if changed is None:
        print_text("the changes are not known: the code was not recorded")
    else:
        print_changes(changed)
    print_text(found.evidence or "no check of these versions is recorded: see funes check")
    for line in found.omissions():
        print_text(line)
    if dry_run:
        print_text(f"would copy {found.summary()}")


def _names(texts: tuple[str, ...]) -> dict[str, str]:
    renamed = {}
    for text in texts:
        before, equals, after = text.partition("=")
        if not equals or not before or not after:
            raise click.BadParameter(f"{text!r} is not OLD=NEW: write lr=learning_rate")
        renamed[before] = after
    return renamed


def _subject(
    function: str, source: tuple[str, str | None], new: str | None, folder: str | None
) -> Subject:
    old, former = source
    if is_code(function):
        from funes._tools.adopt.subject import subject_of

        subject = subject_of(memo_named(function, folder))
        if new is not None and not subject.definition.startswith(new):
            raise click.UsageError(
                f"the current definition of {function} is {subject.definition}, not {new}"
            )
        return subject
    found = resolve.function_named(options.opened(folder), function)
    [version] = resolve.versions_named(found, [new]) if new else found.versions()[:1]
    if new is None and former is None and version.definition.startswith(old):
        raise click.UsageError(
            f"{old} is the version with the latest result: give NEW, or give the function as"
            " MODULE:FUNCTION, whose current definition is NEW"
        )
    return _recorded(version)


def _recorded(version: StoredVersion) -> Subject:
    """Describes a version by what is recorded on disk, without its code."""
    content = version.description or {}
    name, parameters = content.get("function"), content.get("parameters")
    if not isinstance(name, str) or not isinstance(parameters, list):
        raise NotFound(
            f"the parameters of version {version.definition} are not recorded in {version.folder}:"
            " give the function as MODULE:FUNCTION"
        )
    return Subject(
        store=version._store,
        function=name,
        identity=version.function._identity,
        definition=version.definition,
        parameters=parameters,
        read_parts=read_parts_in(content),
        content=None,
        shared=is_shared(version.folder),
        is_durable=lambda seconds: seconds >= SYNC_AFTER_SECONDS,
    )
