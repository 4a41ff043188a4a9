"""``funes adopt``: results that survive an edit."""

from __future__ import annotations

from typing import Any

import click

from funes._calls.options import WORTH_SYNCING
from funes._cli import match, options
from funes._cli.code import is_code, memo_named
from funes._cli.exits import FOUND_WANTING, NotThere
from funes._cli.output import print_json, print_text
from funes._entries.version import StoredVersion
from funes._versions import adopt as versions
from funes._versions.subject import Subject
from funes._whole import is_shared
from funes.errors import AdoptionError

__all__ = ["command"]


@click.command(short_help="Declare an edit harmless: results of OLD serve NEW.")
@click.argument("function")
@click.argument("old")
@click.argument("new", required=False)
@click.option(
    "--add",
    metavar="NAME=VALUE",
    multiple=True,
    callback=lambda _, __, given: match.named_values(given),
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
@click.option("--copy", is_flag=True, help="Copy the results that there are, and record nothing.")
@click.option("--undo", is_flag=True, help="Take back what was declared of OLD; copies stay.")
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
    copy: bool,
    undo: bool,
    folder: str | None,
    as_json: bool,
) -> None:
    """Declare an edit of FUNCTION harmless: results of version OLD serve version NEW.

    FUNCTION is MODULE:FUNCTION, which is imported, and NEW its present definition; or it is a name as in `funes ls`,
    and NEW a version of which anything is stored, without NEW the one to which a result was added last. OLD and NEW are
    beginnings of definition hashes.

    It is recorded in definition.json of NEW. Nothing is computed, and nothing of OLD is changed. What would make two
    results one is refused.

    \b
    definition   the hash of OLD                                      (--json)
    into         the hash of NEW                                      (--json)
    entries      how many results of OLD serve NEW                    (--json)
    left_out     those that cannot, with the reason                   (--json)
    is_copy      whether they were copied                             (--json)

    Exit code: 1 if it was refused, or if results were left out.
    """
    subject = _subject(function, old, new, folder)
    try:
        done = (
            versions.undo(subject, old)
            if undo
            else versions.adopt(subject, old, add=add, rename=rename, drop=drop, copy=copy)
        )
    except (AdoptionError, OSError) as error:
        raise NotThere(str(error)) from error
    if as_json:
        print_json(done._asdict())
    elif undo:
        print_text(f"results of {done.definition[:12]} serve {done.into[:12]} no more")
    else:
        print_text(str(done))
    if done.left_out:
        ctx.exit(FOUND_WANTING)


def _names(texts: tuple[str, ...]) -> dict[str, str]:
    renamed = {}
    for text in texts:
        before, equals, after = text.partition("=")
        if not equals or not before or not after:
            raise click.BadParameter(f"{text!r} names no two parameters: write lr=learning_rate")
        renamed[before] = after
    return renamed


def _subject(function: str, old: str, new: str | None, folder: str | None) -> Subject:
    if is_code(function):
        from funes._calls.description import subject_of

        subject = subject_of(memo_named(function, folder))
        if new is not None and not subject.definition.startswith(new):
            raise click.UsageError(
                f"the present definition of {function} is {subject.definition}, and not {new}"
            )
        return subject
    found = match.function_named(options.opened(folder), function)
    [version] = match.versions_named(found, [new]) if new else found.versions()[:1]
    if new is None and version.definition.startswith(old):
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
        raise NotThere(
            f"the parameters of version {version.definition} are not recorded in {version.folder}:"
            " name the function by MODULE:FUNCTION"
        )
    return Subject(
        store=version.function.cache._store,
        function=name,
        definition=version.definition,
        parameters=parameters,
        content=None,
        shared=is_shared(version.folder),
        is_durable=lambda seconds: seconds >= WORTH_SYNCING,
    )
