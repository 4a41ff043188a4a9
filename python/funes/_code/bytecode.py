"""Compares code objects, and describes code whose source is not available."""

from __future__ import annotations

import dis
import itertools
import sys
from collections.abc import Iterator
from types import CodeType

from funes._code.scopes import MAX_KEY, MAYBE, AttributePath, LocalImport, Names, Read, Use

# The attributes that determine the behaviour of a code object, without file name and line numbers.
# Exception handling is a table from 3.11 on.
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
    """Returns true if two code objects behave alike, regardless of file and line.

    `co_code` is the code before the interpreter specialized it, and without the instructions of
    tracers and monitors.
    """
    return all(getattr(one, part) == getattr(other, part) for part in _PARTS) and same_constant(
        one.co_consts, other.co_consts
    )


def same_constant(one: object, other: object) -> bool:
    """Returns true if two constants of code have the same type and value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same_constant, one, other))
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        # 1, 1.0 and True are equal by `==`.
        return one == other and set(map(repr, one)) == set(map(repr, other))
    if isinstance(one, (float, complex, slice)):
        return repr(one) == repr(other)  # -0.0 and 0.0 are equal, nan is not equal to itself
    return one == other


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yields all code objects inside a code object, outer ones first."""
    pending = [code]
    while pending:
        inner = [constant for constant in pending.pop().co_consts if isinstance(constant, CodeType)]
        yield from inner
        pending += inner


def words_in(code: CodeType) -> set[str]:
    """Returns the names and string constants of a code object and of those inside it."""
    codes = (code, *nested_codes(code))
    words = {word for part in codes for word in part.co_names}
    words.update(text for part in codes for text in part.co_consts if type(text) is str)
    return words


def byte_code(code: CodeType) -> tuple[object, ...]:
    """Returns a value that describes what a code object does; it is valid for this Python version only."""
    version = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"
    return ("byte code", version, _behaviour_of(code))


def _behaviour_of(code: CodeType) -> tuple[object, ...]:
    return (*(getattr(code, part) for part in _PARTS[1:]), *map(_constant, code.co_consts))


def _constant(constant: object) -> tuple[object, ...]:
    if isinstance(constant, CodeType):
        return ("code", _behaviour_of(constant))
    if constant is ...:
        return ("Ellipsis",)
    return ("value", constant)


def names_in(code: CodeType) -> Names:
    """Returns the free names of a code object, like `names_of` for a tree.

    Byte code shows less: it shows assignments, but not which objects a statement changes.
    """
    scopes = [_chains(list(_instructions(scope))) for scope in (code, *nested_codes(code))]
    imported = {
        name: origin
        for instructions in scopes
        for position, (operation, _, _) in enumerate(instructions)
        if operation == "IMPORT_NAME"
        for name, origin in _imports(instructions, position)
    }
    outside = frozenset(code.co_freevars)
    reads: set[Read] = set()
    imports: set[LocalImport] = set()
    changed: set[str] = set()
    taken: set[str] = set()
    for instructions in scopes:
        for operation, name, attributes in instructions:
            if operation in ("STORE_ATTR", "DELETE_ATTR"):
                changed.add(str(name))
            elif operation == "LOAD_ATTR":
                taken.add(str(name))
            if operation in _LOADS_GLOBAL:
                # The last two occur in class bodies, which may bind the name themselves.
                is_global = operation == "LOAD_GLOBAL"
                reads.add(Read((str(name), *attributes), is_global, is_global))
            elif operation in _LOADS_CAPTURED and name in outside:
                reads.add(Read((str(name), *attributes), False, True))
            elif operation in _STORES_GLOBAL or (operation in _STORES_CAPTURED and name in outside):
                changed.add(str(name))
                reads.add(Read((str(name),), operation in _STORES_GLOBAL, False))
            if operation in _LOADS and name in imported:
                origin = imported[str(name)]
                imports.add(origin._replace(chain=(*origin.chain, *attributes)))
    uses = _possible_uses(code, reads)
    return Names(
        tuple(read._replace(uses=uses) for read in sorted(reads)),
        tuple(origin._replace(uses=uses) for origin in sorted(imports)),
        frozenset(changed),
        frozenset(taken),
        (),
    )


def _possible_uses(code: CodeType, reads: set[Read]) -> tuple[Use, ...]:
    """Returns the uses by each key that may be in the code.

    Byte code shows keys as constants and names, but not the containers to which they belong.
    """
    texts = {
        repr(text)
        for part in (code, *nested_codes(code))
        for text in part.co_consts
        if type(text) in (str, bytes) and len(text) <= MAX_KEY and not text[:1].isspace()
    }
    return tuple(
        sorted([(f"[{text}]",) for text in texts] + [(MAYBE, *read.chain) for read in reads])
    )


_LOADS_GLOBAL = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
_LOADS_CAPTURED = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
_LOADS = _LOADS_CAPTURED | {"LOAD_FAST", "LOAD_NAME"}
_STORES_GLOBAL = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL"))
_STORES_CAPTURED = frozenset(("STORE_DEREF", "DELETE_DEREF"))
_WITHOUT_MEANING = frozenset(("CACHE", "EXTENDED_ARG", "PRECALL", "NOP", "PUSH_NULL"))

#: For each instruction: its operation, its argument, and the attributes that are read from the
#: value that it loads.
_Instructions = list[tuple[str, object, AttributePath]]


def _instructions(code: CodeType) -> Iterator[tuple[str, object]]:
    """Yields operations and arguments, with operation names that all Python versions share."""
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


def _chains(instructions: list[tuple[str, object]]) -> _Instructions:
    """Returns the instructions, each with the attributes that are read from the value that it loads.

    ``getattr(config, "LR")`` is recognized by its sequence of operations and treated like
    ``config.LR``.
    """
    found: _Instructions = []
    attributes: AttributePath = ()
    # Go backwards, so that the following attributes are known: this takes linear time.
    for position in range(len(instructions) - 1, -1, -1):
        operation, argument = instructions[position]
        looked_up = _looked_up(instructions, position, len(attributes))
        found.append((operation, argument, (*attributes, *looked_up)))
        attributes = (str(argument), *attributes) if operation == "LOAD_ATTR" else ()
    found.reverse()
    return found


def _looked_up(instructions: list[tuple[str, object]], position: int, count: int) -> AttributePath:
    """Returns the attribute that `getattr` or `hasattr` reads from the value that is loaded at `position`.

    Args:
        instructions: All instructions of the code object.
        position: The instruction that loads the value.
        count: The number of attributes that are read from the value before the call.

    Returns:
        One literal name; empty if there is no such call.
    """
    if position == 0 or instructions[position - 1] not in _BY_NAME:
        return ()
    index = position + 1 + count
    operation, argument = instructions[index] if index < len(instructions) else ("", "")
    is_name = operation == "LOAD_CONST" and isinstance(argument, str) and argument.isidentifier()
    return (str(argument),) if is_name else ()


_BY_NAME = [
    (operation, name)
    for operation in ("LOAD_GLOBAL", "LOAD_NAME")
    for name in ("getattr", "hasattr")
]


def _imports(instructions: _Instructions, position: int) -> Iterator[tuple[str, LocalImport]]:
    """Yields the names that the import instruction at `position` binds, each with its origin."""
    if position < 2:
        return
    # The two instructions before it load the number of leading dots, and the imported names or
    # None.
    (_, level, _), (_, names, _), (_, module, _) = instructions[position - 2 : position + 1]
    origin = LocalImport(str(module), level if isinstance(level, int) else 0, "", ())
    following = _after(instructions, position)
    if names is None:
        operation, name = next(following)
        is_stored_at_once = operation in _STORES
        while operation not in _STORES:
            operation, name = next(following)
        name = str(name)
        if is_stored_at_once:
            # `import a.b` binds a. `import a as b` differs only in the bound name.
            package = origin.module.partition(".")[0]
            loads = origin.module if name == package else ""
            origin = origin._replace(module=package, loads=loads)
        # Otherwise it is `import a.b as c`, which binds the submodule b.
        yield name, origin
        return
    for (operation, name), (_, bound) in itertools.pairwise(following):
        if operation == "IMPORT_FROM":
            yield str(bound), origin._replace(chain=(str(name),))
        elif operation not in _STORES:
            return


def _after(instructions: _Instructions, position: int) -> Iterator[tuple[str, object]]:
    for index in range(position + 1, len(instructions)):
        yield instructions[index][:2]


_STORES = _STORES_GLOBAL | _STORES_CAPTURED | {"STORE_FAST", "STORE_NAME"}
