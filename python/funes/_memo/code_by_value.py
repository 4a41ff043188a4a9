"""Pickles functions by value: their current code, with the values that the code reads.

A function that is pickled by name is loaded as whatever the receiving process has under that name.
This module pickles each function as its code object. It pickles the globals as new namespaces that
contain only the names that the code reads. Opening the pickle imports none of the user's modules.
The source texts of the functions are sent separately (`source_texts`), so that the receiving process
computes the same definition for the code as the sender.

Functions may refer to each other in any way. So the pickler first writes the functions without their
globals, captured variables and defaults. A queue holds these, and the pickler writes them afterwards.
dill pickles everything that is not a function, module or memorious function.
"""

from __future__ import annotations

import builtins
import dis
import importlib
import io
import marshal
import pickle
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import CellType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from funes._code.bytecode import nested_codes
from funes._code.describe import describe
from funes._code.function_attributes import MEMO_STATE
from funes._code.sentinels import SENTINEL, module_of, place_of, received_object, received_sentinel
from funes._code.third_party import (
    is_library_function,
    is_library_module,
    loaded_object,
    public_name,
    stands_for_builtin,
)
from funes._code.user_code import is_user_code
from funes._entries import c_pickler
from funes._entries.dill_pickler import import_dill
from funes._entries.main_module import MAINS

if TYPE_CHECKING:
    from funes._memo.memo import Memo
    from funes._memo.options import Options

#: The protocol of Python 3.4, which all supported Python versions read.
_PROTOCOL = 4


#: Names of a module that its code may need without reading them as globals: for relative imports,
#: source texts and resources.
_ALWAYS = ("__name__", "__package__", "__file__", "__path__")


def dumps(
    memo: Memo[Any, Any], *, everything: bool, as_class: Callable[[type], int] | None
) -> tuple[bytes, list[FunctionType]]:
    """Pickles a memorious function with its code by value.

    Args:
        memo: The function.
        everything: Also pickle importable functions and modules of the user by value.
        as_class: A function that takes a class that cannot be imported, and returns the number by which `loads` looks
            for the class. If None, such classes are pickled by value.

    Returns:
        The bytes, and the functions that the bytes contain by value.

    Raises:
        Exception: Something that the code reads cannot be pickled.
    """
    file = io.BytesIO()
    pickler = _pickler_class()(file, everything, as_class)
    pickler.dump(memo)
    while pickler.pending:
        pickler.dump(pickler.pending.popleft())
    pickler.dump(None)
    return file.getvalue(), pickler.functions


def loads(data: bytes, classes: Sequence[type]) -> Any:
    """Returns the memorious function that `dumps` pickled.

    Args:
        data: The bytes that `dumps` returned.
        classes: The classes that `as_class` numbered.
    """
    opened = _Unpickler(io.BytesIO(data))
    opened.classes = classes
    memo = opened.load()
    while (filling := opened.load()) is not None:
        _fill(*filling)
    return memo


def is_sent_by_name(module: str) -> bool:
    """Returns whether another process should import a module.

    The main program cannot be imported. A module that the user registered with
    ``cloudpickle.register_pickle_by_value`` must not be imported.
    """
    if module in MAINS:
        return False
    cloudpickle = sys.modules.get("cloudpickle")
    registered = () if cloudpickle is None else cloudpickle.list_registry_pickle_by_value()
    return not any(module == name or module.startswith(f"{name}.") for name in registered)


def is_importable(thing: Any) -> bool:
    """Returns whether another process finds a function or class by importing its module."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not module or not name or not is_sent_by_name(module):
        return False
    return loaded_object(module, name) is thing


#: The modules that replace the modules of the sender, by the address of their namespace.
_spaces: weakref.WeakValueDictionary[int, ModuleType] = weakref.WeakValueDictionary()


class _Space:
    """The globals of functions by value, filled after the functions are made."""

    def __init__(self, name: str) -> None:
        self.module = ModuleType(name)
        _spaces[id(vars(self.module))] = self.module

    def __reduce__(self) -> tuple[object, ...]:
        return _Space, (self.module.__name__,)


def _function(
    code: CodeType, space: _Space, names: tuple[Any, Any, Any, Any], cells: Any
) -> FunctionType:
    name, module, qualname, doc = names
    function = FunctionType(code, vars(space.module), name, None, cells)
    function.__module__, function.__qualname__, function.__doc__ = module, qualname, doc
    return function


def _code(data: bytes) -> CodeType:
    return marshal.loads(data)  # type: ignore[no-any-return]  # noqa: S302  # made by `dumps`


def _module(space: _Space) -> ModuleType:
    return space.module


def _memo(function: FunctionType, options: Options, root: str) -> Memo[Any, Any]:
    from funes._memo.memo import Memo

    memo: Memo[Any, Any] = Memo(function, options)
    memo._move(root)
    return memo


def _fill(kind: str, thing: Any, content: Any) -> None:
    if kind == "cell":
        thing.cell_contents = content
    elif kind == "global":
        vars(thing.module).update(content)
    elif kind == "function":
        thing.__defaults__, thing.__kwdefaults__, attributes, annotations = content
        if annotations:
            thing.__annotations__ = annotations
        thing.__dict__.update(attributes)
    else:
        for name, value in content.items():
            vars(thing).setdefault(name, value)


def _pickler_class() -> Any:
    """Returns the pickler class, made at the first use since dill takes long to import."""
    global _made
    if _made is None:
        _made = type("Pickler", (_Reducers, import_dill().Pickler), {})
    return _made


_made: Any = None


class _Unpickler(pickle.Unpickler):
    classes: Sequence[type] = ()

    def persistent_load(self, pid: Any) -> Any:
        return self.classes[pid]


class _Reducers:
    """The methods by which a pickler by value differs from dill's pickler."""

    def __init__(
        self, file: io.BytesIO, everything: bool, as_class: Callable[[type], int] | None
    ) -> None:
        super().__init__(file, protocol=_PROTOCOL, recurse=True)  # type: ignore[call-arg]
        self._everything = everything
        self._as_class = as_class
        self.functions: list[FunctionType] = []
        #: Objects that are written without their content first, and filled later: see `_fill`.
        self.pending: deque[tuple[str, object, object]] = deque()
        self._spaces: dict[int, _Space] = {}
        self._noted: set[tuple[int, str]] = set()
        # The pickler knows objects by their addresses, so all objects that it has written must stay
        # alive.
        self._kept: list[object] = []

    def persistent_id(self, thing: Any) -> int | None:
        """Returns the number of a class that the outer pickler writes; None for any other object."""
        if self._as_class is None or not isinstance(thing, type):
            return None
        is_local = not is_importable(thing) and thing.__module__ != "builtins"
        return self._as_class(thing) if is_local else None

    def reducer_override(self, thing: Any) -> Any:
        """Returns a reduction of an object, or NotImplemented to let dill pickle the object."""
        from funes._memo.memo import Memo

        kind = type(thing)
        if kind is FunctionType and stands_for_builtin(thing, thing.__name__):
            return getattr, (builtins, thing.__name__)
        if kind is FunctionType and self._is_by_value(thing):
            return self._reduce_function(thing)
        if kind is CodeType:
            return _code, (marshal.dumps(thing),)
        if kind is CellType:
            self._put_cell(thing)
            return CellType, ()
        if isinstance(thing, ModuleType):
            if self._everything and not is_library_module(thing):
                self._note(thing.__dict__, _ALWAYS)
                return _module, (self._space(thing.__dict__),)
            return importlib.import_module, (thing.__name__,)
        if kind is object and (place := place_of(thing)) is not None:
            is_others = not self._everything or not is_user_code(place.module)
            if is_others and is_sent_by_name(place.module):
                return c_pickler.reduce_to_name(place.module, place.name)
            return received_object, (public_name(place.module), place.name)
        if kind is SENTINEL and (module := module_of(thing)) is not None:
            is_others = not self._everything or not is_user_code(module)
            if is_others and is_sent_by_name(module):
                return c_pickler.reduce_to_name(module, thing.__name__)
            return received_sentinel, (public_name(module), thing.__name__, repr(thing))
        if isinstance(thing, Memo) and (self._everything or not is_importable(thing)):
            self._put("memo", thing, attributes_of(thing))
            return _memo, (thing.__wrapped__, thing._options, thing._root_to_send)
        return NotImplemented

    def _is_by_value(self, function: FunctionType) -> bool:
        if is_library_function(function):
            return False
        return self._everything or not is_importable(function)

    def _reduce_function(self, function: FunctionType) -> tuple[object, ...]:
        self.functions.append(function)
        description = describe(function)
        if self._everything:
            _check_names(function, description.references)
        for namespace, name, _ in description.reads:
            if (
                isinstance(name, str)
                and _is_of_module(namespace)
                and (self._everything or namespace is function.__globals__)
            ):
                self._note(namespace, (name,))
        self._note(function.__globals__, (*_ALWAYS, *_globals_in(function)))
        attributes = dict(function.__dict__)
        self._put(
            "function",
            function,
            (function.__defaults__, function.__kwdefaults__, attributes, _annotations_of(function)),
        )
        space = self._space(function.__globals__)
        names = function.__name__, function.__module__, function.__qualname__, function.__doc__
        return _function, (function.__code__, space, names, function.__closure__)

    def _put(self, kind: str, thing: object, content: object) -> None:
        self._kept += (thing, content)
        self.pending.append((kind, thing, content))

    def _put_cell(self, cell: CellType) -> None:
        try:
            self._put("cell", cell, cell.cell_contents)
        except ValueError:  # an empty cell
            self._kept.append(cell)

    def _space(self, namespace: dict[str, Any]) -> _Space:
        space = self._spaces.get(id(namespace))
        if space is None:
            space = self._spaces[id(namespace)] = _Space(str(namespace.get("__name__", "")))
            self._kept.append(namespace)
        return space

    def _note(self, namespace: dict[str, Any], names: Sequence[str]) -> None:
        """Queues the names of a namespace that the code needs, with their values."""
        space = self._space(namespace)
        for name in names:
            if stands_for_builtin(namespace.get(name), name):
                continue  # the receiver has the builtin
            if name in namespace and (id(namespace), name) not in self._noted:
                self._noted.add((id(namespace), name))
                self._put("global", space, {name: namespace[name]})


def _is_of_module(namespace: object) -> TypeGuard[dict[str, Any]]:
    """Returns whether a namespace belongs to a module of the user."""
    if type(namespace) is not dict:
        return False
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and namespace is vars(module) and not is_library_module(module)


def attributes_of(memo: Memo[Any, Any]) -> dict[str, object]:
    """Returns the attributes that the user set on a memorious function."""
    return {name: value for name, value in vars(memo).items() if name not in MEMO_STATE}


def _annotations_of(function: FunctionType) -> dict[str, object]:
    """Returns the annotations for code that reads them, without those that only this process can evaluate."""
    annotations = {}
    with suppress(Exception):  # Python 3.14 evaluates them here
        for name, value in function.__annotations__.items():
            with suppress(Exception):
                pickle.dumps(value, _PROTOCOL)
                if getattr(value, "__module__", None) not in MAINS:
                    annotations[name] = value
    return annotations


class CodeNotSentError(Exception):
    """Raised for code that looks up names at run time, so that funes cannot know which names it needs."""


def _check_names(function: FunctionType, references: dict[str, object]) -> None:
    """Refuses code that could notice that its module contains only the names that the code reads."""
    looks_up = sorted(
        _LOOK_UP.intersection(name for code in _codes_of(function) for name in code.co_names)
    )
    if looks_up:
        raise CodeNotSentError(f"{function.__qualname__} looks names up by {', '.join(looks_up)}")
    for label, value in references.items():
        if label.endswith(" by name") and type(value) is tuple and value[:1] == ("module",):
            module = sys.modules.get(str(value[-1]))
            if module is not None and not is_library_module(module):
                raise CodeNotSentError(f"{function.__qualname__} uses the module {value[-1]} whole")


#: The names of functions and attributes with which code can read names that it does not spell.
_LOOK_UP = frozenset(
    (
        "__dict__",
        "__globals__",
        "__import__",
        "_getframe",
        "compile",
        "dir",
        "eval",
        "exec",
        "getattr",
        "globals",
        "hasattr",
        "import_module",
        "locals",
        "modules",
        "vars",
    )
)


def _codes_of(function: FunctionType) -> Iterator[CodeType]:
    """Yields the code of a function and the code objects inside it."""
    yield function.__code__
    yield from nested_codes(function.__code__)


def _globals_in(function: FunctionType) -> Iterator[str]:
    """Yields the names that the code of a function looks up among the globals."""
    for code in _codes_of(function):
        for instruction in dis.get_instructions(code):
            if instruction.opname.endswith("_GLOBAL") or instruction.opname in _BY_NAME:
                yield instruction.argval


#: Instructions of class bodies, which also look among the globals.
_BY_NAME = frozenset(("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
