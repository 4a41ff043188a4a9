"""The cache folder that a user names."""

from __future__ import annotations

import os


def absolute(folder: str | None) -> str:
    """The absolute path of a cache folder; without one, of what `FUNES_CACHE_DIR` says, or of ``cache``.

    A URL stays as it is, and cannot be opened.
    """
    folder = folder or os.environ.get("FUNES_CACHE_DIR") or "cache"
    return folder if is_url(folder) else os.path.abspath(os.path.expanduser(folder))


def is_url(folder: str) -> bool:
    """Whether a path is an address such as ``s3://bucket/cache``, of which `pathlib` leaves one slash.

    A single letter before the colon is a drive.
    """
    scheme, found, _ = folder.partition(":/")
    is_scheme = len(scheme) > 1 and scheme[0].isalpha() and scheme.isascii()
    return bool(found) and is_scheme and all(part.isalnum() or part in "+.-" for part in scheme)
