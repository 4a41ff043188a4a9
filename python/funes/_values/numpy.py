"""Type rules for numpy: data type, shape and elements in C order, for any memory layout.

Not part of the value: strides, padding of structs and long doubles, whether a file is mapped, the
elements under a mask. Part of the value: byte order, offsets of fields, the bits of a NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from funes._funes import ArrayBytes

Rule = Callable[[Any], object]

#: Kinds of data types that are defined by their name and support the buffer protocol: bool, int,
#: float, complex, text.
_BUFFER_KINDS = frozenset("biufcSU")
#: Kinds whose scalars are defined by `tobytes`.
_BYTES_KINDS = _BUFFER_KINDS | frozenset("mMV")
#: Type characters of long doubles, which have unused bytes on most processors.
_LONG_DOUBLES = frozenset("gG")
_USER_DEFINED = 2


def array(value: Any) -> tuple[object, ...]:
    """Returns data type, shape and elements of an array."""
    return _dtype(value.dtype), value.shape, _elements(value)


def _elements(value: Any) -> object:
    kind = value.dtype
    if value.ndim == 0:
        value = value.reshape(1)
    if (
        kind.kind in _BUFFER_KINDS
        and kind.char not in _LONG_DOUBLES
        and kind.isbuiltin != _USER_DEFINED
    ):
        return ArrayBytes(value)
    if kind.names is not None:
        return _records(value)
    if kind.hasobject:
        return value.tolist()
    if kind.char in _LONG_DOUBLES:
        return _long_doubles(value)
    # Dates and user-defined data types do not support the buffer protocol.
    return ArrayBytes(value.view(f"V{kind.itemsize}")) if kind.itemsize else ArrayBytes(b"")


def _records(value: Any) -> object:
    """Returns structs one after the other if every byte is visible, else field by field."""
    if _is_packed(value.dtype):
        return ArrayBytes(value.view(f"V{value.dtype.itemsize}"))
    from numpy import ndarray

    # A subclass such as recarray may return something else for a field.
    plain = value.view(ndarray)
    return [_elements(plain[name]) for name in value.dtype.names]


def _is_packed(kind: Any) -> bool:
    """Returns whether every byte of a data type is part of its value."""
    if kind.subdtype is not None:
        return _is_packed(kind.subdtype[0])
    if kind.names is None:
        return not kind.hasobject and kind.char not in _LONG_DOUBLES
    fields = [kind.fields[name][0] for name in kind.names]
    return (
        0 < kind.itemsize == sum(field.itemsize for field in fields)
        and not _overlap(kind)
        and all(map(_is_packed, fields))
    )


def _overlap(kind: Any) -> bool:
    """Returns whether fields share bytes, like those of a union in C."""
    ends = sorted((kind.fields[name][1], kind.fields[name][0].itemsize) for name in kind.names)
    return any(
        offset + size > following for (offset, size), (following, _) in itertools.pairwise(ends)
    )


def _long_doubles(value: Any) -> object:
    """Returns long doubles without their padding: real parts, and imaginary parts if any."""
    from numpy import dtype, finfo, longdouble

    # The x87 format has 10 used bytes: 64 bits of significand, 16 bits of sign and exponent. Other
    # formats have no padding.
    size = dtype(longdouble).itemsize
    used = 10 if finfo(longdouble).nmant == 63 else size
    # In swapped byte order the padding comes first.
    skipped = 0 if value.dtype.isnative else size - used
    parts = range(value.dtype.itemsize // size)
    # A view as structs with one field for the used bytes needs no copy.
    as_structs = dtype(
        {
            "names": [str(part) for part in parts],
            "formats": [f"V{used}" for _ in parts],
            "offsets": [part * size + skipped for part in parts],
            "itemsize": value.dtype.itemsize,
        }
    )
    return [ArrayBytes(value.view(as_structs)[str(part)]) for part in parts]


def _dtype(value: Any) -> object:
    """Reduces a data type, with the metadata that a program has written into it (h5py: the type of strings)."""
    if value.metadata:
        return _bare_dtype(value), dict(value.metadata)
    return _bare_dtype(value)


def _bare_dtype(value: Any) -> object:
    """Reduces a data type to a value that is equal for equal data types only."""
    if value.names is not None:
        fields = [(name, *_field(*value.fields[name])) for name in value.names]
        parts = _kind_name(value), value.itemsize, fields
        return (*parts, "aligned") if value.isalignedstruct else parts
    if value.subdtype is not None:
        base, shape = value.subdtype
        return _dtype(base), shape
    if value.char == "T" and value.kind == "T":
        missing = (value.na_object,) if hasattr(value, "na_object") else ()
        return "StringDType", value.coerce, missing
    if value.isbuiltin == _USER_DEFINED:
        # `str` is the same for all user-defined data types of one size.
        return _kind_name(value), value.str
    return value.str


def _field(kind: Any, offset: int, title: object = None) -> tuple[object, ...]:
    return offset, _dtype(kind), title


def _kind_name(value: Any) -> str:
    return f"{value.type.__module__}.{value.type.__qualname__}"


def _scalar(value: Any) -> object:
    kind = value.dtype
    if kind.kind in _BYTES_KINDS and kind.char not in _LONG_DOUBLES and kind.names is None:
        return _dtype(kind), value.tobytes()
    from numpy import ndarray

    holder = ndarray((), kind)
    holder[()] = value
    return _dtype(kind), _elements(holder)


def _masked(value: Any) -> object:
    from numpy import asarray, ndarray
    from numpy.ma import getmask, getmaskarray, nomask

    unmasked = _unmasked(value.view(ndarray), asarray(getmaskarray(value)))
    # Reading `fill_value` stores it in the array, so read it from another view of the memory.
    parts: tuple[object, ...]
    parts = _dtype(value.dtype), value.shape, value.view().fill_value, unmasked
    if getmask(value) is nomask:  # `mask` is then a scalar, and not an array of False
        parts = *parts, "no mask"
    # With a hard mask, an assignment does not change masked elements.
    return (*parts, "hard") if value.hardmask else parts


def _unmasked(data: Any, mask: Any) -> object:
    """Returns the mask and the unmasked elements; for structs, those of each field."""
    if mask.dtype.names is not None:
        return [_unmasked(data[name], mask[name]) for name in mask.dtype.names]
    if mask.any():
        return _elements(mask), _elements(data[~mask])
    return (_elements(data),)


def _generator(value: Any) -> object:
    return value.bit_generator


def _bit_generator(value: Any) -> object:
    # The generators that `spawn` returns follow from the seed sequence, not from the state.
    return _without_used(value.state), value.seed_seq


def _random_state(value: Any) -> object:
    from numpy.random import mtrand

    if value is mtrand._rand:
        # The generator of `numpy.random.random` and similar functions counts by name: its state
        # differs between processes. Distributions of scipy and estimators of scikit-learn refer to
        # it.
        return "global"
    return _without_used(value.get_state(legacy=False))


def _without_used(state: dict[str, Any]) -> dict[str, Any]:
    """Removes buffered numbers that were already used."""
    for kept, flag in (("uinteger", "has_uint32"), ("gauss", "has_gauss")):
        if state.get(flag) == 0:
            state[kept] = None
    return state


def _seed_sequence(value: Any) -> object:
    return value.entropy, value.spawn_key, value.pool_size, value.n_children_spawned


def _vectorize(value: Any) -> object:
    # The other attributes contain functions that were compiled for earlier calls.
    return value.pyfunc, value.otypes, value.excluded, value.cache, value.signature


_SCALARS = """
bool bool_ bytes_ clongdouble complex64 complex128 datetime64 float16 float32 float64 int8 int16
int32 int64 intc longdouble longlong record str_ timedelta64 uint8 uint16 uint32 uint64 uintc
ulonglong void
"""

_DTYPES = """
Bool Byte Bytes CLongDouble Complex64 Complex128 DateTime64 Float16 Float32 Float64 Int Int8 Int16
Int32 Int64 Long LongDouble LongLong Object Short Str String TimeDelta64 UByte UInt UInt8 UInt16
UInt32 UInt64 ULong ULongLong UShort Void
"""

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "numpy.dtype": ("numpy.dtype", _dtype),
    **{f"numpy.dtypes.{name}DType": ("numpy.dtype", _dtype) for name in _DTYPES.split()},
    "numpy.generic": ("numpy.generic", _scalar),
    **{f"numpy.{name}": ("numpy.generic", _scalar) for name in _SCALARS.split()},
    "numpy.ndarray": ("numpy.ndarray", array),
    # A mapped file counts as the array that it contains.
    "numpy.memmap": ("numpy.ndarray", array),
    "numpy.matrix": ("numpy.matrix", array),
    **{f"numpy.{where}chararray": ("numpy.chararray", array) for where in ("", "char.")},
    **{f"numpy.{where}recarray": ("numpy.recarray", array) for where in ("", "rec.")},
    **{
        f"numpy.ma.{where}MaskedArray": ("numpy.ma.MaskedArray", _masked) for where in ("", "core.")
    },
    "numpy.ma.core.mvoid": ("numpy.ma.mvoid", _masked),
    "numpy.ma.core.MaskedConstant": ("numpy.ma.masked", lambda _: ()),
    "numpy.random._generator.Generator": ("numpy.random.Generator", _generator),
    "numpy.random.bit_generator.BitGenerator": ("numpy.random.BitGenerator", _bit_generator),
    "numpy.random.bit_generator.SeedSequence": ("numpy.random.SeedSequence", _seed_sequence),
    "numpy.random.mtrand.RandomState": ("numpy.random.RandomState", _random_state),
    "numpy.vectorize": ("numpy.vectorize", _vectorize),
}
RULES.update(
    {
        f"numpy.random.{name}": ("numpy.random.BitGenerator", _bit_generator)
        for name in (
            "_mt19937.MT19937",
            "_pcg64.PCG64",
            "_pcg64.PCG64DXSM",
            "_philox.Philox",
            "_sfc64.SFC64",
        )
    }
)

_COVERED = frozenset(
    {
        "_basedict",
        "_baseclass",
        "_fill_value",
        "_hardmask",
        "_isfield",
        "_mask",
        "_optinfo",
        "_sharedmask",
    }
)

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    "numpy.memmap": frozenset({"_mmap", "filename", "mode", "offset"}),
    "numpy.vectorize": frozenset({"cache", "excluded", "otypes", "pyfunc", "signature"}),
    "numpy.ma.MaskedArray": _COVERED,
    "numpy.ma.core.MaskedArray": _COVERED,
}
