"""Rules for the types of the standard library."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from funes._definitions.origin import is_own
from funes._funes import Raw

__all__ = ["REFUSALS", "RULES", "enum_member"]

Rule = Callable[[Any], object]


def _counter(value: Any) -> object:
    return dict(value)


def _deque(value: Any) -> object:
    return list(value), value.maxlen


def _defaultdict(value: Any) -> object:
    return value.default_factory, dict(value)


def _ordered_dict(value: Any) -> object:
    return [tuple(item) for item in value.items()]


# A derived class may show less than it holds: what it has inherited is asked, not what it says instead.


def _date(value: Any) -> tuple[object, ...]:
    return tuple(field(value) for field in _DATE)


def _time(value: Any) -> tuple[object, ...]:
    return tuple(field(value) for field in _TIME)


def _datetime(value: Any) -> tuple[object, ...]:
    return (*_date(value), *(field(value) for field in _TIME_OF_DATETIME))


def _fields(kind: type, names: str) -> list[Callable[[Any], object]]:
    return [getattr(kind, name).__get__ for name in names.split()]


_DATE = _fields(date, "year month day")
_TIME = _fields(time, "hour minute second microsecond fold tzinfo")
_TIME_OF_DATETIME = _fields(datetime, "hour minute second microsecond fold tzinfo")


def _decimal(value: Any) -> object:
    from decimal import Decimal

    return Decimal.__str__(value)


def _time_zone(value: Any) -> object:
    # Offset, and the name if one was given.
    return value.__getinitargs__()


def _zone_info(value: Any) -> object:
    if value.key is None:
        raise TypeError("a ZoneInfo read from a file has no name to be known by")
    return value.key


def _address(value: Any) -> object:
    return int(value), getattr(value, "scope_id", None)


def _network(value: Any) -> object:
    return value.network_address, value.prefixlen


def _interface(value: Any) -> object:
    return int(value), getattr(value, "scope_id", None), value.network.prefixlen


def enum_member(value: Any) -> object:
    """Class, name and value of a member of an enumeration."""
    # A combination of flags may have no name of its own; `_name_` differs between versions of Python for those.
    name = value._name_ if value._name_ in type(value).__members__ else None
    return type(value), name, value._value_


def _path(value: Any) -> object:
    return PurePath.__str__(value)


def _memory(value: Any) -> object:
    return value.format, value.shape, Raw(value if value.ndim else value.tobytes())


def _type_variable(value: Any) -> object:
    """A type variable, parameter specification or new type: what it says, but for a library's, which has a name."""
    if not is_own(value.__module__ or ""):
        return NotImplemented
    told = {name: getattr(value, name, None) for name in _TYPE_VARIABLE}
    # Without one there is an object that stands for none, or there is not even that in older versions.
    default = value.__default__ if hasattr(value, "has_default") and value.has_default() else None
    return value.__name__, {name: part for name, part in told.items() if part}, default


_TYPE_VARIABLE = (
    "__bound__",
    "__constraints__",
    "__contravariant__",
    "__covariant__",
    "__infer_variance__",
    "__supertype__",
    "__value__",
)


def _forward(value: Any) -> object:
    return value.__forward_arg__, value.__forward_module__


_RULES: dict[str, Rule] = {
    "array.array": lambda value: (value.typecode, Raw(value)),
    "builtins.mappingproxy": dict,
    "builtins.memoryview": _memory,
    "builtins.module": lambda value: value.__name__,
    "builtins.range": lambda value: (value.start, value.stop, value.step),
    "builtins.slice": lambda value: (value.start, value.stop, value.step),
    "collections.ChainMap": lambda value: value.maps,
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _defaultdict,
    "collections.deque": _deque,
    "datetime.date": _date,
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "datetime.timedelta": lambda value: (value.days, value.seconds, value.microseconds),
    "datetime.timezone": _time_zone,
    "decimal.Decimal": _decimal,
    "fractions.Fraction": lambda value: (value.numerator, value.denominator),
    "io.BytesIO": lambda value: (value.getvalue(), value.tell()),
    "io.StringIO": lambda value: (value.getvalue(), value.tell()),
    "ipaddress.IPv4Address": _address,
    "ipaddress.IPv4Interface": _interface,
    "ipaddress.IPv4Network": _network,
    "ipaddress.IPv6Address": _address,
    "ipaddress.IPv6Interface": _interface,
    "ipaddress.IPv6Network": _network,
    "logging.Logger": lambda value: value.name,
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": _path,
    "pathlib.PureWindowsPath": _path,
    "pathlib.WindowsPath": _path,
    "re.Pattern": lambda value: (value.pattern, value.flags),
    "types.GenericAlias": lambda value: (value.__origin__, value.__args__),
    "types.SimpleNamespace": vars,
    "types.UnionType": lambda value: value.__args__,
    "typing.ForwardRef": _forward,
    "typing.NewType": _type_variable,
    "typing.ParamSpec": _type_variable,
    "typing.TypeAliasType": _type_variable,
    "typing.TypeVar": _type_variable,
    "typing.TypeVarTuple": _type_variable,
    "uuid.UUID": lambda value: value.int,
    "zoneinfo.ZoneInfo": _zone_info,
}

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {name: (name, rule) for name, rule in _RULES.items()}

# Where some versions of Python define a type, and how it is called in keys.
RULES.update(
    {
        elsewhere: RULES[name]
        for elsewhere, name in {
            "_io.BytesIO": "io.BytesIO",
            "_io.StringIO": "io.StringIO",
            "annotationlib.ForwardRef": "typing.ForwardRef",
            "pathlib._local.PosixPath": "pathlib.PosixPath",
            "pathlib._local.PurePosixPath": "pathlib.PurePosixPath",
            "pathlib._local.PureWindowsPath": "pathlib.PureWindowsPath",
            "pathlib._local.WindowsPath": "pathlib.WindowsPath",
            "typing.Union": "types.UnionType",
            "typing._UnionGenericAlias": "types.UnionType",
        }.items()
    }
)

_FILE = "an open file cannot be part of a key; pass its path or its content"
_LOCK = "a lock cannot be part of a key"
_VIEW = "a view of a dict cannot be part of a key: it changes with the dict; pass a list or a set"
_WEAK = "a weak reference cannot be part of a key"
_WEAKLY = "what is held weakly cannot be part of a key: it may vanish at any time"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "_asyncio.Future": "a future cannot be part of a key",
    "_contextvars.Context": "a context cannot be part of a key",
    "_contextvars.ContextVar": "a context variable cannot be part of a key; pass its value",
    "_contextvars.Token": "a token of a context variable cannot be part of a key",
    "_io._IOBase": _FILE,
    # They say that they cannot be pickled, from Python 3.12 on.
    **{
        f"_io.{name}": _FILE
        for name in (
            "BufferedRWPair",
            "BufferedRandom",
            "BufferedReader",
            "BufferedWriter",
            "FileIO",
            "TextIOWrapper",
        )
    },
    "_thread.RLock": _LOCK,
    "_thread._local": "thread-local data cannot be part of a key",
    "_thread.lock": _LOCK,
    "_weakrefset.WeakSet": _WEAKLY,
    **{f"asyncio.locks.{name}": _LOCK for name in ("Barrier", "Condition", "Lock", "Semaphore")},
    "asyncio.locks.Event": "an event cannot be part of a key",
    "asyncio.queues.Queue": "a queue cannot be part of a key; pass a list",
    "builtins.async_generator": "a generator cannot be part of a key; pass a list",
    "builtins.cell": "a cell cannot be part of a key; pass what it holds",
    "builtins.code": "a code object cannot be part of a key; pass the function",
    "builtins.coroutine": "a coroutine cannot be part of a key",
    "builtins.frame": "a frame cannot be part of a key",
    "builtins.generator": "a generator cannot be part of a key: hashing it would consume it; pass a list",
    "builtins.super": "a super() cannot be part of a key; pass the object",
    "builtins.traceback": "a traceback cannot be part of a key",
    **{
        f"{where}_{what}": _VIEW
        for where in ("builtins.dict", "collections.odict", "builtins.odict")
        for what in ("items", "keys", "values")
    },
    "multiprocessing.synchronize.SemLock": _LOCK,
    "socket.socket": "a socket cannot be part of a key",
    "sqlite3.Connection": "a database connection cannot be part of a key",
    "sqlite3.Cursor": "a database cursor cannot be part of a key",
    "subprocess.Popen": "a running process cannot be part of a key",
    "threading.Condition": _LOCK,
    "threading.Event": "an event cannot be part of a key",
    "threading.Semaphore": _LOCK,
    "threading.Thread": "a thread cannot be part of a key",
    "weakref.CallableProxyType": _WEAK,
    "weakref.ProxyType": _WEAK,
    "weakref.ReferenceType": _WEAK,
    "weakref.WeakKeyDictionary": _WEAKLY,
    "weakref.WeakSet": _WEAKLY,
    "weakref.WeakValueDictionary": _WEAKLY,
    "weakref.finalize": "a finalizer cannot be part of a key",
}
