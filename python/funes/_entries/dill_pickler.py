"""Pickles with dill: lambdas, closures and local classes, and objects of ``__main__`` by value.

``import dill`` adds types to the dispatch table of the pickler that is written in Python
(``pickle._Pickler``). Libraries that use this pickler, such as `joblib.hash`, then pickle dicts and
functions in another way. `copyreg` and the C pickler do not change. So funes imports dill only if it
is needed, and removes the additions again unless the program imported dill itself. dill's own pickler
has its own table, and works in both cases.
"""

from __future__ import annotations

import builtins
import enum
import functools
import importlib
import io
import pickle
import sys
import threading
import types
import warnings
from typing import Any, TypeVar

from funes._code.sentinels import SENTINEL
from funes._code.third_party import loaded_object
from funes._entries import fork, main_module
from funes._entries.atoms import ATOMS
from funes._entries.c_pickler import Sentinels, reduce_to_name
from funes._entries.main_module import MAINS
from funes._funes import PROTOCOL, BufferCollector

_REFUSED: tuple[type, ...] = (
    # dill would open the file again when the entry is read, and truncate a file that was open
    # for writing.
    io.FileIO,
    io.BufferedReader,
    io.BufferedWriter,
    io.BufferedRandom,
    io.TextIOWrapper,
    # dill would make new locks. Threads of this process hold the old ones.
    type(threading.Lock()),
    type(threading.RLock()),
)
# dill reads `co_lnotab`, which Python 3.15 has removed.
_HAS_LNOTAB = hasattr(types.CodeType, "co_lnotab")
_PARTS_OF_CODE = (
    *("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code"),
    *("consts", "names", "varnames", "filename", "name", "qualname", "firstlineno", "linetable"),
    *("exceptiontable", "freevars", "cellvars"),
)
_REFUSED_NAMES = frozenset(
    {"PyCapsule", "_ThreadHandle", "Context", "weakproxy", "weakcallableproxy"}
)


def import_dill() -> Any:
    if "dill" in sys.modules:
        dill = importlib.import_module("dill")
    else:
        # dill imports it, and a fork must not take its lock before ours.
        importlib.import_module("logging")
        fork.run_first()
        dill = importlib.import_module("dill")
        dill.extend(False)
    _replace_globalvars(dill)
    return dill


def dump(value: object, *, by_name: bool, buffer_callback: BufferCollector | None = None) -> bytes:
    """Pickles with dill.

    Args:
        value: The object to pickle.
        by_name: If true, objects that ``__main__`` has under a name are written as references, not by
            value.
        buffer_callback: A function that receives large buffers, as in `pickle.dump`.

    Returns:
        The pickle. With `by_name`, b"" if the pickle would contain no reference to ``__main__``.
    """
    dill = import_dill()
    file = io.BytesIO()
    # Without `recurse`, dill would write the whole dict of __main__ as the globals.
    pickler = dill.Pickler(
        file, PROTOCOL, byref=False, recurse=True, buffer_callback=buffer_callback
    )
    save = _Save(pickler, by_name)
    pickler.save = save
    _writing.entry = True
    try:
        with warnings.catch_warnings():
            # dill warns if it writes something that it cannot read again.
            warnings.simplefilter("error", dill.PicklingWarning)
            pickler.dump(value)
    finally:
        _writing.entry = False
        del pickler.save  # breaks the reference cycle
    if by_name and not save.named:
        return b""
    return file.getvalue()


class _Save:
    """Replaces the `save` method of a dill pickler: decides which objects are written by name or refused."""

    def __init__(self, pickler: Any, by_name: bool) -> None:
        self.pickler = pickler
        self.original = pickler.save
        self.by_name = by_name
        self.named = False
        self.sentinels = Sentinels()

    def __call__(self, obj: Any, save_persistent_id: bool = True) -> None:
        kind = type(obj)
        if kind in ATOMS or id(obj) in self.pickler.memo:
            self.original(obj, save_persistent_id)
        elif isinstance(obj, (type, types.FunctionType)):
            self._save_definition(obj)
        elif isinstance(obj, types.ModuleType):
            self._save_module(obj)
        elif kind is types.CodeType and not _HAS_LNOTAB:
            self._save_code(obj)
        elif self.by_name and kind is dict and _is_main_space(obj):
            self._save_by_finder((main_module.globals_of, (main_module.name_of_own(),)), obj)
        elif (qualified := self.sentinels.name_of(obj)) is not None:
            self._save_sentinel(obj, *qualified)
        elif (kind.__module__, kind.__name__) == ("numpy", "ndarray"):
            # dill would not pass the memory of the array to the buffer callback.
            self.pickler.save_reduce(*obj.__reduce_ex__(PROTOCOL), obj=obj)
        elif kind is functools.cached_property:
            # Up to Python 3.11 it holds a lock. The class sets its name again.
            self.pickler.save_reduce(functools.cached_property, (obj.func,), obj=obj)
        elif kind is TypeVar and obj.__module__ in MAINS and not self.by_name:
            self._save_type_variable(obj)
        elif isinstance(obj, _REFUSED) or kind.__name__ in _REFUSED_NAMES:
            raise pickle.PicklingError(f"cannot pickle {kind.__name__!r} object")
        else:
            self.original(obj, save_persistent_id)

    def _save_module(self, module: types.ModuleType) -> None:
        # dill would write the content of user modules, and overwrite the modules at reading.
        if sys.modules.get(module.__name__) is not module:
            raise pickle.PicklingError(f"cannot pickle module {module.__name__!r}: not imported")
        self.pickler.save_reduce(importlib.import_module, (module.__name__,), obj=module)

    def _save_code(self, code: types.CodeType) -> None:
        # In the form that dill writes and reads on 3.11 to 3.14. The first part serves Python 3.9.
        parts = (b"", *(getattr(code, f"co_{name}") for name in _PARTS_OF_CODE))
        self.pickler.save_reduce(sys.modules["dill._dill"]._create_code, parts, obj=code)

    def _save_definition(self, obj: Any) -> None:
        module = obj.__module__
        if module not in MAINS:
            if isinstance(obj, types.FunctionType):
                # A local function of an importable module keeps using the globals of the module. A
                # local function that uses no globals can be loaded without the module.
                home = sys.modules.get(module) if isinstance(module, str) else None
                self.pickler._recurse = (
                    home is None
                    or vars(home) is not obj.__globals__
                    or _global_names(obj.__code__) <= vars(builtins).keys()
                )
            self.original(obj)
        elif self.by_name and self._has_name(obj):
            self._save_by_finder(reduce_to_name("__main__", obj.__qualname__), obj)
        else:
            # With `by_name`, a function keeps using the globals of the program's own module, as a
            # function of any other module does.
            self.pickler._recurse = not (
                self.by_name
                and isinstance(obj, types.FunctionType)
                and _is_main_space(obj.__globals__)
                and not _global_names(obj.__code__) <= vars(builtins).keys()
            )
            self._save_by_value(obj)

    def _save_by_finder(self, reduced: tuple[Any, ...], obj: Any) -> None:
        self.named = True
        self.pickler.save_reduce(*reduced, obj=obj)

    def _save_sentinel(self, obj: Any, module: str, name: str) -> None:
        kind: Any = type(obj)
        if module not in MAINS:
            self.pickler.save_reduce(*reduce_to_name(module, name), obj=obj)
        elif self.by_name:
            self._save_by_finder(reduce_to_name(module, name), obj)
        elif kind is SENTINEL:
            # dill takes each object of this type for the same constant of `dataclasses`.
            self.pickler.save_reduce(kind, (name,), obj=obj)
        else:
            self.original(obj)

    def _has_name(self, obj: Any) -> bool:
        """Returns whether the program's own module has an object under its name, in this or the parent process.

        If a worker process received a class of the parent's __main__ by value, only the __main__ of
        the parent has the class under its name.
        """
        name: str = obj.__qualname__
        found = loaded_object(obj.__module__, name)
        return "<" not in name and (found is obj or found is None)

    def _save_by_value(self, obj: Any) -> None:
        if isinstance(obj, enum.EnumMeta):
            self._save_enum(obj)
            return
        if obj.__module__ == "__main__":
            self.original(obj)
            return
        # In a process started by spawn, dill would treat the second name of __main__ as the name of
        # a module that the reader can import.
        name = obj.__module__
        obj.__module__ = "__main__"
        try:
            self.original(obj)
        finally:
            obj.__module__ = name

    def _save_enum(self, kind: enum.EnumMeta) -> None:
        # dill fails on members, which are both attributes and instances of the class.
        defined = {
            name: value
            for name, value in vars(kind).items()
            if getattr(getattr(value, "fget", value), "__module__", None) in MAINS
            and isinstance(value, (types.FunctionType, property, classmethod, staticmethod))
        }
        if any(name in defined for name in ("__new__", "__init__", "__init_subclass__")):
            raise pickle.PicklingError(f"cannot pickle enum {kind.__name__!r} with its own __new__")
        members: dict[str, Any] = dict(kind.__members__)
        body = {
            "__module__": "__main__",
            "__qualname__": kind.__qualname__,
            "__doc__": kind.__doc__,
            **{name: member.value for name, member in members.items()},
            **defined,
        }
        fill = functools.partial(sys.modules["dill._dill"]._setitems, source=body)
        # Take the same steps as dill does for any class, since methods may refer to the class.
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


def _is_main_space(space: object) -> bool:
    return any(space is vars(sys.modules[name]) for name in MAINS if name in sys.modules)


_writing = threading.local()


def _replace_globalvars(dill: Any) -> None:
    """Replaces dill's search for the globals of a function in threads that write an entry.

    dill prints the disassembled code with sys.stdout redirected, so output of other threads would
    be lost meanwhile.
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
    """Returns the globals to which the code of a function and nested code refer."""
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
