"""The commands. Each is loaded when it is asked for, so that one does not wait for the libraries of the others."""

from __future__ import annotations

from importlib import import_module

import click

from funes._funes import __version__

#: In the order in which the help lists them.
NAMES = ("ls", "show", "diff", "explain", "adopt", "verify", "du", "gc", "rm")


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click calls it so
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in NAMES:
            return None
        command: click.Command = import_module(f"{__package__}.{cmd_name}").command
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="funes %(version)s")
def funes() -> None:
    """See and tidy what funes remembers.

    Commands look at the cache folder that --cache names, or the environment variable FUNES_CACHE_DIR, or else ./cache.
    They print tables in a terminal, lines of values with tabs between them in a pipe or file, and JSON with --json.

    Exit code: 0 if all is well; 1 if what was looked for is not there or not in order; 2 if the command was called
    wrongly, or may not go on without --yes.
    """
