"""``funes diff``: what changed between two versions."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

import click

from funes._code.definition_diff import Change, changes
from funes._code.definition_file import Content
from funes._results.cache import Cache
from funes._results.stored import StoredVersion
from funes._tools.cli import options, resolve
from funes._tools.cli.exit_codes import NotFound
from funes._tools.cli.output import print_json, print_text


@click.command(short_help="Show what changed in FUNCTION from version OLD to version NEW.")
@click.argument("function")
@click.argument("old")
@click.argument("new", required=False)
@options.cache
@options.as_json
def command(*, function: str, old: str, new: str | None, cache: Cache, as_json: bool) -> None:
    """Show what changed in FUNCTION, and in all that it uses, from version OLD to version NEW.

    OLD and NEW are beginnings of definition hashes, as `funes ls FUNCTION` shows them; NEW is the version to which a
    result was added last, if it is left out. Each change is a line; below a function or class that changed stands the
    difference of its source. No code is imported.

    \b
    how        changed, added or removed                   (--json)
    what       function, class, value, depends_on ...      (--json)
    name       of the function, class or value             (--json)
    of         whose value it is, or who reads it          (--json)
    before     the value in short                          (--json)
    after      the value in short                          (--json)
    diff       the difference of the source                (--json)

    Exit code: 1 if a version is not there, or what it consists of is not known.
    """
    found = resolve.function_named(cache, function)
    [before] = resolve.versions_named(found, [old])
    [after] = resolve.versions_named(found, [new]) if new else found.versions()[:1]
    told = changes(_content(before), _content(after))
    if as_json:
        print_json(rows_of(told))
        return
    print_changes(told)


def print_changes(told: Iterable[Change]) -> None:
    """Print changes, each with the difference of its source."""
    for change in told:
        print_text(str(change))
        if change.diff:
            print_text(indent(change.diff, "    "))


def rows_of(told: Iterable[Change]) -> list[dict[str, str]]:
    """Changes as JSON has them."""
    return [change._asdict() for change in told]


def _content(version: StoredVersion) -> Content:
    description = version.description
    if description is None or not description["nodes"]:
        reason = (
            "there is no sound definition.json" if description is None else "it is not recorded"
        )
        raise NotFound(
            f"what version {version.definition} consists of is not known:"
            f" {reason} in {version.folder}"
        )
    return description
