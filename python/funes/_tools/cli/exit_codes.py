"""Defines the exit codes: 0 for success, 1 if something is missing or not in order, 2 for wrong usage.

click exits with 2 after `click.UsageError`, and with 1 after Ctrl-C or a "no" at a prompt.
"""

from __future__ import annotations

import click

#: The exit code of a command that completed, and found something that is not in order.
PROBLEMS_FOUND = 1


class NotFound(click.ClickException):
    """Raised if a function, version or entry does not exist."""

    exit_code = PROBLEMS_FOUND


class Refused(click.ClickException):
    """Raised if a command needs --yes to continue."""

    exit_code = 2
