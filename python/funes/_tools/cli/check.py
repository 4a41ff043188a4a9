"""``funes check``: computes stored calls again, and compares the results."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from funes._results.lookup import AmbiguousNameError
from funes._tools.check.comparison import ComparedCall, Comparison
from funes._tools.cli import options
from funes._tools.cli.exit_codes import PROBLEMS_FOUND, NotFound
from funes._tools.cli.import_function import memo_named
from funes._tools.cli.output import print_json, print_text
from funes._tools.cli.units import age
from funes._warnings import one_line
from funes.errors import FunesError


@click.command(short_help="Compute stored calls of FUNCTION again, and compare the results.")
@click.argument("function", metavar="MODULE:FUNCTION")
@click.option(
    "--version",
    metavar="HASH",
    help="Compute the calls of this version. The default is the one before the present one.",
)
@click.option(
    "--budget",
    metavar="TIME",
    default="60s",
    show_default=True,
    callback=lambda _, __, given: age(given),
    help="Begin no call after this time.",
)
@click.option(
    "--tolerance",
    metavar="NUMBER",
    type=click.FloatRange(min=0),
    default=0.0,
    help="The largest relative difference of numbers that counts as close. The default is 0: results must be equal.",
)
@click.option("--all", "is_all", is_flag=True, help="Compute calls of the present version instead.")
@options.folder
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    *,
    function: str,
    version: str | None,
    budget: float,
    tolerance: float,
    is_all: bool,
    folder: str | None,
    as_json: bool,
) -> None:
    """Compute stored calls of FUNCTION again with the present code, and compare the results with the stored ones.

    Imports MODULE. The calls are those of the version before the edit, or with --all those of the present version, as
    after the upgrade of a library. They are chosen so that they differ in many arguments, cheap ones first. Nothing is
    stored, except that all results were equal, for `funes adopt`. What FUNCTION prints goes to standard error.

    \b
    function   its module and qualified name                         (--json)
    stored, computed   the hashes of the two versions                (--json)
    calls      the compared calls: call, arguments, outcome,
               difference, before and after in seconds, detail       (--json)
    left_out   the calls that cannot be computed again or compared,
               with the reason                                       (--json)
    total      the number of stored calls                            (--json)
    tolerance, seconds   the tolerance, and the run time             (--json)
    detail     why no call was compared                              (--json)
    is_equal   true if all results are equal or close                (--json)

    Exit code: 0 if all compared results are equal or close; 1 if one is not, or if nothing could be compared.
    """
    if is_all and version is not None:
        raise click.UsageError("--version and --all exclude each other")
    memo = memo_named(function, folder)
    try:
        with redirect_stdout(sys.stderr):
            found = memo.check(version, budget=budget, tolerance=tolerance, all=is_all)
    except (AmbiguousNameError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from error
    except KeyError as error:
        raise NotFound(error.args[0]) from error
    except (FunesError, OSError) as error:
        raise NotFound(one_line(error)) from error
    if as_json:
        print_json(_row(found))
    else:
        print_text(str(found))
    if not found.is_equal:
        ctx.exit(PROBLEMS_FOUND)


def _row(found: Comparison) -> dict[str, Any]:
    calls = [_call_row(each) for each in found.calls]
    return {**found._asdict(), "calls": calls, "is_equal": found.is_equal}


def _call_row(call: ComparedCall) -> dict[str, Any]:
    difference = None if call.difference is None else call.difference._asdict()
    return {**call._asdict(), "difference": difference}
