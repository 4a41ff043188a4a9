"""Replaces secrets in source code by digests, before the source code is stored or shown."""

from __future__ import annotations

import re

from funes._funes import SECRET_WORDS, hash_value

_WORDS = "|".join(SECRET_WORDS)

_STRING = (
    r"[rbfuRBFU]{0,2}"
    r"(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\")"
)

#: The end of a name and the string that is assigned to it: `api_key: str = "..."`. The name may be
#: a dict key, or have an annotation. Repetitions are limited, so that the time is linear in the
#: length.
_ASSIGNMENT = re.compile(
    rf"((?:{_WORDS})\w{{0,40}}[\"']?\]?\s{{0,9}}(?::\s?[\w.|\[\], ]{{1,80}}?=|:=|=(?!=)|:)\s{{0,99}}\(?\s{{0,99}})"
    rf"({_STRING}(?:\s{{0,99}}{_STRING})*)",
    re.I | re.S,
)


def without_secrets(source: str) -> str:
    r"""Replaces each string that is assigned to the name of a secret by the start of its digest.

    Example:
        >>> without_secrets('def f(x, token="abc", name="abc"): ...')
        'def f(x, token=\'<digest 515c3032>\', name="abc"): ...'
    """
    return _ASSIGNMENT.sub(lambda found: f"{found[1]}'<digest {hash_value(found[2])[:8]}>'", source)
