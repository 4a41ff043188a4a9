"""Type rules for the standard library."""

from __future__ import annotations

import gc
import io
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any
from uuid import SafeUUID

from funes._code import context_values
from funes._code.annotations import parts_of_type_variable
from funes._code.identity_keys import IdentityKeyed
from funes._code.sentinels import module_of
from funes._code.third_party import LOGGER_STATE, is_a, public_name
from funes._code.user_code import is_user_code
from funes._funes import ArrayBytes

Rule = Callable[[Any], object]


class Opaque:
    """Replaces a lock, thread or handler in an attribute: only the type counts."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


# A subclass may override methods to hide items, so these rules call the methods of the base class.


_MAXLEN = vars(deque)["maxlen"].__get__
_FACTORY = vars(defaultdict)["default_factory"].__get__
_TEXT_STATE: Callable[[Any], Any] = vars(io.StringIO)["__getstate__"]


def _mapping_proxy(value: Any) -> object:
    # The proxy shows the order of an `OrderedDict` and the factory of a `defaultdict`, so those count.
    (mapping,) = gc.get_referents(value)
    return dict(value) if type(mapping) is dict else mapping


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

    # The decimal context of the thread decides whether the exponent letter is a capital.
    text = Decimal.__str__(value).replace("e", "E")
    # Code that only adds its arguments names no context, but computes in it.
    context = context_values.changed_decimal()
    return text if context is None else (text, context)


def _time_zone(value: Any) -> object:
    # The offset, and the name if there is one.
    return value.__getinitargs__()


def _zone_info(value: Any) -> object:
    from pickle import PicklingError

    try:
        value.__reduce__()
    except PicklingError:
        raise TypeError(
            "a ZoneInfo that was read from a file may have other data than the zone of its name"
        ) from None
    return value.key


def _address(value: Any) -> object:
    return int(value), getattr(value, "scope_id", None)


def _network(value: Any) -> object:
    return value.network_address, value.prefixlen


def _interface(value: Any) -> object:
    return int(value), getattr(value, "scope_id", None), value.network.prefixlen


def enum_member(value: Any) -> object:
    """Returns class, name and value of a member of an enumeration."""
    # A combination of flags may have no name; its `_name_` differs between versions of Python.
    name = value._name_ if value._name_ in type(value).__members__ else None
    if type(value._value_) is object:
        # The value is a bare object(), so the name identifies the member.
        return type(value), name
    return type(value), name, value._value_


def _uuid(value: Any) -> object:
    # `is_safe` does not follow from the number: `uuid1` sets it.
    safe = value.is_safe
    return value.int if safe is SafeUUID.unknown else (value.int, safe.name)


def _comparison(value: Any) -> object:
    """Reduces a key function of `functools.cmp_to_key`, or a key, to its function and the compared object."""
    return [part for part in gc.get_referents(value) if part is not type(value)]


def _json_scanner(value: Any) -> object:
    return {name: getattr(value, name) for name in _JSON_SCANNER}


_JSON_SCANNER = (
    "strict",
    "object_hook",
    "object_pairs_hook",
    "parse_float",
    "parse_int",
    "parse_constant",
)


def _path(value: Any) -> object:
    return PurePath.__str__(value)


def _text_buffer(value: Any) -> object:
    text, newline, position, _ = _TEXT_STATE(value)
    # The newline translation, unless it is the default.
    return (text, position) if newline == "\n" else (text, position, newline)


def _memory(value: Any) -> object:
    return value.format, value.shape, ArrayBytes(value if value.ndim else value.tobytes())


def _type_variable(value: Any) -> object:
    """Reduces a type variable, parameter specification or new type; skips third-party ones.

    Third-party ones count by their name.
    """
    if not is_user_code(value.__module__ or "") and not _is_of_syntax(value):
        return NotImplemented
    parts = {name: getattr(value, name, None) for name in _TYPE_VARIABLE}
    parts.update(parts_of_type_variable(value))
    default = parts.pop("__default__", None)
    return value.__name__, {name: part for name, part in parts.items() if part}, default


def _is_of_syntax(value: Any) -> bool:
    """True for the ``T`` of ``def f[T]()``: its module is always given as that of its type."""
    module = type(value).__module__
    return value.__module__ == module and (
        getattr(sys.modules[module], value.__name__, None) is not value
    )


_TYPE_VARIABLE = (
    "__contravariant__",
    "__covariant__",
    "__infer_variance__",
    "__supertype__",
    "__value__",
)


def _forward(value: Any) -> object:
    """Reduces a forward reference: its text, and what its names mean."""
    scope = {name: part for name, part in _scope_of_forward(value) if part is not None}
    reduced = (value.__forward_arg__, value.__forward_module__)
    return (*reduced, scope) if scope else reduced


def _scope_of_forward(value: Any) -> Iterator[tuple[str, object]]:
    """Yields the scope of a forward reference, from 3.14 on: owner, captured variables, given names."""
    yield "is_class", getattr(value, "__forward_is_class__", False) or None
    owner = getattr(value, "__owner__", None)
    yield "owner", owner
    space = getattr(value, "__globals__", None)
    if space is None and is_a(owner, type):
        space = {"__name__": owner.__module__}
    if space is not None:
        # Equal classes of two modules are one class, but the names there differ.
        yield "globals", public_name(str(space.get("__name__")))
    cells = getattr(value, "__cell__", None)
    if is_a(cells, dict):
        yield "cells", {name: _content_of_cell(cell) for name, cell in cells.items()}
    elif cells is not None:
        yield "cells", _content_of_cell(cells)
    yield "names", getattr(value, "__extra_names__", None)


def _content_of_cell(cell: Any) -> tuple[object, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not assigned yet
        return ()


def _sentinel(value: Any) -> object:
    """Reduces a sentinel of Python 3.15: its module, its name, and the text that it shows."""
    module = module_of(value)
    if module is None:
        raise TypeError(f"no module has the sentinel {value!r} under its name")
    return public_name(module), value.__name__, repr(value)


_BACKPORTED = ("ParamSpec", "TypeAliasType", "TypeVarTuple")


_RULES: dict[str, Rule] = {
    "_json.Scanner": _json_scanner,
    "array.array": lambda value: (value.typecode, ArrayBytes(value)),
    "builtins.mappingproxy": _mapping_proxy,
    "builtins.memoryview": _memory,
    "builtins.module": lambda value: value.__name__,
    "builtins.range": lambda value: (value.start, value.stop, value.step),
    "builtins.sentinel": _sentinel,
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
    "functools.KeyWrapper": _comparison,
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
    "struct.Struct": lambda value: value.format,
    "types.GenericAlias": lambda value: (value.__origin__, value.__args__),
    "types.SimpleNamespace": vars,
    "types.UnionType": lambda value: value.__args__,
    "typing.ForwardRef": _forward,
    "typing.NewType": _type_variable,
    "typing.ParamSpec": _type_variable,
    "typing.TypeAliasType": _type_variable,
    "typing.TypeVar": _type_variable,
    "typing.TypeVarTuple": _type_variable,
    "uuid.UUID": _uuid,
    "zoneinfo.ZoneInfo": _zone_info,
}

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {name: (name, rule) for name, rule in _RULES.items()}
RULES[f"{__name__}.Opaque"] = ("tool", lambda value: value.kind)

#: Qualified names of types whose rule covers all attributes, or whose attributes do not count.
CLOSED: frozenset[str] = frozenset(
    (
        "builtins.module",
        "types.SimpleNamespace",
        f"{__name__}.Opaque",
        *(f"typing_extensions.{name}" for name in _BACKPORTED),
    )
)

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = {
    "collections.ChainMap": frozenset({"maps"}),
    **{
        f"ipaddress.IPv{version}{kind}": frozenset({"netmask", "network", "network_address"})
        for version in (4, 6)
        for kind in ("Interface", "Network")
    },
    "logging.Logger": LOGGER_STATE,
}

# Other modules in which some versions of Python define a type -> its name in keys.
RULES.update(
    {
        elsewhere: RULES[name]
        for elsewhere, name in {
            "_io.BytesIO": "io.BytesIO",
            "_io.StringIO": "io.StringIO",
            "_struct.Struct": "struct.Struct",
            "annotationlib.ForwardRef": "typing.ForwardRef",
            "pathlib._local.PosixPath": "pathlib.PosixPath",
            "pathlib._local.PurePosixPath": "pathlib.PurePosixPath",
            "pathlib._local.PureWindowsPath": "pathlib.PureWindowsPath",
            "pathlib._local.WindowsPath": "pathlib.WindowsPath",
            "typing.Union": "types.UnionType",
            "typing._UnionGenericAlias": "types.UnionType",
            # Types of `typing_extensions` that older versions of `typing` lack.
            **{f"typing_extensions.{name}": f"typing.{name}" for name in _BACKPORTED},
        }.items()
    }
)

_CONNECTION = "a connection cannot be part of a key; pass the data that is received from it"
_DATABASE = "a database connection cannot be part of a key: the content of the database may change"
_CURSOR = "a database cursor cannot be part of a key: the content of the database may change"
_ELSEWHERE = (
    "its content is stored elsewhere and may change at any time; pass the content, such as dict(it)"
)
_EVENT = "an event cannot be part of a key"
_EXECUTOR = "an executor cannot be part of a key"
_FILE = "an open file cannot be part of a key; pass its path or its content"
_FUTURE = "a future cannot be part of a key; pass its result"
_HANDLER = "a logging handler cannot be part of a key"
_INTERPRETER = "a handle to a subinterpreter cannot be part of a key: its number means nothing in another process"
_LOCK = "a lock cannot be part of a key"
_MOCK = "a mock cannot be part of a key: it returns another mock for every attribute"
_QUEUE = "a queue cannot be part of a key; pass a list"
_SEMAPHORE = "a semaphore cannot be part of a key"
_SHARED = (
    "shared memory cannot be part of a key: it may change at any time; pass a copy of the content"
)
_THREAD = "a thread cannot be part of a key"
_VIEW = "a view of a dict cannot be part of a key: it changes with the dict; pass a list or a set"
_BY_IDENTITY = "it stores values of objects by their identity, which their attributes do not show"
_WEAK = "a weak reference cannot be part of a key"
_WEAKLY = "weakly referenced values cannot be part of a key: they may be deleted at any time"


def _named(where: str, names: str, reason: str) -> dict[str, str]:
    return {f"{where}.{name}": reason for name in names.split()}


_MOCKS: dict[str, str] = {
    **_named("unittest.mock", "NonCallableMock _Call _CallList MagicProxy _patch", _MOCK),
    **_named("mock.mock", "NonCallableMock _Call _CallList MagicProxy _patch", _MOCK),
}
# Opaque resources: they are not part of the value of the object that uses them.
_OPAQUE: dict[str, str] = {
    **_named("_thread", "RLock lock", _LOCK),
    **_named("threading", "Condition _RLock", _LOCK),
    **_named("asyncio.locks", "Condition Lock", _LOCK),
    **_named("multiprocessing.synchronize", "Condition Lock RLock", _LOCK),
    "logging.Handler": _HANDLER,
    "threading.Thread": _THREAD,
}
# Handles to state that is stored elsewhere, and objects that coordinate threads.
_HANDLES: dict[str, str] = {
    **_MOCKS,
    **_named("_dbm", "dbm", _DATABASE),
    **_named("_gdbm", "gdbm", _DATABASE),
    **_named("_interpchannels", "ChannelID", _INTERPRETER),
    **_named("_queue", "SimpleQueue", _QUEUE),
    **_named("asyncio.locks", "Barrier Event Semaphore", _EVENT),
    **_named("asyncio.queues", "Queue", _QUEUE),
    **_named("concurrent.futures._base", "Executor", _EXECUTOR),
    **_named("concurrent.futures._base", "Future", _FUTURE),
    "concurrent.interpreters.Interpreter": _INTERPRETER,
    "concurrent.interpreters._queues.Queue": _QUEUE,
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
    **_HANDLES,
    **_OPAQUE,
    "_asyncio.Future": _FUTURE,
    "_contextvars.Context": "a context cannot be part of a key",
    "_contextvars.ContextVar": "a context variable cannot be part of a key; pass its value",
    "_contextvars.Token": "a token of a context variable cannot be part of a key",
    "_io._IOBase": _FILE,
    # From Python 3.12 on, these define `__reduce_ex__` to refuse pickling.
    **_named("_io", "BufferedRWPair BufferedRandom BufferedReader BufferedWriter", _FILE),
    **_named("_io", "FileIO TextIOWrapper", _FILE),
    "_thread._local": "thread-local data cannot be part of a key",
    "_weakrefset.WeakSet": _WEAKLY,
    "asyncio.futures.Future": _FUTURE,
    "builtins.async_generator": "a generator cannot be part of a key; pass a list",
    "builtins.cell": "a cell cannot be part of a key; pass its content",
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
    f"{IdentityKeyed.__module__}.{IdentityKeyed.__qualname__}": _BY_IDENTITY,
    "weakref.finalize": "a finalizer cannot be part of a key",
}

#: Test doubles. Their attributes must not be read: each read returns a new mock.
MOCKS: frozenset[str] = frozenset(_MOCKS)
#: Types whose objects count by their type when they are attributes of user code's objects.
OPAQUE: frozenset[str] = frozenset(_OPAQUE)
#: Types that are refused even if a subclass defines how it is pickled.
ALWAYS_REFUSED: frozenset[str] = frozenset(_HANDLES)
#: Types that refer to their keys weakly, so that they may hold attributes of other objects.
WEAK_KEYS: frozenset[str] = frozenset(
    (
        f"{IdentityKeyed.__module__}.{IdentityKeyed.__qualname__}",
        "_weakrefset.WeakSet",
        "weakref.WeakKeyDictionary",
        "weakref.WeakSet",
    )
)
