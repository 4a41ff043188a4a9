"""Small projects in two versions each, and whether the definition of their function `f` is the same in both.

A project is written once. ``<<one => other>>`` is ``one`` in the first version and ``other`` in the second. It is the
text of ``main.py``; a line ``#: name.py`` starts another file. What is asked is the definition of ``main.f``.
"""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """One row of the table."""

    name: str
    is_same: bool
    text: str
    since: tuple[int, int] = (3, 10)  # the first version of Python that can run it

    def files(self, version: int) -> dict[str, str]:
        """Path and content of each file of the project.

        version: 0 or 1.
        """
        text = re.sub(r"<<(.*?)=>(.*?)>>", lambda part: _strip(part[version + 1]), self.text, flags=re.S)
        names = ["main.py", *re.findall(r"^#: (\S+)$", text, flags=re.M)]
        return dict(zip(names, re.split(r"^#: \S+\n", text, flags=re.M), strict=True))


def _strip(part: str) -> str:
    return part[1:-1] if part.startswith(" ") or part.endswith(" ") else part


def _different(name: str, text: str, **more: tuple[int, int]) -> Case:
    return Case(name, False, textwrap.dedent(text).lstrip(), **more)


def _same(name: str, text: str, **more: tuple[int, int]) -> Case:
    return Case(name, True, textwrap.dedent(text).lstrip(), **more)
