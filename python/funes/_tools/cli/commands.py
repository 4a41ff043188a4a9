"""Lists the commands. A command is loaded when it is used, so that it does not load libraries of other commands."""

from __future__ import annotations

from importlib import import_module

import click

from funes._funes import __version__

#: The names of the commands in the order of the help.
NAMES = (
    *("ls", "show", "report", "status", "diff", "explain", "check", "adopt"),
    *("verify", "push", "pull", "pack", "unpack", "gc", "rm"),
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click passes it
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
    """List, verify, pack, share and delete cached results.

    The cache folder is the argument of --cache, or else the environment variable FUNES_CACHE_DIR, or else ./cache.
    Commands print tables in a terminal, lines with tabs between values in a pipe or file, and JSON with --json.

    Exit code: 0 for success; 1 if something was not found or is not in order; 2 for wrong usage, or if --yes is needed.
    """
