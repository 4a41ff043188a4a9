"""Chooses the hash strategy of each type.

The extension calls `strategy` once per type and then walks the objects itself. A type rule turns an
object into a simpler value with the same content. The extension writes the name of the rule and
that value.

Rules for third-party types are found by the qualified name of the type, so that funes does not
import their libraries.
"""

from __future__ import annotations

import copyreg
import enum
from collections.abc import Callable, Container
from types import FunctionType, MethodDescriptorType
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
#: Qualified names of types whose rule covers all attributes, or whose attributes do not count.
_CLOSED = standard.CLOSED | libraries.CLOSED
#: Qualified names of types that are refused even if a subclass defines how it is pickled.
ALWAYS_REFUSED = standard.ALWAYS_REFUSED | libraries.REFUSALS.keys()

#: Types that the extension hashes without asking for a strategy.
_FIXED = frozenset(
    (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
).union(map(type, (None, ..., NotImplemented)))
_DEFINITION: Strategy = ("definition",)
_OPAQUE = "refuse opaque"
#: The methods that define how an object is pickled.
PICKLE_METHODS = frozenset(("__reduce_ex__", "__reduce__", "__getstate__"))

_registered: WeakKeyDictionary[type, Rule] = WeakKeyDictionary()

T = TypeVar("T")


def register(kind: type[T], reduce: Callable[[T], object]) -> None:
    """Registers a function that reduces objects of a type to a value that funes can hash.

    Use it where the type rules of funes do not suit a type. An object then counts by its class and
    by the result of `reduce`; an object of a subclass also by its attributes. The class counts as
    usual: a class of user code by its definition, a third-party class by its qualified name. The
    code of `reduce` is not part of the key. Register before the first call of a memorious function
    that uses the type: hashes that were computed before do not change.

    Args:
        kind: The type. A class of your own can define a method ``__funes_key__`` instead.
        reduce: Takes an object of the type and returns a simpler value with the same content. The
            value has a type that funes can hash and does not contain `kind` itself. Equal objects
            must give equal values, in every process.

    Raises:
        TypeError: `kind` is not a type, or its objects are always hashed in one way (int, list,
            functions, classes, ...), or `reduce` is not callable.

    Example:
        >>> import threading, funes
        >>> funes.register(type(threading.Lock()), lambda lock: ())
        >>> funes.hash_value(threading.Lock()) == funes.hash_value(threading.Lock())
        True
    """
    if not isinstance(kind, type):
        raise TypeError(f"the first argument of register must be a type, not {kind!r}")
    if kind in _FIXED or strategy(kind) == _DEFINITION:
        raise TypeError(
            f"register cannot change how {kind.__qualname__} is hashed; wrap the value in a class"
        )
    if not callable(reduce):
        raise TypeError(f"the second argument of register must be callable, not {reduce!r}")
    _registered[kind] = reduce
    forget_strategies()


def strategy(kind: type) -> Strategy:
    """Returns how objects of exactly this type are hashed; `Strategy` in strategy.rs parses it."""
    if is_mock(kind):
        # The type decides: a mock returns a new mock for any attribute that is read.
        return ("forbid", "a mock cannot be part of a key")
    if issubclass(kind, type) and qualified_name(kind) in RULES:
        # Classes of such a metaclass are made at run time and have no code.
        return _value_strategy(kind)
    if issubclass(kind, type) or kind in CODE_TYPES or is_memo_type(kind):
        return _DEFINITION
    if _refusal(kind, standard.MOCKS) is None and _is_callable_of_library(kind):
        # An instance may act as a function, such as a ufunc of numpy or an lru_cache
        # wrapper.
        return ("perhaps definition", is_code, _value_strategy(kind))
    return _value_strategy(kind)


def is_opaque(value: object) -> bool:
    """Returns whether a value is opaque: a lock, thread or handler, which counts by its type."""
    return type(value) not in _FIXED and strategy(type(value))[0] == _OPAQUE


def _is_callable_of_library(kind: type) -> bool:
    return issubclass(kind, Callable) and is_library_class(kind)  # type: ignore[arg-type]


def _refusal(kind: type, among: Container[str]) -> str | None:
    """Returns why objects of a type are refused, if one of its base classes is in `among`."""
    for base in kind.__mro__:
        name = qualified_name(base)
        if name in among:
            return REFUSALS[name]
    return None


def without_caches(value: Any, attributes: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Returns the attributes of an object that are part of its value, and warnings."""
    return caches.without_caches(value, attributes, is_opaque)


def _value_strategy(kind: type) -> Strategy:
    firm = _refusal(kind, ALWAYS_REFUSED)
    for base in kind.__mro__:
        own = _registered.get(base)
        if own is not None:
            return (
                "rule",
                "funes.register",
                _with_class(own) if base is kind else _with_attributes(own),
            )
        if "__funes_key__" in vars(base):
            return ("rule", "__funes_key__", _funes_key)
        if base is enum.Enum:
            return ("rule", "enum.Enum", standard.enum_member)
        if issubclass(kind, enum.Enum):
            # Enumerations get a `__reduce_ex__` that differs between versions of Python.
            continue
        if firm is not None:
            continue
        reason = REFUSALS.get(qualified_name(base))
        if reason is not None:
            return _refused(qualified_name(base), reason)
        name, rule = RULES.get(qualified_name(base), (None, None))
        if rule is not None:
            if base is not kind and qualified_name(base) not in libraries.COVERS_SUBCLASSES:
                rule = _with_attributes(rule, _covered(base))
            elif is_open(kind):
                rule = _with_set_attributes(rule)
            return ("rule", name, rule)
        if not PICKLE_METHODS.isdisjoint(vars(base)):
            # How a class pickles itself takes precedence over a rule for its base class.
            break
    if firm is not None:
        return ("refuse", firm)
    if kind is object:
        refusal = (
            "refuse",
            "a bare object() has an identity but no value, and no module has it under a name",
        )
        return ("perhaps definition", is_code, refusal)
    if hasattr(kind, "__next__") and is_library_class(kind):
        return (
            "refuse",
            "an iterator cannot be part of a key: hashing would consume it; pass a list",
        )
    if issubclass(kind, (set, frozenset)):
        return "set" if issubclass(kind, set) else "frozenset", *_attribute_rules(kind)
    return "attributes" if _is_plain(kind) else "reduce", *_attribute_rules(kind)


def _covered(base: type) -> frozenset[str]:
    """Returns the attributes that the rule of a type covers: also all slots, which may be caches."""
    name = qualified_name(base)
    covered = COVERED.get(name, frozenset())
    return covered if name in libraries.COUNT_BY_SLOTS else covered.union(slots(base))


def _attribute_rules(kind: type) -> tuple[object, ...]:
    """Returns how attributes are hashed; `AttributeRules` in strategy.rs parses it."""
    return slots(kind), caches.cached_names(kind), not is_library_class(kind), _reduction(kind)


def has_reducer(kind: type) -> bool:
    """Returns whether `copyreg` has a reducer for a type.

    Ignores exceptions: tblib registers reducers for all of them, which include tracebacks.
    """
    return kind in copyreg.dispatch_table and not issubclass(kind, BaseException)


def _reduction(kind: type) -> str:
    """Classifies how objects of a type are reduced.

    "default": by `object.__reduce_ex__`, which iterates over a list or dict for its items.
    "partial": by a third-party base class, which omits the attributes that a subclass adds.
    "own": by the class itself.
    """
    if has_reducer(kind):
        return "own"
    base = next(base for base in kind.__mro__ if not PICKLE_METHODS.isdisjoint(vars(base)))
    if base is object:
        return "default"
    is_partial = base is not kind and is_library_class(base)
    is_partial &= base.__dictoffset__ == 0 or qualified_name(base) == "random.Random"
    return "partial" if is_partial else "own"


def is_seen_by_pickle(kind: type) -> bool:
    """Returns whether objects of a type are hashed by what they pickle, and by nothing else."""
    how = strategy(kind)
    if how[0] == "perhaps definition":
        how = how[2]
    return how[0] == "attributes" or bool(how[0] == "reduce" and how[-1] != "partial")


def _refused(name: str, reason: str) -> Strategy:
    if name in standard.OPAQUE:
        return _OPAQUE, reason
    return "refuse weak" if name in standard.WEAK_KEYS else "refuse", reason


def qualified_name(kind: type) -> str:
    """Returns `module.qualname` of a type."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _funes_key(value: Any) -> object:
    return type(value), value.__funes_key__()


def _with_class(rule: Rule) -> Rule:
    return lambda value: (type(value), rule(value))


def is_open(kind: type) -> bool:
    """Returns whether a type has a rule, and programs can set attributes on its objects: `frame.unit = "m"`."""
    name = qualified_name(kind)
    return kind.__dictoffset__ != 0 and name in RULES and name not in _CLOSED


def set_attributes(value: Any) -> dict[str, Any]:
    """Returns the attributes that a program has set on an object of an open type.

    The library's own are covered by the rule of the type, begin with an underscore, or have the name of a property of
    the class. A function that was set in the place of a method counts.
    """
    kind = type(value)
    known = COVERED.get(qualified_name(kind), frozenset())
    return {
        name: attribute
        for name, attribute in _dict_of(value).items()
        if not name.startswith("_")
        and name not in known
        and (not hasattr(kind, name) or _is_method(kind, name))
    }


def _dict_of(value: Any) -> dict[str, Any]:
    try:
        return object.__getattribute__(value, "__dict__")  # type: ignore[no-any-return]
    except AttributeError:
        # From Python 3.12 on a `TypeVar` has a dict that no attribute shows.
        import ctypes

        get = ctypes.pythonapi.PyObject_GenericGetDict
        get.argtypes, get.restype = (ctypes.py_object, ctypes.c_void_p), ctypes.py_object
        return get(value, None)  # type: ignore[no-any-return]


def _is_method(kind: type, name: str) -> bool:
    """Returns whether a name of a class is a method, which no library fills in on demand."""
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    return isinstance(found, _METHODS)


_METHODS = (FunctionType, MethodDescriptorType, classmethod, staticmethod)


def _with_set_attributes(rule: Rule) -> Rule:
    def reduce(value: Any) -> object:
        found = set_attributes(value)
        return (type(value), found, rule(value)) if found else rule(value)

    return reduce


def _with_attributes(rule: Rule, covered: frozenset[str] | None = None) -> Rule:
    """Extends the rule of a base class by the attributes of instances of a subclass.

    covered: attributes that `rule` already covers.
    """

    def reduce(value: Any) -> object:
        attributes = dict(getattr(value, "__dict__", None) or {})
        for name in slots(type(value)):
            if hasattr(value, name):
                attributes[name] = getattr(value, name)
        for name in covered or ():
            attributes.pop(name, None)
        attributes, warnings = caches.without_caches(value, attributes, is_opaque)
        if warnings:
            raise TypeError(warnings[0])
        if not is_library_class(type(value)):
            attributes = {name: _without_opaque(part) for name, part in attributes.items()}
        return type(value), attributes, rule(value)

    return reduce


def _without_opaque(attribute: Any) -> object:
    return standard.Opaque(type(attribute)) if is_opaque(attribute) else attribute


def _is_plain(kind: type) -> bool:
    """Returns whether objects of a type consist of their attributes only.

    `object.__reduce_ex__` can copy such objects. The size of the type shows whether a type written
    in C has state that Python cannot see; pickle makes the same check.
    """
    has_default = all(
        getattr(kind, name, None) is getattr(object, name, None) for name in _PICKLE_HOOKS
    )
    return has_default and not has_reducer(kind) and is_visible(kind)


def is_visible(kind: type) -> bool:
    """Returns whether Python code sees the whole state of objects of a type."""
    if kind.__itemsize__ != 0:
        return False
    word = _Slot.__basicsize__ - object.__basicsize__
    visible = len(slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
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


def slots(kind: type) -> tuple[str, ...]:
    """Returns the attribute names of all slots, with private names mangled."""
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
