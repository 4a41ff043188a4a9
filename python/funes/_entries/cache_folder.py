"""Resolves the cache folder that a user names."""

from __future__ import annotations

import os


def absolute(folder: str | None) -> str:
    """Returns the absolute path of a cache folder.

    The default is the environment variable `FUNES_CACHE_DIR`, then ``cache`` in the working
    directory. A URL is returned unchanged; it cannot be opened.
    """
    folder = folder or os.environ.get("FUNES_CACHE_DIR") or "cache"
    return folder if is_url(folder) else os.path.abspath(os.path.expanduser(folder))


def is_url(folder: str) -> bool:
    """Returns whether a path is a URL such as ``s3://bucket/cache``, also with one slash.

    `pathlib` removes the second slash. A single letter before the colon is a drive.
    """
    scheme, found, _ = folder.partition(":/")
    is_scheme = len(scheme) > 1 and scheme[0].isalpha() and scheme.isascii()
    return bool(found) and is_scheme and all(part.isalnum() or part in "+.-" for part in scheme)
