"""``funes adopt``: results that survive an edit, or a rename."""

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
from funes._tools.adopt.translation import reading_in
from funes._tools.cli import options, resolve
from funes._tools.cli.diff import print_changes, rows_of
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.import_function import is_code, memo_named
from funes._tools.cli.output import print_json, print_text
from funes.errors import AdoptionError


@click.command(short_help="Copy the results of version OLD to version NEW, after asking.")
@click.argument("function")
@click.argument("old")
@click.argument("new", required=False)
@click.option(
    "--add",
    metavar="NAME=VALUE",
    multiple=True,
    callback=lambda _, __, given: resolve.named_values(given),
    help="NAME is a new parameter, and was VALUE, a Python literal or else a text, all along.",
)
@click.option(
    "--rename",
    metavar="OLD=NEW",
    multiple=True,
    callback=lambda _, __, given: _names(given),
    help="The parameter OLD is called NEW now.",
)
@click.option("--drop", metavar="NAME", multiple=True, help="The parameter NAME is gone.")
@click.option(
    "--function",
    "former",
    metavar="NAME",
    help="The name that the function had in OLD, if it was renamed or moved.",
)
@click.option("--dry-run", "-n", is_flag=True, help="Only say what would be copied.")
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

    What changed from OLD to NEW is shown before it asks. FUNCTION is MODULE:FUNCTION, which is imported, and NEW its
    present definition; or it is a name as in `funes ls`, and NEW a version of which anything is stored, without NEW the
    one to which a result was added last. OLD and NEW are beginnings of definition hashes.

    Nothing is computed, and nothing of OLD is changed. What would make two results one is refused. Without the code,
    results are unpickled if parameters have changed, which imports the modules of their classes.

    \b
    definition   the hash of OLD                                      (--json)
    into         the hash of NEW                                      (--json)
    changes      what changed, as in `funes diff`; null if unknown    (--json)
    entries      how many results were copied, or would be            (--json)
    left_out     those that cannot be, with the reason                (--json)

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
        told = None if changed is None else rows_of(changed)
        print_json({**found._asdict(), "changes": told})
    elif not dry_run:
        print_text(f"copied {found.summary()}")
    if found.left_out:
        ctx.exit(PROBLEMS_FOUND)


def _show(changed: list[Change] | None, found: AdoptionResult, dry_run: bool) -> None:
    """Print what changed, and what would be left out."""
    if changed is None:
        print_text("what changed is not known: it was not recorded")
    else:
        print_changes(changed)
    for line in found.omissions():
        print_text(line)
    if dry_run:
        print_text(f"would copy {found.summary()}")


def _names(texts: tuple[str, ...]) -> dict[str, str]:
    renamed = {}
    for text in texts:
        before, equals, after = text.partition("=")
        if not equals or not before or not after:
            raise click.BadParameter(f"{text!r} names no two parameters: write lr=learning_rate")
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
                f"the present definition of {function} is {subject.definition}, and not {new}"
            )
        return subject
    found = resolve.function_named(options.opened(folder), function)
    [version] = resolve.versions_named(found, [new]) if new else found.versions()[:1]
    if new is None and former is None and version.definition.startswith(old):
        raise click.UsageError(
            f"{old} is the version to which a result was added last: name NEW, or name the function by"
            " MODULE:FUNCTION, whose present definition is NEW"
        )
    return _recorded(version)


def _recorded(version: StoredVersion) -> Subject:
    """A version as it is recorded on disk, without its code."""
    content = version.description or {}
    name, parameters = content.get("function"), content.get("parameters")
    if not isinstance(name, str) or not isinstance(parameters, list):
        raise NotFound(
            f"the parameters of version {version.definition} are not recorded in {version.folder}:"
            " name the function by MODULE:FUNCTION"
        )
    return Subject(
        store=version._store,
        function=name,
        identity=version.function._identity,
        definition=version.definition,
        parameters=parameters,
        reading=reading_in(content),
        content=None,
        shared=is_shared(version.folder),
        is_durable=lambda seconds: seconds >= SYNC_AFTER_SECONDS,
    )
