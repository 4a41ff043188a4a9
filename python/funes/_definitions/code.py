"""Code objects: whether two are the same, and what stands in where there is no syntax tree."""

from __future__ import annotations

import dis
import itertools
import sys
from collections.abc import Iterator
from types import CodeType

from funes._definitions.names import Chain, Names, OwnImport, Read

__all__ = ["byte_code", "names_in", "nested_codes", "same_code"]

# Everything that a code object does, and nothing about where it stands: no file name, no lines.
# Exceptions are handled by a table from 3.11 on.
_PARTS = (
    "co_name",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    *(("co_exceptiontable",) if sys.version_info >= (3, 11) else ()),
)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand.

    `co_code` is the code before the interpreter specialised it, or a tracer or monitor put its own
    instructions in.
    """
    return all(getattr(one, part) == getattr(other, part) for part in _PARTS) and _same_constant(
        one.co_consts, other.co_consts
    )


def _same_constant(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_constant, one, other))
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        # `==` takes 1, 1.0 and True for one.
        return one == other and set(map(repr, one)) == set(map(repr, other))
    if isinstance(one, (float, complex, slice)):
        return repr(one) == repr(other)  # -0.0 and 0.0 are equal, nan is not equal to itself
    return one == other


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """All code objects inside a code object, outer ones first."""
    pending = [code]
    while pending:
        inner = [constant for constant in pending.pop().co_consts if isinstance(constant, CodeType)]
        yield from inner
        pending += inner


def byte_code(code: CodeType) -> tuple[object, ...]:
    """What a code object does, as a plain value, for this version of Python only."""
    version = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"
    return ("byte code", version, _written(code))


def _written(code: CodeType) -> tuple[object, ...]:
    return (*(getattr(code, part) for part in _PARTS[1:]), *map(_constant, code.co_consts))


def _constant(constant: object) -> tuple[object, ...]:
    if isinstance(constant, CodeType):
        return ("code", _written(constant))
    if constant is ...:
        return ("Ellipsis",)
    return ("value", constant)


def names_in(code: CodeType) -> Names:
    """Which names a code object takes from outside, as `names_of` says it of a tree.

    Byte code shows less: not what a statement changes but for the names that it assigns.
    """
    scopes = [list(_instructions(scope)) for scope in (code, *nested_codes(code))]
    imported = {
        name: origin
        for instructions in scopes
        for position, (operation, _) in enumerate(instructions)
        if operation == "IMPORT_NAME"
        for name, origin in _imports(instructions, position)
    }
    outside = frozenset(code.co_freevars)
    reads: set[Read] = set()
    imports: set[OwnImport] = set()
    assigned: set[Chain] = set()
    for instructions in scopes:
        for position, (operation, name) in enumerate(instructions):
            attributes = _attributes(instructions, position + 1)
            if operation in _LOADS_GLOBAL:
                # The last two are of class bodies, where the name may be the body's own.
                is_global = operation == "LOAD_GLOBAL"
                reads.add(Read((str(name), *attributes), is_global, is_global))
            elif operation in _LOADS_CAPTURED and name in outside:
                reads.add(Read((str(name), *attributes), False, True))
            elif operation in _STORES_GLOBAL or (operation in _STORES_CAPTURED and name in outside):
                assigned.add((str(name),))
                reads.add(Read((str(name),), operation in _STORES_GLOBAL, False))
            if operation in _LOADS and name in imported:
                origin = imported[str(name)]
                imports.add(origin._replace(chain=(*origin.chain, *attributes)))
    return Names(tuple(sorted(reads)), tuple(sorted(imports)), frozenset(assigned), frozenset(), ())


_LOADS_GLOBAL = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
_LOADS_CAPTURED = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
_LOADS = _LOADS_CAPTURED | {"LOAD_FAST", "LOAD_NAME"}
_STORES_GLOBAL = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL"))
_STORES_CAPTURED = frozenset(("STORE_DEREF", "DELETE_DEREF"))
_WITHOUT_MEANING = frozenset(("CACHE", "EXTENDED_ARG", "PRECALL", "NOP", "PUSH_NULL"))

_Instructions = list[tuple[str, object]]


def _instructions(code: CodeType) -> Iterator[tuple[str, object]]:
    """The operations of a code object with their arguments, under names that all versions share."""
    for instruction in dis.get_instructions(code):
        operation, argument = instruction.opname, instruction.argval
        if operation in _WITHOUT_MEANING:
            continue
        if "_FAST" in operation:
            # LOAD_FAST_CHECK, STORE_FAST_LOAD_FAST, LOAD_FAST_BORROW_LOAD_FAST_BORROW ...
            operations = [
                word for word in ("STORE_FAST", "LOAD_FAST", "DELETE_FAST") if word in operation
            ]
            arguments = argument if isinstance(argument, tuple) else (argument,)
            yield from zip(operations * len(arguments), arguments, strict=False)
        else:
            yield "LOAD_ATTR" if operation == "LOAD_METHOD" else operation, argument


def _attributes(instructions: _Instructions, start: int) -> Chain:
    """The names of the attributes that are taken one after the other from `start` on."""
    names = []
    for operation, argument in itertools.islice(instructions, start, None):
        if operation != "LOAD_ATTR":
            break
        names.append(str(argument))
    return tuple(names)


def _imports(instructions: _Instructions, position: int) -> Iterator[tuple[str, OwnImport]]:
    """The names that the import at `position` binds, each with what it means."""
    if position < 2:
        return
    # Before it stand the number of its leading dots, and the names that it takes or None.
    (_, level), (_, taken_names), (_, module) = instructions[position - 2 : position + 1]
    origin = OwnImport(str(module), level if isinstance(level, int) else 0, "", ())
    following = instructions[position + 1 :]
    if taken_names is None:
        name = next(str(name) for operation, name in following if operation in _STORES)
        if following[0][0] in _STORES:
            # `import a.b` binds a; `import a as b` differs from it by the name only.
            package = origin.module.partition(".")[0]
            loads = origin.module if name == package else ""
            origin = origin._replace(module=package, loads=loads)
        # Else it is `import a.b as c`, which goes down to b.
        yield name, origin
        return
    for (operation, taken), (_, bound) in itertools.pairwise(following):
        if operation == "IMPORT_FROM":
            yield str(bound), origin._replace(chain=(str(taken),))
        elif operation not in _STORES:
            return


_STORES = _STORES_GLOBAL | _STORES_CAPTURED | {"STORE_FAST", "STORE_NAME"}
