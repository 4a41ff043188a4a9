"""Where the entry of a call may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._funes import Call
from funes._versions.places import Place, adopted_places
from funes.errors import AdoptionError

if TYPE_CHECKING:
    from funes._calls.memo import Memo

__all__ = ["places_of"]


def places_of(memo: Memo[Any, Any], call: Call) -> list[Place]:
    """The place of the call's own entry, and those in the versions that were adopted.

    Where the record of adoptions is not sound, its own place alone; the function says so, once.
    """
    own = Place(call.definition, call.arguments)
    try:
        return [own, *adopted_places(memo._store, memo._function_name, *own)]
    except OSError:  # there is no cache folder, as is said when the entry is looked for
        return [own]
    except AdoptionError as error:
        memo._degrade("adoption", f"{error}; nothing was adopted", error)
        return [own]
