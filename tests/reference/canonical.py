"""The reference implementation of the value encoding, written from docs/format.md alone.

It is slow, simple, and in one file: an executable specification. It shares only the BLAKE3 primitive
with the extension. If both agree, the document is clear; if they differ, one of the three is wrong.

Its parts follow the document: the hash, nodes, objects, cycles. A value becomes a graph of `Node`s, and
`settle` computes the bytes that replace each node wherever it occurs.

It does not cover:

- The definitions of functions and classes of user code: `class_token` returns the bytes that replace
  them. Functions and classes of the standard library count by name and need no token.
- Refusals. A value that funes refuses, such as a lock or an iterator, may get an encoding here; there
  is no limit of the depth.
- Types of third-party libraries with a type rule, registered types, type variables and new types.
"""

from __future__ import annotations

import array
import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import io
import ipaddress
import logging
import math
import pathlib
import re
import struct
import sys
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import blake3

ClassToken = Callable[[object], bytes]


# --- The hash -------------------------------------------------------------------------------------


def digest(use: str, content: bytes) -> bytes:
    """Returns 32 bytes of keyed BLAKE3; the key is derived from the use, so no two uses share a hash."""
    return blake3.blake3(content, key=derived_key(use)).digest()


@functools.cache
def derived_key(use: str) -> bytes:
    """Returns the key of a use, which includes the version of the encoding."""
    return blake3.blake3(b"", derive_key_context=f"funes 2026-11 encoding 1 {use}").digest()


# --- Nodes ----------------------------------------------------------------------------------------

NONE, FALSE, TRUE, ELLIPSIS, NOT_IMPLEMENTED, ABSENT = range(6)
BIG_INT, FLOAT, COMPLEX, STR, BYTES, BYTEARRAY, BUFFER = range(0x06, 0x0D)
INT = 0x10
TUPLE, LIST, DICT, SET, FROZENSET = range(0x20, 0x25)
OBJECT, RULE, DEFINITION, NAME, ARGUMENTS = range(0x30, 0x35)
DIGEST, MEMBER = 0x40, 0x41

LONGEST_INLINE = 256


@dataclass(frozen=True)
class Leaf:
    """A complete node without children."""

    encoding: bytes


@dataclass(frozen=True, eq=False)
class Composite:
    """A node with children: Python values, leaves and composites.

    `group` is the sorted unit: nothing (0), single children (1), or pairs of key and value (2).
    """

    tag: int
    parts: Sequence[object]
    group: int = 0


def leb128(number: int) -> bytes:
    """Encodes an unsigned number: seven bits per byte, lowest first, the high bit on all but the last."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def fixed(number: int) -> bytes:
    """Encodes a number in eight bytes."""
    return number.to_bytes(8, "little")


def blob(tag: int, content: bytes) -> Leaf:
    """Makes a node of a length and bytes."""
    return Leaf(bytes([tag]) + leb128(len(content)) + content)


def integer(number: int) -> Leaf:
    """Encodes an int in the shortest two's complement: n bytes hold -2**(8n-1) to 2**(8n-1) - 1, 0 has none."""
    size = 0
    while not -(1 << 8 * size) <= 2 * number < 1 << 8 * size:
        size += 1
    content = number.to_bytes(size, "little", signed=True)
    return Leaf(bytes([INT + size]) + content) if size <= 8 else blob(BIG_INT, content)


def binary64(number: float) -> bytes:
    """Encodes a float in IEEE 754, with one pattern for every NaN."""
    return bytes.fromhex("000000000000f87f") if math.isnan(number) else struct.pack("<d", number)


def text(string: str) -> Leaf:
    """Encodes a str in UTF-8; each lone surrogate takes three bytes."""
    return blob(STR, string.encode("utf-8", "surrogatepass"))


def name(qualified: str) -> Composite:
    """Makes the node of a third-party function or class."""
    return Composite(NAME, [text(qualified)])


def dictionary(items: Iterable[tuple[object, object]]) -> Composite:
    """Makes a node of unordered items."""
    return Composite(DICT, [part for item in items for part in item], group=2)


ATOMS: dict[int, Leaf] = {
    id(None): Leaf(bytes([NONE])),
    id(False): Leaf(bytes([FALSE])),
    id(True): Leaf(bytes([TRUE])),
    id(...): Leaf(bytes([ELLIPSIS])),
    id(NotImplemented): Leaf(bytes([NOT_IMPLEMENTED])),
}
NOTHING = Leaf(bytes([ABSENT]))

BUILTIN: dict[type, Callable[..., Leaf | Composite]] = {
    int: integer,
    float: lambda value: Leaf(bytes([FLOAT]) + binary64(value)),
    complex: lambda value: Leaf(bytes([COMPLEX]) + binary64(value.real) + binary64(value.imag)),
    str: text,
    bytes: lambda value: blob(BYTES, value),
    bytearray: lambda value: blob(BYTEARRAY, bytes(value)),
    tuple: lambda value: Composite(TUPLE, value),
    list: lambda value: Composite(LIST, list(value)),
    dict: lambda value: dictionary(value.items()),
    set: lambda value: Composite(SET, list(value), group=1),
    frozenset: lambda value: Composite(FROZENSET, list(value), group=1),
}


# --- Objects --------------------------------------------------------------------------------------


def describe(value: object, class_token: ClassToken) -> Leaf | Composite:
    """Returns the node of a value; its children are not described yet."""
    kind = type(value)
    if id(value) in ATOMS:
        return ATOMS[id(value)]
    if kind in BUILTIN:
        return BUILTIN[kind](value)
    if is_definition(value):
        qualified = library_name(value)
        return name(qualified) if qualified else Leaf(class_token(value))
    if kind in RULES:
        label, give = RULES[kind]
        return rule(label, give(value))
    if any("__funes_key__" in vars(base) for base in kind.__mro__):
        return rule("__funes_key__", (kind, value.__funes_key__()))  # type: ignore[attr-defined]
    if isinstance(value, enum.Enum):
        return rule("enum.Enum", enum_member(value))
    for base in kind.__mro__:
        # How a class pickles itself takes precedence over a rule for its base class.
        if base in RULES and not overrides_reduction(kind, base):
            label, give = RULES[base]
            return rule(label, (kind, attributes(value), give(value)))
    for base, tag in ((set, SET), (frozenset, FROZENSET)):
        if isinstance(value, base):
            elements = Composite(tag, list(value), group=1)
            return Composite(OBJECT, [kind, attributes(value), elements])
    if is_plain(kind):
        return Composite(OBJECT, [kind, attributes(value)])
    return reduction(value)


def overrides_reduction(kind: type, base: type) -> bool:
    """Returns whether a class defines another reduction or state than a base class."""
    return any(
        getattr(kind, method, None) is not getattr(base, method, None)
        for method in ("__reduce_ex__", "__reduce__", "__getstate__")
    )


def is_definition(value: object) -> bool:
    """Returns whether a value counts by definition or name: a class, or a function of any kind."""
    return issubclass(type(value), type) or isinstance(
        value,
        types.FunctionType
        | types.BuiltinFunctionType
        | types.MethodType
        | types.MethodDescriptorType
        | types.WrapperDescriptorType
        | types.ClassMethodDescriptorType
        | functools.partial,
    )


# Functions and classes of implementation modules count by the name of the public module.
PUBLIC_MODULES = {
    **{f"_{module}": module for module in ("abc", "bisect", "collections", "decimal", "functools")},
    **{f"_{module}": module for module in ("heapq", "io", "json", "operator", "random", "struct")},
    "_weakref": "weakref",
    "_pydatetime": "datetime",
    "_sre": "re",
    "_thread": "threading",
    "nt": "os",
    "posix": "os",
    "ntpath": "os.path",
    "posixpath": "os.path",
    "pathlib._abc": "pathlib",
    "pathlib._local": "pathlib",
}


def library_name(value: object) -> str | None:
    """Returns the qualified name of a class or function of the standard library, else None."""
    owner = getattr(value, "__objclass__", value)
    module = getattr(owner, "__module__", None) or "builtins"
    qualified = getattr(value, "__qualname__", None)
    if qualified is None or module.split(".")[0] not in sys.stdlib_module_names:
        return None
    if not isinstance(getattr(value, "__self__", None), types.ModuleType | None):
        return None  # bound to an object, which counts too
    # Some builtin classes are in no module: those of None and of functions.
    if module != "builtins":
        found: object = sys.modules.get(module)
        for part in qualified.split("."):
            found = getattr(found, part, None)
        if found is not value:
            return None
    return f"{PUBLIC_MODULES.get(module, module)}.{qualified}"


def is_plain(kind: type) -> bool:
    """Returns whether instances pickle as their attributes: only `object` defines how they are pickled."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", None)
        and not hasattr(kind, "__getnewargs__")
        and not hasattr(kind, "__getnewargs_ex__")
        and (kind not in copyreg.dispatch_table or issubclass(kind, BaseException))
        and not issubclass(kind, list | dict)
    )


def attributes(value: object) -> Composite:
    """Returns the attributes of `__dict__` and slots, without caches."""
    found: dict[object, object] = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in [slots] if isinstance(slots, str) else slots:
            private = slot.startswith("__") and not slot.endswith("__")
            attribute = f"_{base.__name__.lstrip('_')}{slot}" if private else slot
            if slot not in ("__dict__", "__weakref__") and hasattr(value, attribute):
                found[attribute] = getattr(value, attribute)
    return dictionary(without_caches(type(value), found).items())


def without_caches(kind: type, found: dict[object, object]) -> dict[object, object]:
    """Returns the attributes of an instance."""
    return {key: of for key, of in found.items() if not is_cache(kind, key)}


def is_cache(kind: type, attribute: object) -> bool:
    """Returns whether an attribute is a cache: a cached property, or the hash that attrs stores."""
    of_class = getattr(kind, attribute, None) if isinstance(attribute, str) else None
    return isinstance(of_class, functools.cached_property) or attribute == "_attrs_cached_hash"


def reduction(value: object) -> Composite:
    """Makes a node of the result of `__reduce_ex__(4)` or of the reducer in copyreg."""
    of_table = None if isinstance(value, BaseException) else type(value)
    reduce = copyreg.dispatch_table.get(of_table)  # type: ignore[arg-type]
    reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        module = value.__module__
        if module.split(".")[0] not in sys.stdlib_module_names:
            return Composite(OBJECT, [type(value), reduced])
        return Composite(OBJECT, [name(f"{module}.{reduced}")])
    function, arguments, state, elements, items = (*reduced, None, None, None)[:5]
    further = causes(value)
    if type(state) is dict:
        state = without_caches(type(value), state)
    return Composite(
        OBJECT,
        [
            function,
            Composite(TUPLE, arguments),
            NOTHING if state is None or (type(state) is dict and not state) else state,
            NOTHING if elements is None else Composite(LIST, list(elements)),
            NOTHING if items is None else dict(items),
            *([dictionary(further.items())] if further else []),
        ],
    )


def causes(value: object) -> dict[object, object]:
    """Returns the causes of an exception."""
    found: dict[object, object] = {}
    if isinstance(value, BaseException):
        found = {name: getattr(value, name) for name in ("__cause__", "__context__")}
        found = {name: cause for name, cause in found.items() if cause is not None}
        if found:
            found["__suppress_context__"] = value.__suppress_context__
    return found


def text_buffer(value: io.StringIO) -> tuple[object, ...]:
    """Returns the text, the position, and the newline if it is not the default."""
    text, newline, position, _ = value.__getstate__()
    return (text, position) if newline == "\n" else (text, position, newline)


def rule(label: str, given: object) -> Composite:
    """Makes a node of the name of a rule and the elements of its tuple, or its one value."""
    return Composite(RULE, [text(label), *(given if type(given) is tuple else (given,))])


def memory(view: memoryview) -> Leaf:
    """Returns the bytes of a buffer in C order."""
    return blob(BUFFER, view.tobytes("C"))


def datetime_fields(value: datetime.datetime) -> tuple[object, ...]:
    """Returns the fields from year to time zone."""
    clock = (value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo)
    return (value.year, value.month, value.day, *clock)


def time_fields(value: datetime.time) -> tuple[object, ...]:
    """Returns the fields from hour to time zone."""
    return (value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo)


def enum_member(value: enum.Enum) -> tuple[object, ...]:
    """Returns class, name and value; a combination of flags has a name in some versions of Python only."""
    named = value.name is not None and value.name in type(value).__members__
    return (type(value), value.name if named else None, value.value)


Rule = tuple[str, Callable[..., object]]

RULES: dict[type, Rule] = {
    collections.OrderedDict: (
        "collections.OrderedDict",
        lambda value: [Composite(TUPLE, item) for item in value.items()],
    ),
    collections.deque: ("collections.deque", lambda value: (list(value), value.maxlen)),
    collections.defaultdict: (
        "collections.defaultdict",
        lambda value: (value.default_factory, dictionary(value.items())),
    ),
    collections.Counter: ("collections.Counter", lambda value: dictionary(value.items())),
    collections.ChainMap: ("collections.ChainMap", lambda value: value.maps),
    types.MappingProxyType: ("builtins.mappingproxy", dict),
    types.SimpleNamespace: ("types.SimpleNamespace", vars),
    range: ("builtins.range", lambda value: (value.start, value.stop, value.step)),
    slice: ("builtins.slice", lambda value: (value.start, value.stop, value.step)),
    memoryview: ("builtins.memoryview", lambda value: (value.format, value.shape, memory(value))),
    array.array: ("array.array", lambda value: (value.typecode, memory(memoryview(value)))),
    datetime.datetime: ("datetime.datetime", datetime_fields),
    datetime.date: ("datetime.date", lambda value: (value.year, value.month, value.day)),
    datetime.time: ("datetime.time", time_fields),
    datetime.timedelta: (
        "datetime.timedelta",
        lambda value: (value.days, value.seconds, value.microseconds),
    ),
    # The arguments are the offset, and the name if there is one.
    datetime.timezone: ("datetime.timezone", lambda value: value.__getinitargs__()),
    zoneinfo.ZoneInfo: ("zoneinfo.ZoneInfo", lambda value: value.key),
    decimal.Decimal: ("decimal.Decimal", lambda value: str(value).replace("e", "E")),
    fractions.Fraction: (
        "fractions.Fraction",
        lambda value: (value.numerator, value.denominator),
    ),
    uuid.UUID: ("uuid.UUID", lambda value: value.int),
    # An interface is an address too; the subclass is first in the method resolution order.
    ipaddress.IPv4Address: ("ipaddress.IPv4Address", lambda value: (int(value), None)),
    ipaddress.IPv6Address: ("ipaddress.IPv6Address", lambda value: (int(value), value.scope_id)),
    ipaddress.IPv4Interface: (
        "ipaddress.IPv4Interface",
        lambda value: (int(value), None, value.network.prefixlen),
    ),
    ipaddress.IPv6Interface: (
        "ipaddress.IPv6Interface",
        lambda value: (int(value), value.scope_id, value.network.prefixlen),
    ),
    ipaddress.IPv4Network: (
        "ipaddress.IPv4Network",
        lambda value: (value.network_address, value.prefixlen),
    ),
    ipaddress.IPv6Network: (
        "ipaddress.IPv6Network",
        lambda value: (value.network_address, value.prefixlen),
    ),
    pathlib.PurePosixPath: ("pathlib.PurePosixPath", str),
    pathlib.PureWindowsPath: ("pathlib.PureWindowsPath", str),
    pathlib.PosixPath: ("pathlib.PosixPath", str),
    pathlib.WindowsPath: ("pathlib.WindowsPath", str),
    re.Pattern: ("re.Pattern", lambda value: (value.pattern, value.flags)),
    types.ModuleType: ("builtins.module", lambda value: value.__name__),
    logging.Logger: ("logging.Logger", lambda value: value.name),
    types.GenericAlias: ("types.GenericAlias", lambda value: (value.__origin__, value.__args__)),
    types.UnionType: ("types.UnionType", lambda value: value.__args__),
    # A separate class before Python 3.14.
    type(typing.Union[int, str]): ("types.UnionType", lambda value: value.__args__),  # noqa: UP007
    typing.ForwardRef: (
        "typing.ForwardRef",
        lambda value: (value.__forward_arg__, value.__forward_module__),
    ),
    io.BytesIO: ("io.BytesIO", lambda value: (value.getvalue(), value.tell())),
    io.StringIO: ("io.StringIO", text_buffer),
}


# --- The graph ------------------------------------------------------------------------------------


@dataclass(eq=False)
class Node:
    """A node of the graph: `head` is the tag and the count of a composite, or a whole leaf."""

    head: bytes = b""
    children: list[Node] = field(default_factory=list)
    group: int = 0


def graph(value: object, class_token: ClassToken) -> Node:
    """Returns the nodes of a value. An object that occurs again has the same node, which closes cycles."""
    nodes: dict[int, Node] = {}
    alive: list[object] = []  # keeps objects alive, so that their ids are not reused
    unfinished: list[tuple[Node, object]] = []

    def node_of(part: object) -> Node:
        if id(part) not in nodes:
            nodes[id(part)] = Node()
            alive.append(part)
            unfinished.append((nodes[id(part)], part))
        return nodes[id(part)]

    root = node_of(value)
    while unfinished:
        node, part = unfinished.pop()
        described = part if isinstance(part, Leaf | Composite) else describe(part, class_token)
        if isinstance(described, Leaf):
            node.head = described.encoding
            continue
        node.group = described.group
        count = len(described.parts) // max(described.group, 1)
        node.head = bytes([described.tag]) + leb128(count)
        node.children = [node_of(child) for child in described.parts]
    return root


def content(node: Node, standing: Callable[[Node], bytes]) -> bytes:
    """Returns the bytes of a node, with the bytes that replace its children."""
    children = [standing(child) for child in node.children]
    if node.group:
        size = node.group
        children = sorted(b"".join(children[i : i + size]) for i in range(0, len(children), size))
    return node.head + b"".join(children)


# --- Cycles ---------------------------------------------------------------------------------------


def settle(root: Node) -> dict[Node, bytes]:
    """Returns the bytes that replace each node that is reachable from `root`."""
    settled: dict[Node, bytes] = {}
    same: dict[Node, Node] = {}  # a node -> the equal member of a finished cycle
    cycles: list[list[Node]] = []
    members: dict[bytes, Node] = {}  # the bytes of the members of finished cycles
    for component in components(root):
        if len(component) == 1 and component[0] not in component[0].children:
            (node,) = component
            own = content(node, settled.__getitem__)
            if own in members:
                same[node] = members[own]
                settled[node] = settled[members[own]]
            else:
                settled[node] = inline(own)
            continue
        for known in cycles:
            colours = refine([*component, *known], settled, same)
            by_colour = {colours[node]: node for node in known}
            if all(colours[node] in by_colour for node in component):
                for node in component:
                    same[node] = by_colour[colours[node]]
                    settled[node] = settled[same[node]]
                break
        else:
            settled.update(close(component, settled))
            cycles.append(component)
            for node in component:
                members[content(node, settled.__getitem__)] = node
    return settled


def inline(own: bytes) -> bytes:
    """Returns the bytes of a node in its parent: the digest of a long one."""
    return own if len(own) <= LONGEST_INLINE else bytes([DIGEST]) + digest("node", own)


def refine(
    component: list[Node], settled: dict[Node, bytes], same: dict[Node, Node]
) -> dict[Node, bytes]:
    """Assigns colors to nodes, in rounds until the number of colors stops growing."""
    colours = dict.fromkeys(component, bytes(32))
    different = 1
    while True:

        def standing(child: Node, old: dict[Node, bytes] = colours) -> bytes:
            member = same.get(child, child)
            return bytes([MEMBER]) + old[member] if member in old else settled[child]

        colours = {node: digest("round", content(node, standing)) for node in component}
        before, different = different, len(set(colours.values()))
        if different == before:
            return colours


def close(component: list[Node], settled: dict[Node, bytes]) -> dict[Node, bytes]:
    """Returns the bytes that replace the members of a cycle."""
    colours = refine(component, settled, {})
    order = sorted(set(colours.values()))
    rank = {node: order.index(colours[node]) for node in component}

    def standing(child: Node) -> bytes:
        return bytes([MEMBER]) + fixed(rank[child]) if child in rank else settled[child]

    by_rank = {rank[node]: content(node, standing) for node in component}
    whole = fixed(len(order))
    for _, own in sorted(by_rank.items()):
        whole += fixed(len(own)) + own
    cycle = digest("cycle", whole)
    return {
        node: bytes([DIGEST]) + digest("cycle", cycle + fixed(rank[node])) for node in component
    }


def components(root: Node) -> list[list[Node]]:
    """Returns the strongly connected components, each after the components that it refers to."""
    after = depth_first([root], lambda node: node.children)
    parents: dict[Node, list[Node]] = {node: [] for node in after}
    for node in after:
        for child in node.children:
            parents[child].append(node)
    found: list[list[Node]] = []
    seen: set[Node] = set()
    for node in reversed(after):
        component = depth_first([node], parents.__getitem__, seen)
        if component:
            found.append(component)
    return found[::-1]


def depth_first(
    roots: list[Node], edges: Callable[[Node], list[Node]], seen: set[Node] | None = None
) -> list[Node]:
    """Returns the reachable nodes that were not seen before, in postorder."""
    seen = set() if seen is None else seen
    finished: list[Node] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(edges(root)))]
        while path:
            node, rest = path[-1]
            child = next((child for child in rest if child not in seen), None)
            if child is None:
                finished.append(node)
                path.pop()
            else:
                seen.add(child)
                path.append((child, iter(edges(child))))
    return finished


# --- Interface ------------------------------------------------------------------------------------


def no_token(definition: object) -> bytes:
    """Raises: there are no definitions."""
    raise TypeError(f"{definition!r} belongs to the user: its encoding is decided elsewhere")


def encode_value(value: object, class_token: ClassToken = no_token) -> bytes:
    """Returns the encoding of a value, which `hash_value` hashes."""
    root = graph(value, class_token)
    return settle(root)[root]


def hash_value(value: object, class_token: ClassToken = no_token) -> str:
    """Returns 40 hexadecimal digits, like `funes.hash_value`."""
    return digest("value", encode_value(value, class_token))[:20].hex()


def arguments_node(
    signature: inspect.Signature,
    arguments: Sequence[object],
    keywords: dict[str, object],
    ignore: Sequence[str] = (),
    *,
    is_wrapped: bool = False,
) -> Composite:
    """Returns the bound arguments of a call, defaults filled in.

    is_wrapped: True if the signature is that of the function in a wrapper `(*args, **kwargs)`. The wrapper may accept
        other arguments; these are bound to the wrapper, and none is ignored.
    """
    seed: object = NOTHING
    if "global_seed" not in signature.parameters and "global_seed" in keywords:
        keywords = dict(keywords)
        seed = keywords.pop("global_seed")
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError:
        if not is_wrapped:
            raise
        raw = name("*args, **kwargs")
        return Composite(ARGUMENTS, [raw, tuple(arguments), dict(keywords), seed])
    bound.apply_defaults()
    given = [NOTHING if key in ignore else value for key, value in bound.arguments.items()]
    return Composite(ARGUMENTS, [*given, seed])


def hash_arguments(node: Composite, class_token: ClassToken = no_token) -> str:
    """Returns the name of the entry of a call."""
    return digest("arguments", encode_value(node, class_token))[:20].hex()


def hash_definition(token: bytes) -> str:
    """Returns the hash of a definition from the bytes that replace it."""
    return digest("definition", token)[:20].hex()
