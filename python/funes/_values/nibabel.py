"""Rules for nibabel: an image by its class, data, affine and header.

What an image has read from its file, where that lies, and whether it keeps what it has read is no value. What it keeps
and was changed since is: it is what the image gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _image(value: Any) -> object:
    from numpy import array_equal, asanyarray

    data = asanyarray(value.dataobj)
    changed = [
        kept
        for kept in (getattr(value, name, None) for name in ("_fdata_cache", "_data_cache"))
        if kept is not None
        and kept is not data
        and not array_equal(kept, asanyarray(value.dataobj, dtype=kept.dtype), equal_nan=True)
    ]
    return (data, *changed)


_IMAGE = "nibabel.dataobj_images.DataobjImage"

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {_IMAGE: ("nibabel.DataobjImage", _image)}

#: Qualified name of a type -> attributes that its rule speaks for, so that they are none of a derived class's own.
COVERED: dict[str, frozenset[str]] = {
    _IMAGE: frozenset({"_data_cache", "_dataobj", "_fdata_cache", "_load_cache", "file_map"})
}
