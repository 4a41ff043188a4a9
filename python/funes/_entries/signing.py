"""The key that entries are signed with."""

from __future__ import annotations

import os
import threading

_writing = threading.local()


class Secret:
    """A key given as ``memorious(signing_key=...)``. It shows in no repr, and in nothing that funes stores.

    It travels with its function to other processes of the same program, by value. A function that is
    itself an argument or a result is stored without it: the key must not lie in the folder it guards.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes | None) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The key.

        Raises:
            PermissionError: It was lost on the way; without it, nothing may be trusted.
        """
        if self._value is None:
            raise PermissionError(
                1, "the key of this function is not stored with it: set FUNES_SIGNING_KEY"
            )
        return self._value

    @property
    def is_known(self) -> bool:
        """Whether it was not lost on the way."""
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
    """A key that a user gave.

    Raises:
        TypeError: It is neither a text nor bytes, or empty.
    """
    if not isinstance(key, (str, bytes)) or not key:
        raise TypeError("signing_key must be text or bytes, and not empty")
    return Secret(key)


def from_environment() -> bytes | None:
    """The key that the environment gives, if any."""
    value = os.environ.get("FUNES_SIGNING_KEY")
    return value.encode(errors="surrogateescape") if value else None


def is_withheld() -> bool:
    """Whether this thread pickles without keys now."""
    return getattr(_writing, "entry", False)


class withheld:  # noqa: N801
    """Keeps keys out of what this thread pickles, as long as the block runs.

    Every miss enters one, and a class costs a third of what a generator does.

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
