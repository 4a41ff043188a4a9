"""The bytes of an entry, and the values of the arguments as they were before the call.

An entry is an ordinary pickle of ``{'input': dict, 'output': ..., 'time': seconds}``. The C pickler
writes it; where that cannot (lambdas, closures, local classes), dill does. A class of ``__main__``
has two readings: the body holds it by value, so that another program can read the file, and a
second pickle names it, so that a hit in the program itself gives an instance of its own class. So
has what holds large arrays: the body has them in it, and the second pickle asks for them, so that
they come straight from the file.

What ``import dill`` does to a process: it adds its types to the dispatch table of the pickler
written in Python (``pickle._Pickler``), which changes what `joblib.hash` and other users of that
class make of dicts and functions. Neither `copyreg` nor the C pickler is touched. So dill is
imported only where it is needed, and its additions are taken out again, unless the program had
imported dill itself. dill's own pickler has a table of its own and works either way.
"""

from __future__ import annotations

import builtins
import enum
import functools
import importlib
import io
import pickle
import re
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from funes._entries import secret
from funes._funes import Collector, Entry, InBand, Spans
from funes._warn import one_line
from funes.errors import DamagedEntryError, UnpicklableResultError

__all__ = ["Frozen", "Pickled", "dump_entry", "freeze_inputs", "load", "load_entry", "load_head"]

PROTOCOL = 5

#: What a pickle can be read from.
Readable = bytes | memoryview

#: The names that the program's own module may have; a process started by spawn has the second.
_MAINS = ("__main__", "__mp_main__")


class Pickled(NamedTuple):
    """A value as it goes into a file."""

    #: What any program reads: a pickle of which ``bytes()`` makes one piece.
    body: bytes | InBand
    #: What funes reads, if that is something else.
    second: bytes | None = None
    #: Where the buffers that the second reading asks for lie in the body.
    spans: Spans | None = None


def dump_entry(
    inputs: dict[str, Any],
    output: object,
    seconds: float,
    objects: dict[str, str] | None = None,
) -> Pickled:
    """Write an entry.

    Args:
        inputs: The arguments by name, as they were before the call.
        output: What the function returned.
        seconds: How long it ran.
        objects: The hashes of those arguments that are stored elsewhere, by name.

    Returns:
        The body, which `pickle.load` or `dill.load` reads in any program that has the modules of
        the classes in it; and None, or a second reading of the same entry, in which classes and
        functions of ``__main__`` are named instead of contained, and large arrays left out.

    Raises:
        UnpicklableResultError: Neither pickle nor dill can write the result.

    Example:
        >>> pickled = dump_entry({"x": 21}, 42, 0.5)
        >>> pickle.loads(pickled.body), pickled.second
        ({'input': {'x': 21}, 'output': 42, 'time': 0.5}, None)
    """
    entry = {"input": inputs, "output": output, "time": float(seconds)}
    if objects:
        entry["objects"] = objects
    with secret.withheld():
        return _dump(entry, output)


def _dump(value: object, culprit: object) -> Pickled:
    """Pickle a value; `culprit` is the part of it that the error names."""
    plain: _Stream | None
    by_value: _Stream | None
    plain, error = _attempt(_stream_plain, value)
    if plain is not None and not _names_main(plain.data):
        return plain.readings()
    if isinstance(error, (RecursionError, MemoryError)):
        raise _refusal(culprit, error) from error  # dill, written in Python, gets less far
    by_value, error = _attempt(_stream_dill, value, by_name=False)
    if by_value is None:
        if plain is not None:
            return plain.readings()  # better an entry for this program alone than none
        raise _refusal(culprit, error) from error
    readings = by_value.readings()
    by_name: _Stream | None = plain or _attempt(_stream_dill, value, by_name=True)[0]
    if by_name is None or not by_name.data:
        return readings
    if not len(by_name.collector):
        return Pickled(readings.body, by_name.data)
    spans = by_name.collector.within(readings.body) if isinstance(readings.body, InBand) else None
    if spans is not None:
        return Pickled(readings.body, by_name.data, spans)
    # Arrays that are made while they are pickled lie elsewhere each time.
    in_band = _dump_plain(value) if plain is not None else _dump_dill(value, by_name=True)
    return Pickled(readings.body, in_band)


class _Stream(NamedTuple):
    """What a pickler wrote, and the large buffers that it left out."""

    data: bytes
    collector: Collector

    def readings(self) -> Pickled:
        if not len(self.collector):
            return Pickled(self.data)
        body = self.collector.body(self.data)
        if body is None:
            raise pickle.PicklingError("the pickler wrote what funes does not understand")
        if len(self.data) > body.buffered:
            return Pickled(body)  # most of it is no buffer, and need not be stored twice
        return Pickled(body, self.data, body.spans)


def _stream_plain(value: object) -> _Stream:
    collector = Collector()
    return _Stream(pickle.dumps(value, PROTOCOL, buffer_callback=collector), collector)


def _stream_dill(value: object, *, by_name: bool) -> _Stream:
    collector = Collector()
    return _Stream(_dump_dill(value, by_name=by_name, buffer_callback=collector), collector)


def load_entry(
    body: Readable, second: bytes | None = None, buffers: Iterable[Readable] | None = None
) -> dict[str, Any]:
    """Read an entry; the opposite of `dump_entry`.

    Args:
        body: The first reading.
        second: The second, which is tried first.
        buffers: What the second reading asks for. Arrays that it makes lie in them.

    Returns:
        A dict with the keys ``input``, ``output`` and ``time``; a new one at each call.

    Raises:
        DamagedEntryError: The body is a pickle of something else.
        Exception: Whatever comes up when the objects are made again, such as ImportError and
            AttributeError for a class that is gone.
    """
    entry = load(body, second, buffers)
    if not isinstance(entry, dict) or not entry.keys() >= {"input", "output", "time"}:
        raise DamagedEntryError("the file holds a pickle, but not that of an entry")
    return entry


def load(
    body: Readable, second: bytes | None = None, buffers: Iterable[Readable] | None = None
) -> Any:
    """Read a value that was stored in one or two readings; see `load_entry`."""
    try:
        if second is not None:
            # A class of another program's __main__: the body has it by value.
            with suppress(Exception):
                return _load_second(second, buffers)
        return _load_plain(body)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        # A library written in Rust (polars, given what another version of it has written) raises what is no Exception.
        raise pickle.UnpicklingError(one_line(error)) from error


def load_head(entry: Entry) -> dict[str, Any]:
    """Read an entry without its output, which is not even unpickled where the pickle is understood.

    Returns:
        A dict with the keys ``input``, ``time`` and, if there are any, ``objects``.

    Raises:
        As `load_entry`.
    """
    if entry.second is not None:
        head = entry.second_head()
        if head is not None:
            with suppress(Exception):  # as `load`
                return _load_second(head, entry.buffers)  # type: ignore[no-any-return]
    head = entry.head()
    if head is not None:
        return _load_plain(head)  # type: ignore[no-any-return]
    whole = load_entry(entry.body, entry.second, entry.buffers)
    del whole["output"]
    return whole


class Frozen:
    """The arguments of a call as they were before it, whatever the function does to them.

    Attributes:
        not_stored: Why an argument could not be pickled, by its name; `thaw` has a short text
            in its place.
    """

    __slots__ = ("_pickled", "_plain", "not_stored")

    def __init__(self, plain: dict[str, Any], pickled: dict[str, bytes]) -> None:
        self._plain = plain
        self._pickled = pickled
        self.not_stored: dict[str, str] = {}

    def thaw(self) -> dict[str, Any]:
        """The arguments: those that cannot change as they are, copies of the others."""
        values = dict(self._plain)
        for name, data in self._pickled.items():
            value, error = _attempt(_load_named, data)
            values[name] = value if error is None else self._replace(name, error)
        return values

    def take_large(self, limit: int) -> dict[str, Pickled]:
        """Take out the arguments whose pickles are longer than that; `thaw` has None in their place."""
        large = {}
        for name, value in self._plain.items():
            data = self._pickled.get(name)
            if data is None and isinstance(value, (str, bytes)) and len(value) > limit:
                large[name] = Pickled(_dump_plain(value))
            elif data is not None and len(data) > limit:
                pickled, error = _attempt(_for_anybody, data)
                if error is None:
                    large[name] = pickled
        for name in large:
            self._pickled.pop(name, None)
            self._plain[name] = None
        return large

    def _replace(self, name: str, error: BaseException) -> str:
        self.not_stored[name] = one_line(error)
        return f"<not stored: {self.not_stored[name]}>"


def freeze_inputs(inputs: dict[str, Any]) -> Frozen:
    """Keep the arguments of a call as they are now.

    Costs next to nothing for None, bool, int, float, complex, str, bytes, and tuples and frozensets
    of them. Everything else is pickled at once, each argument for itself.

    Example:
        >>> rows = [1, 2]
        >>> frozen = freeze_inputs({"rows": rows, "n": 3})
        >>> rows.clear()
        >>> frozen.thaw()
        {'rows': [1, 2], 'n': 3}
    """
    # The dict has every name from the start, so that the order stays that of the signature.
    frozen = Frozen(dict(inputs), {})
    for name, value in inputs.items():
        if not _is_immutable(value):
            with secret.withheld():
                data, error = _attempt(_dump_for_thaw, value)
            if error is None:
                frozen._pickled[name] = data
                frozen._plain[name] = None
            else:
                frozen._plain[name] = frozen._replace(name, error)
    return frozen


def _for_anybody(data: bytes) -> Pickled:
    """A pickle of this program's as one that other programs can read."""
    if not _names_main(data) and b"dill" not in data:
        return Pickled(data)
    value = _load_named(data)
    with secret.withheld():
        pickled = _dump(value, value)
    return Pickled(bytes(pickled.body), pickled.second if pickled.spans is None else None)


_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
_CONTAINERS = frozenset({tuple, frozenset})
_TEXTS = frozenset({str, bytes})

#: A longer text in a tuple may make the tuple large, so that it is pickled to see.
_LONG = 1 << 16


def _is_immutable(value: object) -> bool:
    if type(value) in _ATOMS:
        return True
    if type(value) not in _CONTAINERS:
        return False
    # Neither recursion nor repetition: (x, x) nested sixty times has 2**60 leaves.
    seen = {id(value)}
    todo: list[Any] = [value]
    while todo:
        for part in todo.pop():
            if type(part) in _CONTAINERS:
                if id(part) not in seen:
                    seen.add(id(part))
                    todo.append(part)
            elif type(part) not in _ATOMS or (type(part) in _TEXTS and len(part) > _LONG):
                return False
    return True


def _attempt(
    work: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Any, BaseException | None]:
    """The outcome and None, or None and what was raised: `__reduce__` may raise anything at all."""
    try:
        return work(*args, **kwargs), None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return None, error


def _refusal(output: object, error: BaseException | None) -> UnpicklableResultError:
    reason = "" if error is None else one_line(error)
    for note in getattr(error, "__notes__", ()):  # from Python 3.14 on: where in the result
        reason += f", {note}"
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    kind = type(output)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    return UnpicklableResultError(
        f"neither pickle nor dill can write a result of type {name} ({reason})"
    )


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _dump_plain(value: object) -> bytes:
    return pickle.dumps(value, PROTOCOL)


def _dump_for_thaw(value: object) -> bytes:
    data, error = _attempt(_dump_plain, value)
    if data is None and not isinstance(error, (RecursionError, MemoryError)):
        # By name where there is one: the entry is written from the thawed value.
        data, error = _attempt(_dump_dill, value, by_name=True)
        if data == b"":
            data, error = _attempt(_dump_dill, value, by_name=False)
    if error is not None:
        raise error
    return bytes(data)


# Does a pickle refer to the program's own module?

_MAIN_STRING = re.compile(rb"\x8c(?:\x08__main__|\x0b__mp_main__)")  # as SHORT_BINUNICODE
_STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"FRAME", "PROTO"})


def _names_main(data: bytes) -> bool:
    """Whether a pickle of the C pickler refers to a class or function of ``__main__``."""
    if b"main__" not in data:  # a search at the speed of memory
        return False
    found = list(_MAIN_STRING.finditer(data))
    if not found:
        return False
    for match in found:
        # The usual form: the module's name, memoized, the object's name, memoized, STACK_GLOBAL.
        at = match.end()
        if data[at : at + 2] == b"\x94\x8c":
            end = at + 3 + data[at + 2]
            if data[end : end + 2] == b"\x94\x93":
                return True
    # A text that says "__main__", most likely. Only reading the opcodes tells.
    import pickletools

    memo: list[object] = []
    before = last = None
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STACK_GLOBAL" and before in _MAINS:
            return True
        if name == "MEMOIZE":
            memo.append(last)
        elif name in _STRINGS:
            before, last = last, argument
        elif name in _GETS:
            before, last = last, memo[argument]  # type: ignore[index]
        elif name not in _NOTHING:
            before, last = last, None
    return False


# dill

_REFUSED: tuple[type, ...] = (
    # dill would open the file again when the entry is read; one that was open for writing, it
    # would empty.
    io.FileIO,
    io.BufferedReader,
    io.BufferedWriter,
    io.BufferedRandom,
    io.TextIOWrapper,
    # It would make new ones; those who hold them in this process wait for the old.
    type(threading.Lock()),
    type(threading.RLock()),
)
_REFUSED_NAMES = frozenset(
    {"PyCapsule", "_ThreadHandle", "Context", "weakproxy", "weakcallableproxy"}
)


def _import_dill() -> Any:
    was_there = "dill" in sys.modules
    dill = importlib.import_module("dill")
    if not was_there:
        dill.extend(False)
    _take_globals_from_us(dill)
    return dill


def _dump_dill(value: object, *, by_name: bool, buffer_callback: Collector | None = None) -> bytes:
    """Pickle with dill.

    Args:
        value: The object.
        by_name: Whether what ``__main__`` has under a name is named instead of contained.
        buffer_callback: As pickle has it.

    Returns:
        The pickle. With `by_name`, nothing at all (b"") if no name was found to write.
    """
    dill = _import_dill()
    file = io.BytesIO()
    # dill's other way for globals, without `recurse`, refers to the whole dict of __main__.
    pickler = dill.Pickler(
        file, PROTOCOL, byref=False, recurse=True, buffer_callback=buffer_callback
    )
    save = _Save(pickler, by_name)
    pickler.save = save
    _writing.entry = True
    try:
        with warnings.catch_warnings():
            # dill warns where it writes something that it cannot read again.
            warnings.simplefilter("error", dill.PicklingWarning)
            pickler.dump(value)
    finally:
        _writing.entry = False
        del pickler.save  # the two refer to each other
    if by_name and not save.named:
        return b""
    return file.getvalue()


class _Save:
    """Stands before the `save` of a dill pickler: what is named, what contained, what refused."""

    def __init__(self, pickler: Any, by_name: bool) -> None:
        self.pickler = pickler
        self.plain = pickler.save
        self.by_name = by_name
        self.named = False

    def __call__(self, obj: Any, save_persistent_id: bool = True) -> None:
        kind = type(obj)
        if kind in _ATOMS or id(obj) in self.pickler.memo:
            self.plain(obj, save_persistent_id)
        elif isinstance(obj, (type, types.FunctionType)):
            self._save_definition(obj)
        elif isinstance(obj, types.ModuleType):
            self._save_module(obj)
        elif (kind.__module__, kind.__name__) == ("numpy", "ndarray"):
            # dill would not leave its memory out.
            self.pickler.save_reduce(*obj.__reduce_ex__(PROTOCOL), obj=obj)
        elif kind is functools.cached_property:
            # Up to Python 3.11 it holds a lock; its name it gets from the class again.
            self.pickler.save_reduce(functools.cached_property, (obj.func,), obj=obj)
        elif kind is TypeVar and obj.__module__ in _MAINS and not self.by_name:
            self._save_type_variable(obj)
        elif isinstance(obj, _REFUSED) or kind.__name__ in _REFUSED_NAMES:
            raise pickle.PicklingError(f"cannot pickle {kind.__name__!r} object")
        else:
            self.plain(obj, save_persistent_id)

    def _save_module(self, module: types.ModuleType) -> None:
        # dill would write the content of the user's modules, and overwrite them when it is read.
        if sys.modules.get(module.__name__) is not module:
            raise pickle.PicklingError(f"cannot pickle module {module.__name__!r}: not imported")
        self.pickler.save_reduce(importlib.import_module, (module.__name__,), obj=module)

    def _save_definition(self, obj: Any) -> None:
        module = obj.__module__
        if module not in _MAINS:
            if isinstance(obj, types.FunctionType):
                # A local function of a module that can be imported goes on seeing that module's
                # globals. One that uses none can be read without the module.
                home = sys.modules.get(module) if isinstance(module, str) else None
                self.pickler._recurse = (
                    home is None
                    or vars(home) is not obj.__globals__
                    or _global_names(obj.__code__) <= vars(builtins).keys()
                )
            self.plain(obj)
        elif self.by_name and self._has_name(obj):
            self.named = True
            self.pickler.save("__main__")
            self.pickler.save(obj.__qualname__)
            self.pickler.write(pickle.STACK_GLOBAL)
            self.pickler.memoize(obj)
        else:
            self.pickler._recurse = True
            self._save_by_value(obj)

    def _has_name(self, obj: Any) -> bool:
        """Whether the program's own module has it under its name, or may have it elsewhere.

        A worker process that got a class of the parent's __main__ by value doesn't have it under
        its name. The parent does.
        """
        name: str = obj.__qualname__
        found: Any = sys.modules.get(obj.__module__)
        for part in name.split("."):
            found = getattr(found, part, None)
        return "<" not in name and (found is obj or found is None)

    def _save_by_value(self, obj: Any) -> None:
        if isinstance(obj, enum.EnumMeta):
            self._save_enum(obj)
            return
        if obj.__module__ == "__main__":
            self.plain(obj)
            return
        # In a process started by spawn, dill would take the second name of __main__ for that of a
        # module that the reader can import.
        name = obj.__module__
        obj.__module__ = "__main__"
        try:
            self.plain(obj)
        finally:
            obj.__module__ = name

    def _save_enum(self, kind: enum.EnumMeta) -> None:
        # dill stumbles over members, which are attributes of the class and instances of it.
        written = {
            name: value
            for name, value in vars(kind).items()
            if getattr(getattr(value, "fget", value), "__module__", None) in _MAINS
            and isinstance(value, (types.FunctionType, property, classmethod, staticmethod))
        }
        if any(name in written for name in ("__new__", "__init__", "__init_subclass__")):
            raise pickle.PicklingError(f"cannot pickle enum {kind.__name__!r} with its own __new__")
        members: dict[str, Any] = dict(kind.__members__)
        body = {
            "__module__": "__main__",
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            **{name: member.value for name, member in members.items()},
            **written,
        }
        fill = functools.partial(sys.modules["dill._dill"]._setitems, source=body)
        # By the steps of dill for any class: methods may refer to the class.
        sys.modules["dill._dill"]._save_with_postproc(
            self.pickler,
            (types.new_class, (kind.__name__, kind.__bases__, {"metaclass": type(kind)}, fill)),
            obj=kind,
            postproc_list=[],
        )

    def _save_type_variable(self, variable: TypeVar) -> None:
        options = {
            name: getattr(variable, f"__{name}__")
            for name in ("bound", "covariant", "contravariant")
            if getattr(variable, f"__{name}__")
        }
        make = functools.partial(TypeVar, **options) if options else TypeVar
        arguments = (variable.__name__, *variable.__constraints__)
        self.pickler.save_reduce(make, arguments, obj=variable)


_writing = threading.local()


def _take_globals_from_us(dill: Any) -> None:
    """Let dill ask us which globals a function refers to, in a thread that is writing an entry.

    dill finds them by printing the disassembled code, with sys.stdout redirected: what other
    threads print meanwhile would be lost.
    """
    original = dill.detect.globalvars
    if hasattr(original, "_is_of_funes"):
        return

    @functools.wraps(original)
    def globalvars(func: Any, recurse: bool = True, builtin: bool = False) -> Any:
        if getattr(_writing, "entry", False):
            return _referred_globals(func)
        return original(func, recurse, builtin)

    globalvars._is_of_funes = True  # type: ignore[attr-defined]
    dill.detect.globalvars = globalvars


def _referred_globals(function: Any) -> dict[str, Any]:
    """The globals that the code of a function, and code inside of it, refers to."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType):
        return {}
    space = function.__globals__
    return {name: space[name] for name in sorted(_global_names(function.__code__)) if name in space}


def _global_names(code: types.CodeType) -> set[str]:
    import dis

    names: set[str] = set()
    codes = [code]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for instruction in dis.get_instructions(code):
            if "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME":
                names.add(instruction.argval)
    return names


# Reading


class _Unpickler(pickle.Unpickler):
    """Finds the program's own classes whether it is run as a script, or started by spawn."""

    def find_class(self, module: str, name: str) -> Any:
        if module in _MAINS:
            for candidate in (module, *_MAINS):
                with suppress(ImportError, AttributeError):
                    return super().find_class(candidate, name)
        elif module.partition(".")[0] == "dill":
            _import_dill()
        return super().find_class(module, name)


def _load_named(data: bytes) -> Any:
    return _Unpickler(io.BytesIO(data)).load()


def _load_second(data: bytes, buffers: Iterable[Readable] | None) -> Any:
    if b"main__" in data or b"dill" in data:
        return _Unpickler(io.BytesIO(data), buffers=buffers).load()
    return pickle.loads(data, buffers=buffers)


def _load_plain(body: Readable) -> Any:
    was_there = "dill" in sys.modules
    try:
        return pickle.loads(body)
    except ModuleNotFoundError as error:
        if error.name != "__builtin__":
            raise
        # Names that only dill knows, such as that of the type of None.
        return _import_dill().loads(body)
    finally:
        if not was_there and "dill" in sys.modules:
            sys.modules["dill"].extend(False)
