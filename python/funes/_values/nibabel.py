"""Type rules for nibabel: an image by its class, data, affine and header.

The path of the file and whether the image caches what it has read are not part of its value. Cached
data that was changed since is part of it: the image returns that data.
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

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    _IMAGE: frozenset({"_data_cache", "_dataobj", "_fdata_cache", "_load_cache", "file_map"})
}
