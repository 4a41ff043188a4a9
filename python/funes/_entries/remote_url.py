"""Checks the URL of a remote cache that a user names."""

from __future__ import annotations

from urllib.parse import urlsplit

#: The schemes of the supported object stores.
SCHEMES = ("s3", "gs", "az", "file")


def checked_url(option: str, url: object) -> str:
    """Returns the URL of a remote cache without a slash at its end; "" for no remote cache.

    Args:
        option: The name of the option in messages.
        url: The value that the user gave.

    Raises:
        TypeError: The URL is no string.
        ValueError: The URL is not allowed. The message does not contain it if it may hold a secret.

    Example:
        >>> checked_url("remote", "s3://bucket/results/")
        's3://bucket/results'
    """
    if not isinstance(url, str):
        raise TypeError(f"{option} must be the URL of a bucket or folder, a str, not {url!r}")
    if not url:
        return ""
    parts = urlsplit(url)
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError(
            f"{option} must be a URL without a user name, password, query or fragment, since it is sent to other"
            " processes and logged. Credentials come from environment variables: see docs/share-a-cache.md"
        )
    if parts.scheme not in SCHEMES or not url.startswith(f"{parts.scheme}://"):
        raise ValueError(
            f"{option} must begin with s3://, gs://, az:// or file:///, and {url!r} does not"
        )
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
        raise ValueError(f"{option} must name an absolute folder, as in file:///mnt/shared/cache")
    if parts.scheme != "file" and not parts.netloc:
        raise ValueError(f"{option} must name a bucket, as in {parts.scheme}://bucket/prefix")
    return url.rstrip("/")
