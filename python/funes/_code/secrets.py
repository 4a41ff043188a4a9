"""Keeps secrets that stand in the text of code out of files and off the screen."""

from __future__ import annotations

import re

from funes._funes import hash_value

#: What a name has in it that stands for a secret; rust/py/src/record.rs has the same for values.
_WORDS = "key|token|secret|password|credential"

_STRING = (
    r"[rbfuRBFU]{0,2}"
    r"(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")"
)

#: The end of a name, perhaps as the key of a dict or with an annotation, and its text: `api_key: str = "..."`.
#: Repetitions are limited, so that the time grows no faster than the text.
_GIVEN = re.compile(
    rf"((?:{_WORDS})\w{{0,40}}[\"']?\]?\s{{0,9}}(?::\s?[\w.|\[\], ]{{1,80}}?=|:=|=(?!=)|:)\s{{0,99}}\(?\s{{0,99}})"
    rf"({_STRING}(?:\s{{0,99}}{_STRING})*)",
    re.I | re.S,
)


def without_secrets(source: str) -> str:
    r"""The text of code with the start of a digest in the place of each text that has the name of a secret.

    Example:
        >>> without_secrets('def f(x, token="abc", name="abc"): ...')
        'def f(x, token=\'<digest 515c3032>\', name="abc"): ...'
    """
    return _GIVEN.sub(lambda found: f"{found[1]}'<digest {hash_value(found[2])[:8]}>'", source)
