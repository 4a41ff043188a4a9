"""How a command ends: 0 if all is well, 1 if what it looked for is missing or not in order, 2 if it was called wrongly.

click itself ends with 2 after its `click.UsageError`, and with 1 after Ctrl-C or a "no" at a prompt.
"""

from __future__ import annotations

import click

#: The command did its work, and what it found is not in order.
PROBLEMS_FOUND = 1


class NotFound(click.ClickException):
    """What the command was asked about does not exist."""

    exit_code = PROBLEMS_FOUND


class Refused(click.ClickException):
    """The command may not go on as it was called."""

    exit_code = 2
