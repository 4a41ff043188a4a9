"""``funes diff``: shows the changes between two versions."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

import click

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import Content
from funes._results.cache import Cache
from funes._results.stored import StoredVersion
from funes._tools.cli import completion, options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import print_json, print_text


@click.command(short_help="Show what changed in FUNCTION from version OLD to version NEW.")
@click.argument("function", type=completion.FUNCTION)
@click.argument("old", type=completion.VERSION)
@click.argument("new", type=completion.VERSION, required=False)
@options.cache
@options.as_json
def command(*, function: str, old: str, new: str | None, cache: Cache, as_json: bool) -> None:
    """Show what changed in FUNCTION, and in all that it uses, from version OLD to version NEW.

    OLD and NEW are the first digits of definition hashes, as `funes ls FUNCTION` shows them. NEW is the version with
    the latest result by default. Each change is a line; a changed function or class is followed by a diff of its
    source. No code is imported.

    \b
    how        changed, added or removed                   (--json)
    what       function, class, value, depends_on ...      (--json)
    name       the name of the function, class or value    (--json)
    of         the function or class to which the value
               belongs, or that reads it                   (--json)
    before     the value, shortened                        (--json)
    after      the value, shortened                        (--json)
    diff       the diff of the source                      (--json)

    Exit code: 1 if a version does not exist, or its code was not recorded.
    """
    found = resolve.function_named(cache, function)
    [before] = resolve.versions_named(found, [old])
    [after] = resolve.versions_named(found, [new]) if new else found.versions()[:1]
    found_changes = changes(_content(before), _content(after))
    if as_json:
        print_json(rows_of(found_changes))
        return
    print_changes(found_changes)


def print_changes(found: Iterable[Change]) -> None:
    """Prints changes, each with the diff of its source."""
    for change in found:
        print_text(str(change))
        if change.diff:
            print_text(indent(change.diff, "    "))


def rows_of(found: Iterable[Change]) -> list[dict[str, str]]:
    """Makes rows of changes for JSON."""
    return [change._asdict() for change in found]


def _content(version: StoredVersion) -> Content:
    description = version.description
    if description is None or not description["nodes"]:
        reason = (
            "definition.json is missing or damaged"
            if description is None
            else "definition.json does not record it"
        )
        raise NotFound(
            f"the code of version {version.definition} is not known: {reason} in {version.folder}"
        )
    return description
