"""Rules for the types of the standard library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def _date(value: Any) -> object:
    return value.year, value.month, value.day


def _time(value: Any) -> object:
    return (
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.fold,
        value.tzinfo,
    )


def _datetime(value: Any) -> object:
    return (*_date(value), *_time(value))  # type: ignore[misc]


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
    return str(value)


_RULES: dict[str, Rule] = {
    "array.array": lambda value: (value.typecode, Raw(value)),
    "builtins.mappingproxy": dict,
    "builtins.memoryview": lambda value: (value.format, value.shape, Raw(value)),
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
    "decimal.Decimal": str,
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
            "pathlib._local.PosixPath": "pathlib.PosixPath",
            "pathlib._local.PurePosixPath": "pathlib.PurePosixPath",
            "pathlib._local.PureWindowsPath": "pathlib.PureWindowsPath",
            "pathlib._local.WindowsPath": "pathlib.WindowsPath",
            "typing.Union": "types.UnionType",
        }.items()
    }
)

_OPEN_FILE = "an open file cannot be part of a key; pass its path or its content"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "_asyncio.Future": "a future cannot be part of a key",
    # The types of open files by name too: from Python 3.12 on they say themselves that they cannot be pickled.
    "_io.BufferedRWPair": _OPEN_FILE,
    "_io.BufferedRandom": _OPEN_FILE,
    "_io.BufferedReader": _OPEN_FILE,
    "_io.BufferedWriter": _OPEN_FILE,
    "_io.FileIO": _OPEN_FILE,
    "_io.TextIOWrapper": _OPEN_FILE,
    "_io._IOBase": _OPEN_FILE,
    "_thread.RLock": "a lock cannot be part of a key",
    "_thread._local": "thread-local data cannot be part of a key",
    "_thread.lock": "a lock cannot be part of a key",
    "builtins.async_generator": "a generator cannot be part of a key; pass a list",
    "builtins.coroutine": "a coroutine cannot be part of a key",
    "builtins.frame": "a frame cannot be part of a key",
    "builtins.generator": "a generator cannot be part of a key: hashing it would consume it; pass a list",
    "builtins.traceback": "a traceback cannot be part of a key",
    "sqlite3.Connection": "a database connection cannot be part of a key",
    "sqlite3.Cursor": "a database cursor cannot be part of a key",
    "socket.socket": "a socket cannot be part of a key",
    "subprocess.Popen": "a running process cannot be part of a key",
    "threading.Condition": "a lock cannot be part of a key",
    "threading.Event": "an event cannot be part of a key",
    "threading.Semaphore": "a lock cannot be part of a key",
    "threading.Thread": "a thread cannot be part of a key",
    "weakref.ReferenceType": "a weak reference cannot be part of a key",
    "weakref.WeakKeyDictionary": "what is held weakly cannot be part of a key: it may vanish at any time",
    "weakref.WeakSet": "what is held weakly cannot be part of a key: it may vanish at any time",
    "weakref.WeakValueDictionary": "what is held weakly cannot be part of a key: it may vanish at any time",
    "_weakrefset.WeakSet": "what is held weakly cannot be part of a key: it may vanish at any time",
    "builtins.weakproxy": "a weak reference cannot be part of a key",
    "builtins.weakcallableproxy": "a weak reference cannot be part of a key",
    "_contextvars.Context": "a context cannot be part of a key",
    "_contextvars.ContextVar": "a context variable cannot be part of a key; pass its value",
    "builtins.cell": "a cell cannot be part of a key; pass what it holds",
    "builtins.code": "a code object cannot be part of a key; pass the function",
}
