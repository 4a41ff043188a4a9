"""Finds the names that library modules and classes bind, by reading their byte code without running it.

If the code of a library binds a name to a constant, and the name has this value, the value belongs to
the library. Any other value was set by the user, or was computed.
"""

from __future__ import annotations

import dis
import opcode
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple

from funes._code.bytecode import nested_codes, same_constant


class _Mark:
    """The type of `CODE` and `COMPUTED`."""


CODE: Final = _Mark()
"""Represents a function or class in a `Body`."""
COMPUTED: Final = _Mark()
"""Represents a value in a `Body` that is known only after the code has run."""


class Imported(NamedTuple):
    """A name in a `Body` that comes from an import statement."""

    module: str
    name: str


#: The values of each bound name: constants, `CODE`, `COMPUTED` or `Imported`, in statement order.
Body = dict[str, list[object]]


def binds_constant(body: Body, name: str, value: object) -> bool:
    """Returns true if a body binds a name to the constant `value`."""
    return any(same_constant(said, value) for said in body.get(name, ()))


@lru_cache(maxsize=512)
def body_of_module(name: str) -> Body | None:
    """Returns the body of a module, which need not be loaded; None if its code is not available."""
    code = _code_of(name)
    return None if code is None else _bound(code, name)


def is_own_value(module: str, name: str, value: object) -> bool:
    """Returns true if the code of a library module binds a name to `value`, directly or by an import.

    Returns false for a value that the code computes, since it cannot be compared.
    """
    pending, seen = [(module, name)], set()
    while pending:
        place = module, name = pending.pop()
        body = body_of_module(module)
        if place in seen or body is None:
            continue
        seen.add(place)
        if binds_constant(body, name, value):
            return True
        if COMPUTED in body.get(name, ()):
            return False
        pending += _origins(body, name)
    return False


def is_computed(module: str, chain: tuple[str, ...]) -> bool:
    """Returns true if a path into a module that is not loaded leads to a computed value."""
    pending, seen = [(module, chain)], set()
    while pending:
        place = module, chain = pending.pop()
        body = body_of_module(module)
        if place in seen or body is None or not chain:
            continue
        seen.add(place)
        if COMPUTED in body.get(chain[0], ()):
            return True
        pending += ((of, (name, *chain[1:])) for of, name in _origins(body, chain[0]))
        pending.append((f"{module}.{chain[0]}", chain[1:]))
    return False


def _origins(body: Body, name: str) -> Iterator[tuple[str, str]]:
    """Yields the modules from which a body may import a name, each with the name in that module."""
    if name in body:
        yield from (said for said in body[name] if isinstance(said, Imported))
    else:
        yield from ((said.module, name) for said in body.get("*", ()) if isinstance(said, Imported))


def body_of_class(cls: type) -> Body | None:
    """Returns the body of a class; None if the class is not written in Python, or its code is not available."""
    return _class_body(tuple(_modules_of(cls)), cls.__qualname__)


def is_set_by_library(cls: type, name: str) -> bool:
    """Returns true if the code of the library sets the attribute `name` on the class at run time."""
    return any(name in _set_in(module, cls.__name__) for module in _modules_of(cls))


def _modules_of(cls: type) -> dict[str, None]:
    """Returns the modules that may define a class: a library may give it another ``__module__``."""
    names = {str(cls.__module__): None}
    for name, value in list(vars(cls).items()):
        if type(value) is FunctionType and value.__qualname__ == f"{cls.__qualname__}.{name}":
            names[str(value.__globals__.get("__name__"))] = None
    return names


@lru_cache(maxsize=512)
def _class_body(modules: tuple[str, ...], qualname: str) -> Body | None:
    for module in modules:
        code = _code_of(module)
        found = () if code is None else nested_codes(code)
        bodies = [_bound(inner, module) for inner in found if _is_class_body(inner, qualname)]
        if bodies:
            names = dict.fromkeys(name for body in bodies for name in body)
            return {
                name: [said for body in bodies for said in body.get(name, ())] for name in names
            }
    return None


@lru_cache(maxsize=64)
def _set_in(module: str, cls: str) -> frozenset[str]:
    """Returns the attributes that the code of a module sets on the class with a given name."""
    code = _code_of(module)
    codes = () if code is None else (code, *nested_codes(code))
    return frozenset(name for part in codes for name in _set_by(part, cls))


def _is_class_body(code: CodeType, qualname: str) -> bool:
    if "__qualname__" not in code.co_names or code.co_name != qualname.rpartition(".")[2]:
        return False
    return sys.version_info < (3, 11) or code.co_qualname == qualname


def _code_of(name: str) -> CodeType | None:
    try:
        spec = _spec_of(name)
        get_code = getattr(None if spec is None else spec.loader, "get_code", None)
        code = None if spec is None or get_code is None else get_code(spec.name)
    except Exception:  # third-party loaders may raise anything
        return None
    return code if isinstance(code, CodeType) else None


def _spec_of(name: str) -> ModuleSpec | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        spec = getattr(loaded, "__spec__", None)
        return spec if isinstance(spec, ModuleSpec) else None
    package = name.rpartition(".")[0]
    if not package:
        return PathFinder.find_spec(name)
    # `importlib.util.find_spec` would import the package.
    around = _spec_of(package)
    folders = None if around is None else around.submodule_search_locations
    return None if folders is None else PathFinder.find_spec(name, list(folders))


_OPERATIONS = dis.opmap
_NONE = -1
_EXTENDED_ARG = _OPERATIONS["EXTENDED_ARG"]
_CACHE = _OPERATIONS.get("CACHE", _NONE)
_LOAD_CONST = _OPERATIONS["LOAD_CONST"]
_LOAD_SMALL_INT = _OPERATIONS.get("LOAD_SMALL_INT", _NONE)
_LOAD_COMMON_CONSTANT = _OPERATIONS.get("LOAD_COMMON_CONSTANT", _NONE)
_LOADS_CONSTANT = frozenset((_LOAD_CONST, _LOAD_SMALL_INT, _LOAD_COMMON_CONSTANT)) - {_NONE}
#: From 3.15 on None, True, False, "" and -1 are among them.
_COMMON_CONSTANTS: list[object] = getattr(opcode, "_common_constants", [])
_CONSTANTS = (type(None), bool, int, str)
_STORE_NAME = _OPERATIONS["STORE_NAME"]
_STORE_ATTR = _OPERATIONS["STORE_ATTR"]
_IMPORT_NAME = _OPERATIONS["IMPORT_NAME"]
_IMPORT_FROM = _OPERATIONS["IMPORT_FROM"]
_IMPORT_STAR = _OPERATIONS.get("IMPORT_STAR", _NONE)
_IMPORT_STAR_SINCE_3_12 = _OPERATIONS.get("CALL_INTRINSIC_1", _NONE), 2


def _numbers(*starts: str) -> frozenset[int]:
    return frozenset(number for name, number in _OPERATIONS.items() if name.startswith(starts))


_LOADS_LOCAL = _numbers("LOAD_FAST")
_LOADS_TWO = _numbers("LOAD_FAST_LOAD", "LOAD_FAST_BORROW_LOAD")
_LOADS_CAPTURED = _numbers("LOAD_DEREF", "LOAD_CLASSDEREF")
_LOADS_NAME = _numbers("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR")
_CALLS = _numbers("CALL")
_SWAPS = _numbers("SWAP", "ROT_TWO")
_COPIES = _numbers("COPY", "DUP_TOP")
_SHIFTS = {
    _OPERATIONS["LOAD_GLOBAL"]: int(sys.version_info >= (3, 11)),
    _OPERATIONS["LOAD_ATTR"]: int(sys.version_info >= (3, 12)),
    # The two lowest bits say whether the import is lazy.
    _OPERATIONS["IMPORT_NAME"]: 2 * (sys.version_info >= (3, 15)),
}


def _operations(code: CodeType) -> Iterator[tuple[int, int]]:
    """Yields operations and arguments. `dis` is ten times slower, and library modules are large."""
    argument = 0
    instructions = code.co_code
    for operation, byte in zip(instructions[::2], instructions[1::2], strict=True):
        argument |= byte
        if operation == _EXTENDED_ARG:
            argument <<= 8
            continue
        if operation != _CACHE:
            yield operation, argument
        argument = 0


def _bound(code: CodeType, module: str) -> Body:
    found: Body = {}
    constants: list[Any] = [0, 0]  # the last two loaded constants: dots and names of an import
    value: object = COMPUTED
    made = ""  # the name of the last function or class body
    origin = ""
    for operation, argument in _operations(code):
        if operation in _LOADS_CONSTANT:
            value = _constant(code, operation, argument)
            constants = [constants[1], value]
            made = value.co_name if isinstance(value, CodeType) else made
        elif operation == _STORE_NAME:
            name = code.co_names[argument]
            # A private name is bound with the name of its class in front.
            is_code = value is COMPUTED and made != "" and name.endswith(made)
            found.setdefault(name, []).append(CODE if is_code else value)
            value, made = COMPUTED, ""
        elif operation == _IMPORT_NAME:
            imported = code.co_names[argument >> _SHIFTS[_IMPORT_NAME]]
            origin, value = _absolute(imported, constants[0], module), CODE
        elif operation == _IMPORT_FROM:
            value = Imported(origin, code.co_names[argument])
        elif operation == _IMPORT_STAR or (operation, argument) == _IMPORT_STAR_SINCE_3_12:
            found.setdefault("*", []).append(Imported(origin, "*"))
        else:
            value = COMPUTED
    return found


def _constant(code: CodeType, operation: int, argument: int) -> object:
    """Returns the value that an operation of `_LOADS_CONSTANT` loads."""
    if operation == _LOAD_SMALL_INT:
        return argument
    if operation == _LOAD_CONST:
        return code.co_consts[argument]
    value = _COMMON_CONSTANTS[argument]
    return value if type(value) in _CONSTANTS else COMPUTED  # the rest are builtins


def _absolute(name: str, level: object, module: str) -> str:
    if not isinstance(level, int) or level == 0:
        return name
    spec = _spec_of(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    parts = module.split(".")
    kept = len(parts) - level + is_package
    return ".".join((*parts[:kept], *([name] if name else [])))


def _set_by(code: CodeType, cls: str) -> Iterator[str]:
    """Yields the attributes that code sets on the class with a given name, by any usual expression for it."""
    before = copied = (_NONE, 0)
    for operation, argument in _operations(code):
        if operation == _STORE_ATTR:
            owner, index = copied if before[0] in _SWAPS else before  # `C.count += 1` copies C
            if owner in _LOADS_NAME:
                name = _name_of(code, owner, index)
                is_class = name in (cls, "cls", "__class__", "klass")
            else:
                is_class = owner in _CALLS  # `type(self).count = 1`
            if is_class:
                yield code.co_names[argument]
        elif operation in _COPIES:
            copied = before
        before = operation, argument


def _name_of(code: CodeType, operation: int, index: int) -> str:
    """Returns the name that an operation loads."""
    if operation in _LOADS_LOCAL:
        index = index & 15 if operation in _LOADS_TWO else index  # the second name
        return code.co_varnames[index] if index < len(code.co_varnames) else ""
    if operation in _LOADS_CAPTURED:
        names = _captured_names(code)
        return names[index] if index < len(names) else ""
    # From 3.11 on the lowest bit is a flag for calls.
    shift = _SHIFTS.get(operation, 0)
    return code.co_names[index >> shift] if index >> shift < len(code.co_names) else ""


def _captured_names(code: CodeType) -> tuple[str, ...]:
    if sys.version_info < (3, 11):
        return code.co_cellvars + code.co_freevars
    inner = (name for name in code.co_cellvars if name not in code.co_varnames)
    return (*code.co_varnames, *inner, *code.co_freevars)
