"""Records in `definition.json` that all results of a check were equal, for `adopt`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, NamedTuple

from funes._code.definition_file import Content, change_definition
from funes._tools.check.comparison import Comparison

#: The key in `definition.json` of the version whose stored results were compared, and of the version that adopted them.
#: Its value maps the other version to the evidence.
_CHECKED, _ADOPTED = "checked", "evidence"
#: The number of definitions whose evidence is kept.
_MAX_KEPT = 20


class Evidence(NamedTuple):
    """The outcome of a check in which all results were equal or close.

    Example:
        >>> print(Evidence(10, 240, 0.0, 0.0, "2026-11-30T10:04:05+00:00"))
        10 of 240 stored calls were computed again, with equal results
    """

    #: The number of compared calls, and of all stored calls.
    compared: int
    stored: int
    #: The largest relative difference of numbers that was accepted, and that was found.
    tolerance: float
    largest: float
    #: The time of the check, in UTC.
    time: str

    def __str__(self) -> str:
        how = (
            f"results that differ by at most {self.largest:.2g}"
            if self.largest
            else "equal results"
        )
        return f"{self.compared} of {self.stored} stored calls were computed again, with {how}"


def record(folder: str, found: Comparison, *, shared: bool) -> None:
    """Records the outcome of a check beside the stored results; removes former evidence if a result differs.

    Does nothing if there is no readable `definition.json`.

    Raises:
        OSError: The file cannot be written.
    """
    if not found.calls:
        return

    def change(content: Content) -> Content:
        known = _known(content, _CHECKED)
        known.pop(found.computed, None)
        if found.is_equal:
            largest = found.largest
            relative = largest.difference.relative if largest and largest.difference else 0.0
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            numbers = len(found.calls), found.total, found.tolerance, relative or 0.0
            known[found.computed] = Evidence(*numbers, now)._asdict()
        kept = dict(list(known.items())[-_MAX_KEPT:])
        rest = {key: value for key, value in content.items() if key != _CHECKED}
        return {**rest, _CHECKED: kept} if kept else rest

    change_definition(folder, change, shared=shared)


def evidence_of(content: Content | None, definition: str) -> Evidence | None:
    """Returns the evidence that a definition gives the results of another one; None if there is none.

    Args:
        content: The content of `definition.json` of the other definition.
        definition: The digest of the definition that computed.
    """
    try:
        return Evidence(**_known(content or {}, _CHECKED)[definition])
    except (KeyError, TypeError):
        return None


def keep(folder: str, adopted: str, found: Evidence, *, shared: bool) -> None:
    """Records the evidence beside adopted results, since the version from which they were copied may be deleted.

    Args:
        folder: The folder of the version that adopted the results.
        adopted: The definition digest of the version from which they were copied.
        found: The evidence.
        shared: If true, the owner's group can access the file.

    Raises:
        OSError: The file cannot be written.
    """

    def change(content: Content) -> Content:
        return {**content, _ADOPTED: {**_known(content, _ADOPTED), adopted: found._asdict()}}

    change_definition(folder, change, shared=shared)


def _known(content: Content, key: str) -> dict[str, Any]:
    known = content.get(key)
    return dict(known) if isinstance(known, dict) else {}
