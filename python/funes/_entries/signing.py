"""Holds the signing key, and keeps it out of stored files."""

from __future__ import annotations

import os
import threading

_writing = threading.local()


class Secret:
    """Holds a signing key from ``memorious(signing_key=...)``. No repr and no stored file shows the key.

    A function that is pickled for another process of the same program is sent with its signing key.
    A function that is itself an argument or a result is stored without the key, since the key must
    not be in the folder that it protects.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes | None) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """Returns the signing key.

        Raises:
            PermissionError: The function was stored without its signing key, so no entry can be
                trusted.
        """
        if self._value is None:
            raise PermissionError(
                1,
                "this function was stored without its signing key: set FUNES_SIGNING_KEY",
            )
        return self._value

    @property
    def is_known(self) -> bool:
        """True unless the function was stored without its signing key."""
        return self._value is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> tuple[type[Secret], tuple[bytes | None]]:
        return Secret, (None if is_withheld() else self._value,)


def checked(key: object) -> Secret:
    """Checks a signing key that a user gave.

    Raises:
        TypeError: The signing key is neither a string nor bytes, or is empty.
    """
    if not isinstance(key, (str, bytes)) or not key:
        raise TypeError("signing_key must be a string or bytes, and not empty")
    return Secret(key)


def from_environment() -> bytes | None:
    """Returns the signing key from the environment; None if it is not set."""
    value = os.environ.get("FUNES_SIGNING_KEY")
    return value.encode(errors="surrogateescape") if value else None


def is_withheld() -> bool:
    """Returns whether this thread currently pickles without signing keys."""
    return getattr(_writing, "entry", False)


class withheld:  # noqa: N801
    """Keeps signing keys out of the pickles of this thread while the block runs.

    This is a class, since every miss enters such a block, and a generator takes three times as long.

    Example:
        >>> import pickle
        >>> with withheld():
        ...     b"hunter2" in pickle.dumps(Secret("hunter2"))
        False
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = getattr(_writing, "entry", False)
        _writing.entry = True

    def __exit__(self, *exception: object) -> None:
        _writing.entry = self._before
