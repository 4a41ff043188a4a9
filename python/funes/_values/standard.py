"""Rules for the types of the standard library."""

from __future__ import annotations

import io
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from funes._code.third_party import public_name
from funes._code.user_code import is_user_code
from funes._funes import ArrayBytes

Rule = Callable[[Any], object]


class Tool:
    """Stands for a lock, thread or handler in an attribute: for its type."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


# A derived class may show less than it holds: what it has inherited is asked, not what it says instead.


_MAXLEN = vars(deque)["maxlen"].__get__
_FACTORY = vars(defaultdict)["default_factory"].__get__
_TEXT_STATE: Callable[[Any], Any] = vars(io.StringIO)["__getstate__"]


def _counter(value: Any) -> object:
    return dict(dict.items(value))


def _deque(value: Any) -> object:
    return list(deque.__iter__(value)), _MAXLEN(value)


def _defaultdict(value: Any) -> object:
    return _FACTORY(value), dict(dict.items(value))


def _ordered_dict(value: Any) -> object:
    return [tuple(item) for item in OrderedDict.items(value)]


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

    # The context of the thread says whether the exponent has a capital letter.
    return Decimal.__str__(value).replace("e", "E")


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
    if type(value._value_) is object:
        # The name is the identity that such a value gives its member.
        return type(value), name
    return type(value), name, value._value_


def _path(value: Any) -> object:
    return PurePath.__str__(value)


def _text_buffer(value: Any) -> object:
    text, newline, position, _ = _TEXT_STATE(value)
    # What it makes of the ends of lines, if that is not what it mostly does.
    return (text, position) if newline == "\n" else (text, position, newline)


def _memory(value: Any) -> object:
    return value.format, value.shape, ArrayBytes(value if value.ndim else value.tobytes())


def _type_variable(value: Any) -> object:
    """A type variable, parameter specification or new type: what it says, but for a library's, which has a name."""
    if not is_user_code(value.__module__ or ""):
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
    "array.array": lambda value: (value.typecode, ArrayBytes(value)),
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
    "io.BytesIO": lambda value: (io.BytesIO.getvalue(value), io.BytesIO.tell(value)),
    "io.StringIO": _text_buffer,
    "ipaddress.IPv4Address": _address,
    "ipaddress.IPv4Interface": _interface,
    "ipaddress.IPv4Network": _network,
    "ipaddress.IPv6Address": _address,
    "ipaddress.IPv6Interface": _interface,
    "ipaddress.IPv6Network": _network,
    "logging.Logger": lambda value: public_name(value.name),
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
RULES[f"{__name__}.Tool"] = ("tool", lambda value: value.kind)

#: Attributes that the rule of a type speaks for, so that they are none of a derived class's own.
COVERED: dict[str, frozenset[str]] = {
    "logging.Logger": frozenset(
        (
            "_cache",
            "disabled",
            "filters",
            "handlers",
            "level",
            "manager",
            "name",
            "parent",
            "propagate",
        )
    )
}

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

_CONNECTION = "a connection cannot be part of a key: what it leads to may change; pass the content"
_DATABASE = "a database connection cannot be part of a key: what it leads to may change"
_CURSOR = "a database cursor cannot be part of a key: what it leads to may change"
_ELSEWHERE = (
    "what it holds lies elsewhere and may change at any time; pass the content, such as dict(it)"
)
_EVENT = "an event cannot be part of a key"
_EXECUTOR = "an executor cannot be part of a key"
_FILE = "an open file cannot be part of a key; pass its path or its content"
_FUTURE = "a future cannot be part of a key; pass its result"
_HANDLER = "a logging handler cannot be part of a key"
_LOCK = "a lock cannot be part of a key"
_MOCK = "a mock cannot be part of a key: it answers every question with another mock"
_QUEUE = "a queue cannot be part of a key; pass a list"
_SEMAPHORE = "a semaphore cannot be part of a key"
_SHARED = (
    "shared memory cannot be part of a key: it may change at any time; pass a copy of the content"
)
_THREAD = "a thread cannot be part of a key"
_VIEW = "a view of a dict cannot be part of a key: it changes with the dict; pass a list or a set"
_WEAK = "a weak reference cannot be part of a key"
_WEAKLY = "what is held weakly cannot be part of a key: it may vanish at any time"


def _named(where: str, names: str, reason: str) -> dict[str, str]:
    return {f"{where}.{name}": reason for name in names.split()}


_MOCKS: dict[str, str] = {
    **_named("unittest.mock", "NonCallableMock _Call _CallList MagicProxy _patch", _MOCK),
    **_named("mock.mock", "NonCallableMock _Call _CallList MagicProxy _patch", _MOCK),
}
# What an object does with them is no part of its value.
_TOOLS: dict[str, str] = {
    **_named("_thread", "RLock lock", _LOCK),
    **_named("threading", "Condition _RLock", _LOCK),
    **_named("asyncio.locks", "Condition Lock", _LOCK),
    **_named("multiprocessing.synchronize", "Condition Lock RLock", _LOCK),
    "logging.Handler": _HANDLER,
    "threading.Thread": _THREAD,
}
# Handles to a state that lies elsewhere, and what a program tells its threads by.
_FIRM: dict[str, str] = {
    **_MOCKS,
    **_named("_dbm", "dbm", _DATABASE),
    **_named("_gdbm", "gdbm", _DATABASE),
    **_named("_queue", "SimpleQueue", _QUEUE),
    **_named("asyncio.locks", "Barrier Event Semaphore", _EVENT),
    **_named("asyncio.queues", "Queue", _QUEUE),
    **_named("concurrent.futures._base", "Executor", _EXECUTOR),
    **_named("concurrent.futures._base", "Future", _FUTURE),
    **_named("dbm.dumb", "_Database", _DATABASE),
    **_named("dbm.sqlite3", "_Database", _DATABASE),
    **_named("multiprocessing.connection", "Connection Listener PipeConnection", _CONNECTION),
    **_named("multiprocessing.connection", "_ConnectionBase", _CONNECTION),
    **_named("multiprocessing.managers", "BaseManager BaseProxy", _ELSEWHERE),
    **_named("multiprocessing.pool", "ApplyResult Pool", _EXECUTOR),
    **_named("multiprocessing.process", "BaseProcess", "a process cannot be part of a key"),
    **_named("multiprocessing.queues", "Queue SimpleQueue", _QUEUE),
    **_named("multiprocessing.shared_memory", "ShareableList SharedMemory", _SHARED),
    **_named("multiprocessing.sharedctypes", "SynchronizedBase", _SHARED),
    **_named("multiprocessing.synchronize", "Barrier Event", _EVENT),
    **_named("multiprocessing.synchronize", "Semaphore", _SEMAPHORE),
    **_named("queue", "Queue SimpleQueue", _QUEUE),
    **_named("shelve", "Shelf", _ELSEWHERE),
    **_named("sqlite3", "Connection", _DATABASE),
    **_named("sqlite3", "Cursor", _CURSOR),
    "socket.socket": "a socket cannot be part of a key",
    "subprocess.Popen": "a running process cannot be part of a key",
    **_named("threading", "Barrier Event", _EVENT),
    **_named("threading", "Semaphore", _SEMAPHORE),
}

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    **_FIRM,
    **_TOOLS,
    "_asyncio.Future": _FUTURE,
    "_contextvars.Context": "a context cannot be part of a key",
    "_contextvars.ContextVar": "a context variable cannot be part of a key; pass its value",
    "_contextvars.Token": "a token of a context variable cannot be part of a key",
    "_io._IOBase": _FILE,
    # They say that they cannot be pickled, from Python 3.12 on.
    **_named("_io", "BufferedRWPair BufferedRandom BufferedReader BufferedWriter", _FILE),
    **_named("_io", "FileIO TextIOWrapper", _FILE),
    "_thread._local": "thread-local data cannot be part of a key",
    "_weakrefset.WeakSet": _WEAKLY,
    "asyncio.futures.Future": _FUTURE,
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
    "ctypes.CDLL": "a loaded library cannot be part of a key; pass its path",
    "multiprocessing.synchronize.SemLock": _LOCK,
    "weakref.CallableProxyType": _WEAK,
    "weakref.ProxyType": _WEAK,
    "weakref.ReferenceType": _WEAK,
    "weakref.WeakKeyDictionary": _WEAKLY,
    "weakref.WeakSet": _WEAKLY,
    "weakref.WeakValueDictionary": _WEAKLY,
    "weakref.finalize": "a finalizer cannot be part of a key",
}

#: Test doubles, which no question about what they are may be put to.
MOCKS: frozenset[str] = frozenset(_MOCKS)
#: Those that as an attribute of the user's own object count by their type.
TOOLS: frozenset[str] = frozenset(_TOOLS)
#: Those that are refused whatever a derived class says of how it is pickled.
FIRM: frozenset[str] = frozenset(_FIRM)
#: Those that know their keys weakly, and so may hold attributes of other objects.
WEAK_KEYS: frozenset[str] = frozenset(
    ("_weakrefset.WeakSet", "weakref.WeakKeyDictionary", "weakref.WeakSet")
)
