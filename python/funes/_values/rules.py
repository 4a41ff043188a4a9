"""How values of each type are hashed: one rule a type.

`strategy` is asked once a type by the extension, which then walks the objects itself. A rule turns an object into a simpler
value that says the same; the extension writes the rule's name and that value.

Rules for other people's types are found by the type's qualified name, so that funes imports none of their libraries.
"""

from __future__ import annotations

import copyreg
import enum
from collections.abc import Callable, Container
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from funes._code.describe import CODE_TYPES, is_code
from funes._code.third_party import is_library_class, is_mock
from funes._funes import forget_strategies, is_memo_type
from funes._values import caches, libraries, standard

Rule = Callable[[Any], object]
Strategy = tuple[Any, ...]

#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {**standard.RULES, **libraries.RULES}
REFUSALS: dict[str, str] = {**standard.REFUSALS, **libraries.REFUSALS}
COVERED: dict[str, frozenset[str]] = {**standard.COVERED, **libraries.COVERED}
#: Qualified names of types that are refused whatever a derived class says of how it is pickled.
FIRM = standard.FIRM | libraries.REFUSALS.keys()

#: Types that the extension knows without a strategy.
_FIXED = frozenset(
    (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
).union(map(type, (None, ..., NotImplemented)))
_DEFINITION: Strategy = ("definition",)
_TOOL = "refuse a tool"
#: The methods that say how an object is pickled.
_SAY = frozenset(("__reduce_ex__", "__reduce__", "__getstate__"))

_registered: WeakKeyDictionary[type, Rule] = WeakKeyDictionary()

T = TypeVar("T")


def register(kind: type[T], reduce: Callable[[T], object]) -> None:
    """Say how objects of a type are hashed, where the rules of funes do not suit it.

    An object then counts by its class and by what `reduce` makes of it; an object of a derived
    class by its attributes besides. The class counts as ever: your own by its definition, a
    library's by its qualified name. The code of `reduce` is no part of the key. Register before the
    first call of a memorious function that uses the type: hashes that were found before stay as
    they are.

    Args:
        kind: The type. A class of your own may have a method ``__funes_key__`` instead.
        reduce: Takes an object of the type and gives a simpler value that says the same: of a type that funes can
            hash, without `kind` itself in it. Equal objects must give equal values, in every process.

    Raises:
        TypeError: `kind` is no type, or one whose objects are always hashed in one way (such as
            int, list, functions and classes), or `reduce` cannot be called.

    Example:
        >>> import threading, funes
        >>> funes.register(type(threading.Lock()), lambda lock: ())
        >>> funes.hash_value(threading.Lock()) == funes.hash_value(threading.Lock())
        True
    """
    if not isinstance(kind, type):
        raise TypeError(f"register takes a type first, not {kind!r}")
    if kind in _FIXED or strategy(kind) == _DEFINITION:
        raise TypeError(
            f"register cannot say how a {kind.__qualname__} is hashed: that is fixed; wrap it in a class"
        )
    if not callable(reduce):
        raise TypeError(f"register takes a function of an object second, not {reduce!r}")
    _registered[kind] = reduce
    forget_strategies()


def strategy(kind: type) -> Strategy:
    """The way to hash the objects of exactly this type, as `Strategy` in rust/py/src/strategy.rs reads it."""
    if is_mock(kind):
        # Told by the type, since an object of it answers any question with a new mock.
        return ("forbid", "a mock cannot be part of a key")
    if issubclass(kind, type) and qualified_name(kind) in RULES:
        # Its classes are made while the program runs, and have no code to be known by.
        return _of_values(kind)
    if issubclass(kind, type) or kind in CODE_TYPES or is_memo_type(kind):
        return _DEFINITION
    if _refusal(kind, standard.MOCKS) is None and _is_callable_of_library(kind):
        # An instance may be a function in all but its type, such as numpy's ufuncs and what lru_cache returns.
        return ("perhaps definition", is_code, _of_values(kind))
    return _of_values(kind)


def is_tool(value: object) -> bool:
    """Whether an object is a lock, thread or handler, which in an attribute counts by its type."""
    return type(value) not in _FIXED and strategy(type(value))[0] == _TOOL


def _is_callable_of_library(kind: type) -> bool:
    return issubclass(kind, Callable) and is_library_class(kind)  # type: ignore[arg-type]


def _refusal(kind: type, among: Container[str]) -> str | None:
    """Why objects of a type are refused, if it is derived from one of the named types."""
    for base in kind.__mro__:
        name = qualified_name(base)
        if name in among:
            return REFUSALS[name]
    return None


def without_caches(value: Any, attributes: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The attributes of an object that are part of its value, and what cannot be told, for a warning."""
    return caches.without_caches(value, attributes, is_tool)


def _of_values(kind: type) -> Strategy:
    firm = _refusal(kind, FIRM)
    for base in kind.__mro__:
        own = _registered.get(base)
        if own is not None:
            return (
                "rule",
                "funes.register",
                _of_registered(own) if base is kind else _of_subclass(own),
            )
        if "__funes_key__" in vars(base):
            return ("rule", "__funes_key__", _own_key)
        if base is enum.Enum:
            return ("rule", "enum.Enum", standard.enum_member)
        if issubclass(kind, enum.Enum):
            # Enumerations give their classes a `__reduce_ex__`, a different one in each version of Python.
            continue
        if firm is not None:
            continue
        reason = REFUSALS.get(qualified_name(base))
        if reason is not None:
            return _refused(qualified_name(base), reason)
        name, rule = RULES.get(qualified_name(base), (None, None))
        if rule is not None:
            if base is not kind and qualified_name(base) not in libraries.WHOLE:
                rule = _of_subclass(rule, COVERED.get(qualified_name(base)))
            return ("rule", name, rule)
        if not _SAY.isdisjoint(vars(base)):
            # A class that says how it is pickled knows better than a rule for its base.
            break
    if firm is not None:
        return ("refuse", firm)
    if kind is object:
        refusal = (
            "refuse",
            "a bare object() has no value, only an identity, and no module has it under a name",
        )
        return ("perhaps definition", is_code, refusal)
    if hasattr(kind, "__next__") and is_library_class(kind):
        return (
            "refuse",
            "an iterator cannot be part of a key: hashing would consume it; pass a list",
        )
    if issubclass(kind, (set, frozenset)):
        return "set" if issubclass(kind, set) else "frozenset", *_kept(kind)
    return "attributes" if _is_plain(kind) else "reduce", *_kept(kind)


def _kept(kind: type) -> tuple[object, ...]:
    """What is to be known of the attributes of a type's objects, as `Kept` in rust/py/src/strategy.rs reads it."""
    return _slots(kind), caches.cached_names(kind), not is_library_class(kind), _reduction(kind)


def has_reducer(kind: type) -> bool:
    """Returns whether `copyreg` says how objects of a type are reduced.

    Not of exceptions: a library that sends them elsewhere (tblib) registers all, with their tracebacks.
    """
    return kind in copyreg.dispatch_table and not issubclass(kind, BaseException)


def _reduction(kind: type) -> str:
    """What the reduction of a type's objects is like.

    "default": that of every object, which asks a list or dict for its items; "partial": that of a base class of a
    library, which knows nothing of the attributes that a derived class adds; else "own".
    """
    if has_reducer(kind):
        return "own"
    base = next(base for base in kind.__mro__ if not _SAY.isdisjoint(vars(base)))
    if base is object:
        return "default"
    is_partial = base is not kind and is_library_class(base)
    is_partial &= base.__dictoffset__ == 0 or qualified_name(base) == "random.Random"
    return "partial" if is_partial else "own"


def _refused(name: str, reason: str) -> Strategy:
    if name in standard.TOOLS:
        return _TOOL, reason
    return "refuse weakly" if name in standard.WEAK_KEYS else "refuse", reason


def qualified_name(kind: type) -> str:
    """`module.qualname` of a type, as its class statement says."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _own_key(value: Any) -> object:
    return type(value), value.__funes_key__()


def _of_registered(rule: Rule) -> Rule:
    return lambda value: (type(value), rule(value))


def _of_subclass(rule: Rule, covered: frozenset[str] | None = None) -> Rule:
    """The rule of a base class for instances of a class derived from it, which may have attributes of their own.

    covered: attributes that `rule` speaks for already.
    """

    def reduce(value: Any) -> object:
        attributes = dict(getattr(value, "__dict__", None) or {})
        for name in _slots(type(value)):
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
        for name in covered or ():
            attributes.pop(name, None)
        attributes, doubts = caches.without_caches(value, attributes, is_tool)
        if doubts:
            raise TypeError(doubts[0])
        if not is_library_class(type(value)):
            attributes = {name: _counted(part) for name, part in attributes.items()}
        return type(value), attributes, rule(value)

    return reduce


def _counted(attribute: Any) -> object:
    return standard.Tool(type(attribute)) if is_tool(attribute) else attribute


def _is_plain(kind: type) -> bool:
    """Whether an object is its attributes and no more: what `object.__reduce_ex__` can copy.

    The sizes tell whether a type written in C keeps something where Python cannot see it; pickle asks the same.
    """
    if (
        any(getattr(kind, name, None) is not getattr(object, name, None) for name in _PICKLE_HOOKS)
        or has_reducer(kind)
        or kind.__itemsize__ != 0
    ):
        return False
    word = _Slot.__basicsize__ - object.__basicsize__
    visible = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__basicsize__ <= object.__basicsize__ + visible * word


_PICKLE_HOOKS = (
    "__reduce_ex__",
    "__reduce__",
    "__getstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)


class _Slot:
    __slots__ = ("_",)


def _slots(kind: type) -> tuple[str, ...]:
    """The names of all slots, as attributes are called: private names mangled."""
    names = []
    for base in kind.__mro__:
        own = base.__dict__.get("__slots__", ())
        for name in (own,) if isinstance(own, str) else tuple(own):
            if name in ("__dict__", "__weakref__"):
                continue
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{base.__name__.lstrip('_')}{name}"
            names.append(name)
    return tuple(names)
