"""The types whose values are immutable and refer to no other object."""

from __future__ import annotations

#: Immutable types whose values refer to no other object.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
