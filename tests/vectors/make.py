"""Writes values.json: the vectors of the value encoding, from the reference implementation.

python tests/vectors/make.py            writes values.json, and adds new vectors to released.json
python tests/vectors/make.py --check    exits with 1 if the files would change

The extension is not used, so that the vectors are independent of it. Needs `blake3`.
"""

from __future__ import annotations

import argparse
import array
import collections
import contextlib
import datetime
import decimal
import fractions
import functools
import http
import inspect
import io
import ipaddress
import json
import logging
import logging.config
import operator
import pathlib
import re
import statistics
import string
import sys
import types
import typing
import uuid
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reference import canonical

FILE = Path(__file__).with_name("values.json")
RELEASED = Path(__file__).with_name("released.json")

MODULES = (
    argparse, array, collections, contextlib, datetime, decimal, fractions, functools, http, io, ipaddress, logging,
    operator, pathlib, re, statistics, string, types, typing, uuid, zoneinfo,
)  # fmt: skip


def namespace() -> dict[str, Any]:
    """Returns the names that the expressions of the vectors use."""
    return {module.__name__: module for module in MODULES}


def build(expression: str) -> Any:
    """Evaluates the value of a vector, new at each call."""
    return eval(expression, namespace())


class Vector(NamedTuple):
    """A value, the reason for the vector, and the name of an earlier vector that is equal, if any."""

    name: str
    why: str
    python: str
    same_as: str | None = None


class Call(NamedTuple):
    """A call of a memorious function, whose bound arguments are hashed."""

    name: str
    why: str
    signature: str
    arguments: str
    ignore: tuple[str, ...] = ()
    #: True if a wrapper `(*args, **kwargs)` around a function of that signature is called.
    is_wrapped: bool = False


def calls() -> Iterator[Call]:
    """Returns the calls: tag 0x34 and the use `arguments`."""
    yield Call("no parameter", "what stands for global_seed is always there", "", "")
    yield Call("a parameter", "its value", "a", "1")
    yield Call("by keyword", "as bound: no other hash than by position", "a", "a=1")
    yield Call("a default", "filled in", "a, b=2", "1")
    yield Call(
        "all kinds", "in the order of the signature", "a, /, b, *c, d=4, **e", "1, 2, 3, z=1, y=2"
    )
    yield Call("no further arguments", "an empty tuple, an empty dict", "*a, **k", "")
    yield Call("an ignored parameter", "ABSENT", "a, b", "1, 2", ("a",))
    yield Call("global_seed", "asked for by no parameter: the last node", "a", "1, global_seed=7")
    yield Call("global_seed None", "given, though it is None", "a", "1, global_seed=None")
    yield Call(
        "global_seed declared", "a parameter like any other", "a, global_seed=0", "1, global_seed=7"
    )
    yield Call(
        "long arguments", "the root is replaced by its digest", "a, b", "'a' * 200, 'b' * 200"
    )
    yield Call("cyclic arguments", "one graph", "a, b", "(x := [], x.append(x))[0], [x]")
    yield from wrapped_calls()


def wrapped_calls() -> Iterator[Call]:
    """Returns calls of a wrapper, by the signature of the wrapped function or of the wrapper."""

    def call(name: str, why: str, signature: str, arguments: str, ignore: str = "") -> Call:
        return Call(f"wrapper, {name}", why, signature, arguments, tuple(ignore.split()), True)

    yield call("arguments that fit", "as without it", "a, b=2", "1")
    yield call("a keyword more", "the name, a tuple, a dict", "a, b=2", "1, c=3")
    yield call("an argument more", "no default is filled in", "a, b=2", "1, 2, 3")
    yield call("a missing argument", "an empty tuple, an empty dict", "a", "")
    yield call("an argument given twice", "in both", "a", "1, a=2")
    yield call(
        "a tuple and a dict", "apart from the form for what does not fit", "a, b", "(1,), {}"
    )
    yield call("a seed, fitting", "the last node", "a", "1, global_seed=7")
    yield call(
        "a seed, not fitting", "the last node, and not in the dict", "a", "c=3, global_seed=7"
    )
    yield call(
        "a declared seed, not fitting", "in the dict", "a, global_seed=0", "1, c=3, global_seed=7"
    )
    yield call("ignored, fitting", "ABSENT", "a, b", "1, 2", "a")
    yield call("ignored, not fitting", "counts all the same", "a, b", "1, 2, c=3", "a")
    yield call("ignored args, not fitting", "those of the wrapper count", "args", "1, 2", "args")


def vectors() -> Iterator[Vector]:
    """Returns all vectors, in the order of docs/format.md."""
    yield from atoms()
    yield from numbers()
    yield from texts()
    yield from containers()
    yield from replacement()
    yield from unordered()
    yield from cycles()
    yield from objects()
    yield from standard_types()


def atoms() -> Iterator[Vector]:
    yield Vector("none", "tag 0x00", "None")
    yield Vector("false", "tag 0x01; not 0", "False")
    yield Vector("true", "tag 0x02; not 1", "True")
    yield Vector("ellipsis", "tag 0x03", "...")
    yield Vector("not implemented", "tag 0x04", "NotImplemented")


def numbers() -> Iterator[Vector]:
    yield Vector("int 0", "no bytes at all", "0")
    yield Vector("int 1", "one byte", "1")
    yield Vector("int -1", "one byte, all bits set", "-1")
    for size in range(1, 9):
        bits = 8 * size - 1
        yield Vector(f"int, largest of {size}", f"{size} bytes, sign bit clear", f"2**{bits} - 1")
        yield Vector(f"int, past the largest of {size}", "one byte more", f"2**{bits}")
        yield Vector(f"int, smallest of {size}", f"{size} bytes, sign bit set", f"-2**{bits}")
        yield Vector(f"int, past the smallest of {size}", "one byte more", f"-2**{bits} - 1")
    yield Vector(
        "big int, unsigned 64 bits", "9 bytes, though 8 would hold it unsigned", "2**64 - 1"
    )
    yield Vector("big int of 127 bytes", "the longest whose length is one byte", "2**1015 - 1")
    yield Vector("big int of 128 bytes", "the shortest whose length is two bytes", "2**1023 - 1")
    yield Vector("big int, negative, of 128 bytes", "its last byte is the sign", "-2**1023")
    yield Vector("big int node of 256 bytes", "the longest that stands inline", "2**2023 - 1")
    yield Vector("big int node of 257 bytes", "replaced by its digest", "2**2031 - 1")
    yield Vector("float 0.0", "eight zero bytes; neither 0 nor False", "0.0")
    yield Vector("float -0.0", "only the sign bit: not 0.0, though they compare equal", "-0.0")
    yield Vector("float 1.0", "not 1, though they compare equal", "1.0")
    yield Vector("float 0.1", "every byte of the significand is used", "0.1")
    yield Vector("float, smallest", "subnormal", "5e-324")
    yield Vector("float, largest", "all but one bit of the exponent", "1.7976931348623157e308")
    yield Vector("infinity", "no NaN", "float('inf')")
    yield Vector("minus infinity", "no NaN", "float('-inf')")
    yield Vector("nan", "the one NaN", "float('nan')")
    yield Vector("nan, negative", "its sign does not count", "-float('nan')", "nan")
    yield Vector(
        "nan with a payload",
        "its payload does not count",
        "array.array('d', bytes.fromhex('efcdab896745f1ff'))[0]",
        "nan",
    )
    yield Vector("complex 0", "real part, then imaginary part; not 0.0", "0j")
    yield Vector("complex 1-2j", "both parts", "complex(1, -2)")
    yield Vector("complex with -0.0", "not 0j, though they compare equal", "complex(-0.0, -0.0)")
    yield Vector("complex with nan", "each part is a float", "complex(float('nan'), 1)")
    yield Vector(
        "complex with another nan", "so a NaN is the one", "complex(-float('nan'), 1)", "complex with nan"
    )  # fmt: skip


def texts() -> Iterator[Vector]:
    yield Vector("str, empty", "a length of 0", "''")
    yield Vector("str a", "one byte", "'a'")
    yield Vector("str with a nul", "no terminator", "'a\\0b'")
    yield Vector("str of 2, 3 and 4 bytes", "the length counts bytes", "'\\xe9\\u20ac\\U0001f600'")
    yield Vector("str, composed", "U+00E9: nothing is normalised", "'\\xe9'")
    yield Vector("str, decomposed", "e and U+0301: not U+00E9", "'e\\u0301'")
    yield Vector("str, a lone high surrogate", "three bytes", "'\\ud83d'")
    yield Vector("str, a lone low surrogate", "three bytes", "'\\ude00'")
    yield Vector(
        "str, two lone surrogates",
        "six bytes: not the four of the character that UTF-16 would make of them",
        "'\\ud83d' + '\\ude00'",
    )
    yield Vector("str, one character of four bytes", "not the two surrogates", "'\\U0001f600'")
    yield Vector("bytes, empty", "not ''", "b''")
    yield Vector("bytes a", "not 'a'", "b'a'")
    yield Vector("bytes, all values", "257 with tag and length: by its digest", "bytes(range(254))")
    yield Vector("bytearray, empty", "not b''", "bytearray()")
    yield Vector("bytearray a", "not b'a'", "bytearray(b'a')")
    for length in (127, 128, 16383, 16384):
        size = len(canonical.leb128(length))
        why = f"a length of {size} byte{'s' * (size > 1)}"
        yield Vector(f"str of {length} bytes", why, f"'a' * {length}")
        yield Vector(f"bytes of {length}", why, f"b'a' * {length}")


def containers() -> Iterator[Vector]:
    yield Vector("tuple, empty", "a count of 0", "()")
    yield Vector("list, empty", "not ()", "[]")
    yield Vector("dict, empty", "not []", "{}")
    yield Vector("set, empty", "not {}", "set()")
    yield Vector("frozenset, empty", "not set()", "frozenset()")
    yield Vector("tuple of three", "three of five kinds", "(1, 'a', None)")
    yield Vector("list of three", "not the tuple", "[1, 'a', None]")
    yield Vector("list in another order", "order counts", "[None, 'a', 1]")
    yield Vector("list of lists", "lists nest", "[[1], [2]]")
    yield Vector("list of a longer list", "not [[1], [2]]: counts delimit", "[[1, 2], []]")
    yield Vector("tuple in a tuple", "not the tuple", "((1, 'a', None),)")
    yield Vector("dict of one item", "key, value", "{'a': 1}")
    yield Vector("dict, key and value swapped", "not {'a': 1}", "{1: 'a'}")
    yield Vector("dict with the key 1", "types of keys count", "{1: None}")
    yield Vector(
        "dict with the key True", "not {1: None}, though they compare equal", "{True: None}"
    )
    yield Vector("dict with the key 1.0", "not {1: None}, though they compare equal", "{1.0: None}")
    yield Vector("set of 1", "not [1]", "{1}")
    yield Vector("frozenset of 1", "not {1}, though they compare equal", "frozenset({1})")
    yield Vector("set of frozensets", "sets nest", "{frozenset({1}), frozenset({2})}")
    for count in (127, 128, 16383, 16384):
        size = len(canonical.leb128(count))
        why = f"a count of {size} byte{'s' * (size > 1)}"
        yield Vector(f"list of {count}", why, f"[0] * {count}")
        yield Vector(f"tuple of {count}", why, f"(0,) * {count}")
    for count in (127, 128):
        why = "the count is of items, not of nodes"
        yield Vector(f"dict of {count}", why, f"dict.fromkeys(range({count}))")
        yield Vector(f"set of {count}", "the count", f"set(range({count}))")
    yield Vector(
        "nested 200 levels", "levels are no limit to the format", "functools.reduce(lambda x, _: [x], range(200), 0)"
    )  # fmt: skip


def replacement() -> Iterator[Vector]:
    """A node longer than 256 bytes is replaced by its digest."""
    inline, replaced = "the longest that stands inline", "replaced by its digest"
    for size, why in ((256, inline), (257, replaced)):
        extra = size - 256
        yield Vector(f"str node of {size} bytes", why, f"'a' * {253 + extra}")
        yield Vector(f"bytes node of {size} bytes", why, f"b'a' * {253 + extra}")
        yield Vector(f"bytearray node of {size} bytes", why, f"bytearray({253 + extra})")
        yield Vector(f"tuple node of {size} bytes", why, f"(0,) * {253 + extra}")
        yield Vector(f"list node of {size} bytes", why, f"[0] * {253 + extra}")
        items = f"dict.fromkeys(range(1, 85), 0) | dict.fromkeys(range(1, {3 + extra}), 1)"
        yield Vector(f"dict node of {size} bytes", why, items)
        elements = f"range({1 + extra}, {128 + extra})"
        yield Vector(f"set node of {size} bytes", why, f"set({elements})")
        yield Vector(f"frozenset node of {size} bytes", why, f"frozenset({elements})")
        yield Vector(
            f"object node of {size} bytes", why, f"argparse.Namespace(a='x' * {224 + extra})"
        )
        yield Vector(
            f"rule node of {size} bytes", why, f"types.SimpleNamespace(a='x' * {223 + extra})"
        )
    yield Vector(
        "digest of a str in a list", "the part is replaced, the whole is not", "['a' * 300]"
    )
    yield Vector(
        "digest of a str in a list in a list",
        "what is replaced once stays so: its parents see 33 bytes",
        "[['a' * 300], ['a' * 300]]",
    )
    yield Vector("seven digests inline", "2 + 7 * 33 = 233 bytes", "[b'b' * 300] * 7")
    yield Vector(
        "eight digests replaced", "2 + 8 * 33 = 266 bytes: a digest of digests", "[b'b' * 300] * 8"
    )
    yield Vector(
        "the bytes of a digest",
        "bytes that look like a digest's node are still bytes",
        "bytes.fromhex('40') + bytes(32)",
    )
    yield Vector("shared part", "met twice", "(part := ['s' * 300], [part, part])[1]")
    yield Vector(
        "copied part", "sharing does not show", "[['s' * 300], ['s' * 300]]", "shared part"
    )
    yield Vector(
        "a list with 2**60 leaves",
        "sixty levels, each of which holds the one below twice; encoded once each",
        "functools.reduce(lambda x, _: [x, x], range(60), 0)",
    )


def unordered() -> Iterator[Vector]:
    """Items and elements are sorted by their bytes."""
    yield Vector("dict of three", "sorted by key", "{'a': 1, 'b': 2, 'c': 3}")
    yield Vector("dict filled otherwise", "no order", "{'c': 3, 'a': 1, 'b': 2}", "dict of three")
    yield Vector("set of three", "sorted", "{'a', 'b', 'c'}")
    yield Vector("set filled otherwise", "no order", "set('cba')", "set of three")
    yield Vector(
        "dict of unlike keys",
        "what cannot be compared in Python is sorted all the same; a tag orders before a length",
        "{None: 0, 1: 0, 'a': 0, b'a': 0, (1,): 0, 2.5: 0, frozenset(): 0}",
    )
    yield Vector(
        "dict of unlike keys, reversed",
        "no order",
        "{frozenset(): 0, 2.5: 0, (1,): 0, b'a': 0, 'a': 0, 1: 0, None: 0}",
        "dict of unlike keys",
    )
    yield Vector(
        "set of ints",
        "by bytes, not by value: 0, 1, 127, -128, -1, 256, 128 (little-endian, unsigned)",
        "{-128, -1, 0, 1, 127, 128, 256}",
    )
    yield Vector(
        "set of strs of unlike lengths", "the shorter first: 'b' before 'aa'", "{'aa', 'b', ''}"
    )
    yield Vector(
        "set of inline parts and digests",
        "what is sorted is what stands there: a digest begins with 0x40, after every other node",
        "{'a', ('b',), 'c' * 300, ('d' * 300,), b'e' * 400}",
    )
    yield Vector(
        "set of two nans", "elements of equal bytes are kept", "{float('nan'), -float('nan')}"
    )
    yield Vector("set of one nan", "the count tells", "{float('nan')}")
    yield Vector(
        "dict with two nan keys",
        "one encoded key, two items: the values decide",
        "{float('nan'): 1, float('nan'): 2}",
    )
    yield Vector(
        "dict with two nan keys, reversed",
        "no order",
        "{float('nan'): 2, float('nan'): 1}",
        "dict with two nan keys",
    )
    yield Vector(
        "dict with two nan keys of one value", "kept", "{float('nan'): 1, float('nan'): 1}"
    )
    yield Vector(
        "dict of long values", "sorted by key, then by the value's digest", "{i: 'a' * 300 for i in range(3)}"
    )  # fmt: skip


def cycles() -> Iterator[Vector]:
    """Written as `(x := [], x.append(x))[0]`: make x, close the cycle, take x."""
    own = "list in itself"
    yield Vector(own, "one member that refers to itself", "(x := [], x.append(x))[0]")
    yield Vector(f"{own}, once around", "[x] is x", "[(x := [], x.append(x))[0]]", own)
    yield Vector(
        f"{own}, three times around",
        "and [[[x]]] is x",
        "[[[(x := [], x.append(x))[0]]]]",
        own,
    )
    yield Vector(
        "ring of two lists",
        "two members of one colour: they cannot be told apart from x",
        "(a := [], b := [a], a.append(b))[0]",
        own,
    )
    yield Vector(
        "ring of five lists",
        "nor these",
        "(a := [], b := functools.reduce(lambda x, _: [x], range(4), a), a.append(b))[0]",
        own,
    )
    yield Vector(
        "list in itself twice", "not once: the count tells", "(x := [], x.extend([x, x]))[0]"
    )
    yield Vector(
        "two lists that hold both",
        "two members of one colour",
        "(a := [], b := [], a.extend([a, b]), b.extend([b, a]))[0]",
        "list in itself twice",
    )
    yield Vector(
        "tuple with the list in itself", "leads in; of another type", "((x := [], x.append(x))[0],)"
    )
    yield Vector(
        "list that leads in", "on no cycle, encoded as any list", "[1, (x := [], x.append(x))[0]]"
    )
    yield Vector(
        "list that leads in twice", "two equal digests", "[(x := [], x.append(x))[0], [(y := [], y.append(y))[0]]]"
    )  # fmt: skip
    ring = "a := ['a'], b := ['b', a], a.append(b)"
    yield Vector("ring told apart, entered at a", "two colours", f"({ring})[0]")
    yield Vector("ring told apart, entered at b", "another rank of the same cycle", f"({ring})[1]")
    yield Vector("ring told apart, both", "two digests of one cycle", f"({ring})[:2]")
    yield Vector(
        "ring told apart, twice as long",
        "a ring of four that repeats itself is the ring of two",
        "(a := ['a'], b := ['b', a], c := ['a', b], d := ['b', c], a.append(d))[0]",
        "ring told apart, entered at a",
    )
    yield Vector(
        "ring of period three",
        "three colours",
        "(a := [0], b := [1, a], c := [2, b], a.append(c))[0]",
    )
    yield Vector(
        "ring of twelve, period three",
        "twelve members of three colours",
        "(r := [[i % 3] for i in range(12)], [r[i].append(r[i - 1]) for i in range(12)])[0][0]",
        "ring of period three",
    )
    yield Vector(
        "colours that need many rounds",
        "a ring of eight, one of which has a mark: what is far from the mark is told apart last",
        "(r := [[] for _ in range(8)], [r[i].append(r[i - 1]) for i in range(8)], r[0].append(1))[0][4]",
    )
    yield Vector(
        "long member of a cycle",
        "the bytes of a member stand in the cycle whole, however long they are",
        "(x := [], x.extend([0] * 300), x.append(x))[0]",
    )
    yield Vector(
        "cycle with a long part",
        "what is on no cycle is replaced by its digest inside one too",
        "(x := ['a' * 300], x.append(x))[0]",
    )
    yield Vector(
        "cycle that leads into another",
        "the other is settled first and stands as a digest",
        "(x := [], x.append(x), y := ['y'], y.extend([y, x]))[2]",
    )
    yield Vector(
        "cycle that leads into its like",
        "y = [x, y] where x = [x, x]: it cannot be told from x, so it is x",
        "(x := [], x.extend([x, x]), y := [x], y.append(y))[2]",
        "list in itself twice",
    )
    yield Vector(
        "cycle that leads into its like in two ways",
        "y = [[x, x], y]: the inner list is x, and so is y",
        "(x := [], x.extend([x, x]), y := [[x, x]], y.append(y))[2]",
        "list in itself twice",
    )
    yield Vector(
        "cycle that leads into two of its likes",
        "y = [x, z] where x = [x, x], z = [z, z]",
        "(x := [], x.extend([x, x]), z := [], z.extend([z, z]), y := [x], y.append(z))[4]",
        "list in itself twice",
    )
    yield Vector(
        "cycle with a ring of unlike lists",
        "y = [y, [x]], x = [y]: one cycle of several sizes",
        "(y := [], x := [y], y.extend([y, [x]]))[0]",
    )
    yield Vector("dict in itself", "as a value", "(d := {}, d.update(me=d))[0]")
    yield Vector(
        "dict in itself, once around", "is the same", "{'me': (d := {}, d.update(me=d))[0]}", "dict in itself"
    )  # fmt: skip
    yield Vector(
        "dict and list in a ring", "members of unlike types", "(d := {}, x := [d], d.update(x=x))[0]"
    )  # fmt: skip
    yield Vector(
        "dict whose values are sorted by rank",
        "items of one key: the values decide, and these are members",
        "(d := {}, d.update({float('nan'): [1, d]}), d.update({float('nan'): [2, d]}))[0]",
    )
    yield Vector(
        "dict whose values are sorted by rank, reversed",
        "no order",
        "(d := {}, d.update({float('nan'): [2, d]}), d.update({float('nan'): [1, d]}))[0]",
        "dict whose values are sorted by rank",
    )
    yield Vector("list in a tuple in itself", "through a tuple", "(x := [], x.append((x,)))[0]")
    yield Vector(
        "tuple in a list in itself", "entered at the tuple", "(x := [], t := (x,), x.append(t))[1]"
    )
    yield Vector(
        "set in itself",
        "through an object, since a set cannot hold itself",
        "(o := contextlib.nullcontext(), s := {o}, setattr(o, 'enter_result', s))[1]",
    )
    yield Vector(
        "frozenset in itself",
        "through a tuple and an object",
        "(o := contextlib.nullcontext(), s := frozenset({(o, 1)}), setattr(o, 'enter_result', s))[1]",
    )
    mates = "a := contextlib.nullcontext(), b := contextlib.nullcontext(), s := {a, b}"
    yield Vector(
        "set of two alike members",
        "two elements of one colour: both count",
        f"({mates}, setattr(a, 'enter_result', s), setattr(b, 'enter_result', s))[2]",
    )
    yield Vector(
        "set of two members",
        "sorted anew in each round: by colour, at last by rank",
        f"({mates}, setattr(a, 'enter_result', [1, s]), setattr(b, 'enter_result', [2, s]))[2]",
    )
    yield Vector(
        "dict keyed by a member",
        "keys are members too",
        "(o := contextlib.nullcontext(), d := {o: 1}, setattr(o, 'enter_result', d))[1]",
    )
    yield Vector(
        "object in itself",
        "two members: the object and the dict of its attributes",
        "(o := argparse.Namespace(), setattr(o, 'me', o))[0]",
    )
    yield Vector(
        "object in itself, by its attributes",
        "the other member of the same cycle",
        "(o := argparse.Namespace(), setattr(o, 'me', o))[0].__dict__",
    )
    yield Vector(
        "object in another of its kind",
        "a ring of two objects is the object in itself",
        "(o := argparse.Namespace(), p := argparse.Namespace(me=o), setattr(o, 'me', p))[0]",
        "object in itself",
    )
    yield Vector(
        "exception in itself",
        "through the arguments of its reduction",
        "(e := ValueError(), setattr(e, 'args', (e, 1)))[0]",
    )
    yield Vector(
        "deque in itself", "a rule's node is a member", "(q := collections.deque(), q.append(q))[0]"
    )
    yield Vector(
        "ordered dict in itself",
        "as a value",
        "(d := collections.OrderedDict(), d.update(me=d))[0]",
    )
    yield Vector(
        "simple namespace in itself",
        "as an attribute",
        "(n := types.SimpleNamespace(), setattr(n, 'me', n))[0]",
    )


def objects() -> Iterator[Vector]:
    """Classes of a library, which are names."""
    yield Vector("class int", "NAME: a class of a library", "int")
    yield Vector(
        "class of None", "not an attribute of builtins, named so all the same", "type(None)"
    )
    yield Vector("class OrderedDict", "module and qualified name", "collections.OrderedDict")
    yield Vector("function len", "NAME: a function of a library", "len")
    yield Vector("method str.upper", "with the class in its name", "str.upper")
    yield Vector(
        "function getitem", "under the name of the public module, not _operator", "operator.getitem"
    )
    yield Vector("object without attributes", "OBJECT(2), an empty dict", "argparse.Namespace()")
    yield Vector("object with attributes", "OBJECT(2)", "argparse.Namespace(a=1, b=[2])")
    yield Vector(
        "object filled otherwise",
        "attributes have no order",
        "argparse.Namespace(b=[2], a=1)",
        "object with attributes",
    )
    yield Vector("object of another class", "the class counts", "string.Template('a')")
    yield Vector("user dict", "OBJECT(2), not a dict", "collections.UserDict({1: 2})")
    yield Vector("user list", "OBJECT(2), not a list", "collections.UserList([1, 2])")
    yield Vector("user string", "OBJECT(5): it has __getnewargs__", "collections.UserString('a')")
    yield Vector(
        "object with a state of its own",
        "OBJECT(5): it has __getstate__",
        "statistics.NormalDist(0, 1)",
    )
    yield Vector("exception", "OBJECT(5): class and arguments", "ValueError('a', 1)")
    yield Vector("exception without arguments", "not its class", "ValueError()")
    yield Vector(
        "exception with a cause",
        "OBJECT(6): further attributes",
        "(e := ValueError(1), setattr(e, '__cause__', KeyError(2)))[0]",
    )
    yield Vector(
        "exception with an attribute", "a state", "(e := KeyError(1), setattr(e, 'a', 2))[0]"
    )
    yield Vector("operator.itemgetter", "OBJECT(5): __reduce__", "operator.itemgetter(1, 2)")
    yield Vector(
        "list of a subclass", "OBJECT(5) with list items", "logging.config.ConvertingList([1, 2])"
    )
    yield Vector(
        "list of a subclass, empty", "an empty LIST, not ABSENT", "logging.config.ConvertingList()"
    )
    yield Vector(
        "dict of a subclass",
        "OBJECT(5) with dict items",
        "logging.config.ConvertingDict({1: 2, 3: 4})",
    )
    yield Vector(
        "dict of a subclass, empty", "an empty DICT, not ABSENT", "logging.config.ConvertingDict()"
    )
    yield Vector(
        "named tuple", "OBJECT(5): class and elements", "statistics.LinearRegression(1.0, 2.0)"
    )
    yield Vector("reduced to a name", "OBJECT(1)", "typing.AnyStr")


def standard_types() -> Iterator[Vector]:
    """Types of the standard library that have a rule."""
    yield Vector("ordered dict", "items in order", "collections.OrderedDict(a=1, b=2)")
    yield Vector("ordered dict in another order", "differs", "collections.OrderedDict(b=2, a=1)")
    yield Vector("ordered dict, empty", "not {}", "collections.OrderedDict()")
    yield Vector("deque", "not a list", "collections.deque([1, 2])")
    yield Vector("deque with a maximum length", "it counts", "collections.deque([1, 2], 3)")
    yield Vector("default dict", "the factory counts", "collections.defaultdict(list, a=[1])")
    yield Vector(
        "default dict without a factory", "not a dict", "collections.defaultdict(None, a=[1])"
    )
    yield Vector("counter", "not a dict", "collections.Counter('aab')")
    yield Vector(
        "counter with a zero",
        "a zero counts, though they compare equal",
        "collections.Counter(a=2, b=1, c=0)",
    )
    yield Vector("chain map", "its maps in order", "collections.ChainMap({1: 2}, {3: 4})")
    yield Vector("mapping proxy", "not a dict", "types.MappingProxyType({1: 2})")
    yield Vector("simple namespace", "its attributes", "types.SimpleNamespace(b=2, a=1)")
    yield Vector("range", "start, stop, step", "range(3)")
    yield Vector("range with a step", "start, stop, step", "range(1, 10, 3)")
    yield Vector("range, empty", "not range(0), though they compare equal", "range(1, 1)")
    yield Vector("slice", "start, stop, step as they are", "slice(None, 2)")
    yield Vector("memory view", "format, shape, memory", "memoryview(b'abcdef')")
    yield Vector(
        "memory view of a bytearray",
        "the owner of the memory does not count",
        "memoryview(bytearray(b'abcdef'))",
        "memory view",
    )
    yield Vector(
        "memory view with strides", "what is seen, in its order", "memoryview(b'abcdef')[::-2]"
    )
    yield Vector(
        "memory view without strides",
        "the same elements",
        "memoryview(b'fdb')",
        "memory view with strides",
    )
    yield Vector(
        "memory view of two dimensions",
        "the shape counts",
        "memoryview(b'abcdef').cast('B', (2, 3))",
    )
    yield Vector("memory view of shorts", "the format counts", "memoryview(b'abcdef').cast('h')")
    yield Vector("array of bytes", "its type code counts", "array.array('B', [1, 2])")
    yield Vector("array of floats", "their memory, little-endian", "array.array('d', [1.5, -0.0])")
    yield Vector("array, empty", "of a type all the same", "array.array('d')")
    yield Vector("date", "year, month, day", "datetime.date(2020, 1, 2)")
    yield Vector("time", "hour to microsecond, fold, time zone", "datetime.time(1, 2, 3, 4)")
    yield Vector("time with a fold", "it counts", "datetime.time(1, 2, 3, 4, fold=1)")
    yield Vector("datetime", "not the date", "datetime.datetime(2020, 1, 2)")
    yield Vector(
        "datetime with microseconds", "all fields", "datetime.datetime(2020, 1, 2, 3, 4, 5, 6)"
    )
    yield Vector("datetime with a fold", "it counts", "datetime.datetime(2020, 1, 2, fold=1)")
    yield Vector(
        "datetime in utc",
        "the time zone counts",
        "datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)",
    )
    yield Vector(
        "datetime in a zone",
        "by the zone's name",
        "datetime.datetime(2020, 1, 2, tzinfo=zoneinfo.ZoneInfo('UTC'))",
    )
    yield Vector(
        "time delta",
        "days, seconds, microseconds",
        "datetime.timedelta(days=-1, hours=2, microseconds=3)",
    )
    yield Vector("time zone utc", "its offset", "datetime.timezone.utc")
    yield Vector("time zone", "its offset", "datetime.timezone(datetime.timedelta(hours=-1))")
    yield Vector(
        "time zone with a name",
        "the name counts",
        "datetime.timezone(datetime.timedelta(0), 'UTC')",
    )
    yield Vector("zone", "by its name", "zoneinfo.ZoneInfo('UTC')")
    yield Vector("decimal 1.0", "as it is written", "decimal.Decimal('1.0')")
    yield Vector("decimal 1.00", "not 1.0, though they compare equal", "decimal.Decimal('1.00')")
    yield Vector("decimal -0", "the sign counts", "decimal.Decimal('-0')")
    yield Vector("decimal 1E+5", "not 100000", "decimal.Decimal('1E+5')")
    yield Vector("decimal sNaN", "payloads of decimals count", "decimal.Decimal('sNaN12')")
    yield Vector("fraction", "in lowest terms", "fractions.Fraction(-2, 6)")
    yield Vector("uuid", "its 128 bits as an int", "uuid.UUID('12345678123456781234567812345678')")
    yield Vector("ip 4 address", "an int, and no scope", "ipaddress.ip_address('1.2.3.4')")
    yield Vector("ip 6 address", "an int, and no scope", "ipaddress.ip_address('::102:304')")
    yield Vector("ip 6 address with a scope", "it counts", "ipaddress.ip_address('fe80::1%eth0')")
    yield Vector(
        "ip 4 network", "address and length of the prefix", "ipaddress.ip_network('10.0.0.0/8')"
    )
    yield Vector(
        "ip 6 network", "address and length of the prefix", "ipaddress.ip_network('fe80::/10')"
    )
    yield Vector("ip 4 interface", "not an address", "ipaddress.ip_interface('10.0.0.1/8')")
    yield Vector("ip 6 interface", "not an address", "ipaddress.ip_interface('fe80::1%eth0/64')")
    yield Vector("pure posix path", "class and text", "pathlib.PurePosixPath('a/b')")
    yield Vector(
        "pure posix path, spelled otherwise",
        "as pathlib sees it",
        "pathlib.PurePosixPath('a', './/b/')",
        "pure posix path",
    )
    yield Vector("pure posix path, empty", "a dot", "pathlib.PurePosixPath()")
    yield Vector("pure windows path", "with backslashes", "pathlib.PureWindowsPath('c:/A/b')")
    yield Vector("enum member", "class, name, value", "http.HTTPStatus.OK")
    yield Vector("flag", "class, name, value", "re.RegexFlag.IGNORECASE")
    yield Vector(
        "flags combined",
        "no name: Python 3.11 gives one, 3.10 none",
        "re.RegexFlag.IGNORECASE | re.RegexFlag.MULTILINE",
    )
    yield Vector(
        "pattern",
        "pattern and flags; those of a str include re.UNICODE",
        "re.compile('a+', re.IGNORECASE)",
    )
    yield Vector("pattern of bytes", "not that of a str", "re.compile(b'a+', re.IGNORECASE)")
    yield Vector("generic alias", "origin and arguments", "dict[str, list[int]]")
    yield Vector("union", "its members in order", "int | None")
    yield Vector("optional", "a union, spelled otherwise", "typing.Optional[int]", same_as="union")
    yield Vector("forward reference", "its text", "typing.ForwardRef('Node')")
    yield Vector("union of a name", "a part that is a rule", "typing.Union[int, 'Node']")
    yield Vector("module", "by name", "operator")
    yield Vector("logger", "by name", "logging.getLogger('funes.vectors')")
    yield Vector("bytes io", "content and position", "(f := io.BytesIO(b'abc'), f.read(1))[0]")
    yield Vector("string io", "content and position", "io.StringIO('abc')")
    yield Vector(
        "string io with other ends of lines", "how lines end", r"io.StringIO('a\n', newline='')"
    )


# --- Output ---------------------------------------------------------------------------------------

# A value beyond these limits has no tree. JSON parsers limit the depth to 128 brackets or more.
MOST_NODES, MOST_LEVELS = 50_000, 50

TAGS = {
    canonical.NONE: "NONE",
    canonical.FALSE: "FALSE",
    canonical.TRUE: "TRUE",
    canonical.ELLIPSIS: "ELLIPSIS",
    canonical.NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    canonical.ABSENT: "ABSENT",
    canonical.BIG_INT: "BIG_INT",
    canonical.FLOAT: "FLOAT",
    canonical.COMPLEX: "COMPLEX",
    canonical.STR: "STR",
    canonical.BYTES: "BYTES",
    canonical.BYTEARRAY: "BYTEARRAY",
    canonical.BUFFER: "BUFFER",
    canonical.TUPLE: "TUPLE",
    canonical.LIST: "LIST",
    canonical.DICT: "DICT",
    canonical.SET: "SET",
    canonical.FROZENSET: "FROZENSET",
    canonical.OBJECT: "OBJECT",
    canonical.RULE: "RULE",
    canonical.NAME: "NAME",
    canonical.ARGUMENTS: "ARGUMENTS",
}


class NoTreeError(Exception):
    """A value has cycles, or too many leaves."""


def tree(root: canonical.Node) -> list[Any]:
    """Returns the nodes of a value as JSON, which the core can build without Python. See README.md."""
    left = MOST_NODES

    def described(node: canonical.Node, path: frozenset[canonical.Node]) -> list[Any]:
        nonlocal left
        left -= 1
        if node in path or left < 0 or len(path) > MOST_LEVELS:
            raise NoTreeError
        tag, rest = node.head[0], node.head[1:]
        if canonical.INT <= tag <= canonical.INT + 8:
            return ["INT", str(int.from_bytes(rest, "little", signed=True))]
        label = TAGS[tag]
        if tag in (
            canonical.STR,
            canonical.BYTES,
            canonical.BYTEARRAY,
            canonical.BUFFER,
            canonical.BIG_INT,
        ):
            while rest[0] & 0x80:
                rest = rest[1:]
            return blob(label, rest[1:])
        if tag in (canonical.FLOAT, canonical.COMPLEX):
            return [label, rest.hex()]
        if tag < canonical.TUPLE:
            return [label]
        children = [described(child, path | {node}) for child in node.children]
        if node.group == 2:
            children = [list(pair) for pair in zip(children[::2], children[1::2], strict=True)]
        if node.group:
            # The order of a set differs between processes; this order is always wrong, which tests sorting.
            children.sort(key=json.dumps, reverse=True)
        if len(children) > 8 and all(child == children[0] for child in children):
            return [label, children[:1], len(children)]
        return [label, children]

    return described(root, frozenset())


def blob(label: str, content: bytes) -> list[Any]:
    """Returns bytes in hexadecimal; long ones that repeat one byte as that byte and a count."""
    if len(content) > 8 and content == content[:1] * len(content):
        return [label, content[:1].hex(), len(content)]
    return [label, content.hex()]


def entry(vector: Vector) -> dict[str, Any]:
    """Returns a vector as JSON."""
    value = build(vector.python)
    written: dict[str, Any] = {
        "name": vector.name,
        "why": vector.why,
        "python": vector.python,
    }
    if vector.same_as:
        written["same_as"] = vector.same_as
    with contextlib.suppress(NoTreeError):
        written["tree"] = tree(canonical.graph(value, canonical.no_token))
    written["encoding"] = canonical.encode_value(value).hex()
    written["hash"] = canonical.hash_value(value)
    return written


def call_entry(call: Call) -> dict[str, Any]:
    """Returns a call as JSON."""
    arguments, keywords = eval(f"(lambda *a, **k: (a, k))({call.arguments})", namespace())
    signature = inspect_signature(call.signature)
    node = canonical.arguments_node(
        signature, arguments, keywords, call.ignore, is_wrapped=call.is_wrapped
    )
    written = {**call._asdict(), "ignore": list(call.ignore)}
    if not call.is_wrapped:
        del written["is_wrapped"]
    with contextlib.suppress(NoTreeError):
        written["tree"] = tree(canonical.graph(node, canonical.no_token))
    written["encoding"] = canonical.encode_value(node).hex()
    written["hash"] = canonical.hash_arguments(node)
    return written


def inspect_signature(written: str) -> inspect.Signature:
    """Returns the signature of a function with the given header."""
    names: dict[str, Any] = {}
    exec(f"def function({written}): pass", names)
    return inspect.signature(names["function"])


def document() -> str:
    """Returns the text of values.json with one line per field, for readable diffs."""
    sections = {
        "vectors": [entry(vector) for vector in vectors()],
        "calls": [call_entry(call) for call in calls()],
    }
    blocks = [
        f"  {json.dumps(title)}: [\n" + ",\n".join(block(each) for each in entries) + "\n  ]"
        for title, entries in sections.items()
    ]
    return "{\n" + ",\n".join(['  "encoding": 1', *blocks]) + "\n}\n"


def block(fields: dict[str, Any]) -> str:
    """Formats an object of values.json."""
    lines = ",\n".join(f"      {json.dumps(key)}: {json.dumps(of)}" for key, of in fields.items())
    return f"    {{\n{lines}\n    }}"


def released(text: str) -> str:
    """Returns the text of released.json: the released hashes, and those of new vectors.

    Raises SystemExit if a released hash differs from that of the reference.
    """
    written = json.loads(text)
    version = f"encoding {written['encoding']}"
    now = {each["name"]: each["hash"] for each in written["vectors"] + written["calls"]}
    promised = json.loads(RELEASED.read_text(encoding="utf-8")) if RELEASED.exists() else {}
    before = promised.get(version, {})
    changed = [name for name, promise in before.items() if now.get(name) != promise]
    if changed:
        sys.exit(f"hashes of {version} that were promised have changed: {', '.join(changed)}")
    return json.dumps({**promised, version: {**before, **now}}, indent=1) + "\n"


def main() -> None:
    """Writes the files, or checks them."""
    text = document()
    files = {FILE: text, RELEASED: released(text)}
    if "--check" in sys.argv[1:]:
        sys.exit(any(path.read_text(encoding="utf-8") != text for path, text in files.items()))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
