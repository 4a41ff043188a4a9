"""Checks that a result is the same value after it was stored and loaded.

The first caller gets what the function returned, and later callers what pickle makes of it. Pickle
makes another value of some objects: of an exception whose constructor changes its argument, of an
array of a subclass with attributes, or of a polynomial of sympy. Such a result is not stored.

Most results consist of types that lose nothing. The pickle names all classes in it, so that only
results with another class are compared: exceptions, classes of user code that define how they
pickle, and all classes and functions of libraries that are not known to be faithful.
"""

from __future__ import annotations

import enum
import io
import itertools
import pickle
import sys
import weakref
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType
from typing import Any

from funes._code.third_party import (
    is_library_class,
    is_library_function,
    loaded_object,
    text_of,
)
from funes._code.user_code import is_user_code
from funes._entries import c_pickler, main_module, shared_arrays
from funes._entries.atoms import ATOMS
from funes._entries.pickler import attempt, is_raised_again
from funes._entries.unpickler import load_named
from funes._entries.writer import PickledEntry
from funes._funes import PROTOCOL, class_version, hash_value, pickled_names, shown
from funes._values import exceptions, rules, sympy
from funes._warnings import one_line

#: What `dill` and `pickle` write for weak references and their containers.
_WEAK = frozenset(
    {
        ("_weakrefset", "WeakSet"),
        ("dill._dill", "_create_weakproxy"),
        ("dill._dill", "_create_weakref"),
        ("weakref", "WeakKeyDictionary"),
        ("weakref", "WeakSet"),
        ("weakref", "WeakValueDictionary"),
    }
)
#: The function that finds a class of the program's own module.
_FINDER = (main_module.__name__, main_module.find.__name__)
#: Packages whose objects are faithful: pickle makes the same value of them. So is the standard library.
_FAITHFUL_PACKAGES = frozenset(
    (
        *("attr", "attrs", "dateutil", "dill", "funes", "networkx", "numpy", "pandas", "polars"),
        *("pyarrow", "pydantic", "pydantic_core", "pytz", "sklearn", "torch", "xarray"),
    )
)
#: Modules in these packages whose objects are compared.
_UNFAITHFUL_MODULES = ("numpy.ma",)
#: Modules of other packages whose objects are faithful.
_FAITHFUL_MODULES = ("scipy.sparse",)
#: Library classes whose objects pickle with all attributes.
_FAITHFUL = frozenset(
    {"builtins.object", "builtins.tuple", "pydantic.main.BaseModel", "sklearn.base.BaseEstimator"}
)
#: Methods with which a class decides what its pickle contains and what is made of it.
_HOOKS = (
    "__getattr__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__new__",
    "__reduce__",
    "__reduce_ex__",
    "__setstate__",
)
#: Built-in classes that pickle names in the reduction of their own objects.
_BUILTINS = frozenset({bytearray, complex, frozenset, object, range, set, slice})
#: Types whose objects are code.
_NO_OBJECTS = frozenset({type, FunctionType})
#: The maximum number of parts of a result that are searched for what a pickle does not show.
_MAX_PARTS = 2_000
#: Packages of which some types have type rules.
_ROOTS_WITH_RULES = frozenset(name.partition(".")[0] for name in rules.RULES)
_MISSING = object()


def loss(output: object, pickled: PickledEntry) -> str:
    """Returns why a result cannot be stored without a loss, or ""."""
    if type(output) in ATOMS:
        return ""
    stream = pickled.body if pickled.fast is None else pickled.fast[0]
    names = pickled_names(bytes(stream))
    if names is None:
        return _difference(output)
    globals_, calls = names
    if not globals_:
        return ""
    has_weak, has_attributes = _search(output)
    if has_weak or not _WEAK.isdisjoint(globals_):
        return "it contains a weak reference, whose referent a stored result cannot keep alive"
    if any(module.partition(".")[0] == "dill" for module, _ in globals_):
        return ""  # dill copies code, and the copy of a function has no source
    found = [attempt(main_module.find, *call)[0] for call in calls if _FINDER in globals_]
    if not (has_attributes or any(map(_may_lose, found)) or any(map(_names_loss, globals_))):
        return ""
    if not has_attributes and all(map(_is_seen_by_pickle, globals_)) and _is_pickled_again(pickled):
        return ""
    has_own = has_attributes or any(is_user_code(module) for module, _ in globals_)
    return _difference(output, has_own=has_own or _FINDER in globals_)


def difference(value: object, other: object, name: str = "result") -> str:
    """Returns the path of the first part in which two results differ, or "". Values without a hash are not compared."""
    digest, again = _digest(value), _digest(other)
    if digest is None or again is None or digest == again:
        return ""
    return next(_changed_parts(name, value, other, set()), name)


def error_loss(error: BaseException, copy: BaseException, pickled: PickledEntry) -> str:
    """Returns why an exception that a call raised cannot be stored without a loss, or "".

    Args:
        error: The exception.
        copy: What was made of it, with everything that need not be kept set as in the exception.
        pickled: Its entry.
    """
    names = pickled_names(bytes(pickled.body if pickled.fast is None else pickled.fast[0]))
    if names is not None and not _WEAK.isdisjoint(names[0]):
        return "it contains a weak reference, whose referent a stored exception cannot keep alive"
    path = difference(error, copy, "error") or _omitted_part(error, copy)
    return f"pickle makes another value of {path}" if path else ""


def _is_seen_by_pickle(name: tuple[str, str]) -> bool:
    """Returns whether the pickle of an object shows all that its hash contains.

    This holds for objects without a type rule of libraries without type rules, which are hashed by their reduction.
    """
    module, root = name[0], name[0].partition(".")[0]
    # The global generator of numpy counts by its name, and a copy of it by its state.
    if is_user_code(module) or name == _FINDER or _is_below(module, ("numpy.random",)):
        return False
    found = loaded_object(*name)
    if not _may_lose(found) and _is_from_faithful_module(module, found):
        return True
    if isinstance(found, type) and issubclass(found, BaseException):
        return False
    if isinstance(found, type) and rules.qualified_name(type(found)) not in rules.RULES:
        return rules.is_seen_by_pickle(found) or sympy.is_seen_by_pickle(found)
    return root != "builtins" and root not in _ROOTS_WITH_RULES


def _is_pickled_again(pickled: PickledEntry) -> bool:
    """Returns whether the entry that pickle loads has the pickle that was loaded. This is faster than hashing."""
    if pickled.fast is not None or not isinstance(pickled.body, bytes):
        return False
    entry, error = attempt(pickle.loads, pickled.body)
    if error is not None:
        return False
    again, error = attempt(c_pickler.dump, entry)
    return error is None and bool(again == pickled.body)


#: Names of objects of libraries that lose nothing.
_trusted: set[tuple[str, str]] = set()


def _names_loss(name: tuple[str, str]) -> bool:
    """Returns whether the pickle of an object that names this module and object may lose something."""
    if name in _trusted:
        return False
    found = loaded_object(*name)
    if _may_lose(found) or not _is_from_faithful_module(name[0], found):
        return True
    if found is not None and (not isinstance(found, type) or is_library_class(found)):
        _trusted.add(name)
    return False


def _is_from_faithful_module(module: str, found: object) -> bool:
    """Returns whether a library, or user code, is known to pickle all of its objects without a loss.

    Objects of user code are judged by their class.
    """
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in _FAITHFUL_PACKAGES:
        return not _is_below(module, _UNFAITHFUL_MODULES)
    is_member = isinstance(found, type) and issubclass(found, enum.Enum)
    return is_member or _is_below(module, _FAITHFUL_MODULES) or is_user_code(module)


def _is_below(module: str, modules: Iterable[str]) -> bool:
    return any(f"{module}.".startswith(f"{each}.") for each in modules)


def _may_lose(found: object) -> bool:
    """Returns whether the pickle of an object that names a class or function may lose something."""
    if isinstance(found, type):
        version = class_version(found)
        known = _verdicts.get(found)
        if known is not None and known[0] == version != 0:
            return known[1]
        verdict = _class_may_lose(found)
        _verdicts[found] = version, verdict
        return verdict
    if isinstance(found, FunctionType):
        return not is_library_function(found)
    # A class may reduce its objects to a call of any builtin function.
    is_builtin = isinstance(found, BuiltinFunctionType) and found.__module__ == "builtins"
    return is_builtin and found is not getattr  # it reads methods and members of enumerations


#: Class -> its version, and whether pickle may lose a part of its objects.
_verdicts: weakref.WeakKeyDictionary[type, tuple[int, bool]] = weakref.WeakKeyDictionary()


def _class_may_lose(kind: type) -> bool:
    if issubclass(kind, BaseException):
        return True
    if is_library_class(kind):
        return kind.__module__ == "builtins" and kind not in _BUILTINS
    return not _is_lossless(kind)


def _is_lossless(kind: type) -> bool:
    """Returns whether pickle keeps all attributes of objects of a class of user code."""
    if not all(_keeps_everything(kind, name) for name in _HOOKS) or rules.has_reducer(kind):
        return False
    if issubclass(kind, enum.Enum):
        return True
    if issubclass(kind, tuple):
        return hasattr(kind, "_fields")
    # Slots are restored with `setattr`.
    has_setter = kind.__setattr__ is not object.__setattr__ and not hasattr(kind, "__setstate__")
    return rules.is_visible(kind) and not (has_setter and rules.slots(kind))


def _keeps_everything(kind: type, name: str) -> bool:
    """Returns whether a method is absent, or was made by a library for this class."""
    for base in kind.__mro__:
        if name not in vars(base):
            continue
        if is_library_class(base):
            return rules.qualified_name(base) in _FAITHFUL or issubclass(base, enum.Enum)
        method = vars(base)[name]
        method = getattr(method, "__func__", method)
        if not isinstance(method, FunctionType):
            return issubclass(base, enum.Enum)
        is_made = method.__globals__.get("__name__", "") == f"namedtuple_{base.__name__}"
        return is_made or is_library_function(method)
    return True


def _search(output: object) -> tuple[bool, bool]:
    """Searches the first parts of a result for what its pickle does not show.

    Returns whether it contains a proxy, which pickles as its referent; and an object of a library
    on which a program has set attributes.
    """
    is_open: dict[type, bool] = {}
    has_attributes = False
    parts = shared_arrays.parts_of(output, most=_MAX_PARTS)
    for part in itertools.islice(parts, _MAX_PARTS):
        kind = type(part)
        if kind in weakref.ProxyTypes:
            return True, False
        if kind not in is_open:
            is_open[kind] = rules.is_open(kind)
        has_attributes |= is_open[kind] and bool(rules.set_attributes(part))
    return False, has_attributes


def _difference(output: object, *, has_own: bool = True) -> str:
    """Returns what pickle makes of a result, if that is another value.

    has_own: Whether the result may contain objects of classes of user code.
    """
    data, error = attempt(c_pickler.dump_carefully, output)
    if error is not None:
        return ""  # dill has written it
    try:
        copy = load_named(data)
    except BaseException as raised:
        is_its_own = isinstance(raised, Exception)
        if not is_its_own and not is_raised_again(lambda: load_named(data), raised):
            raise
        return f"pickle cannot load it ({one_line(raised)})"
    digest = _digest(output)
    if digest is None or _digest(copy) == digest or _digest(output) != digest:
        path = _omitted_part(output, copy) if has_own else None
    else:
        path = next(_changed_parts("result", output, copy, set()), "result")
    return "" if path is None else f"pickle makes another value of {path}"


def _omitted_part(output: object, copy: object) -> str | None:
    """Returns the name of an attribute that a class leaves out of its reduction, if it is lost.

    A name with an underscore may be a cache, and an attribute without a hash has to be left out.
    """
    found, error = attempt(_own_objects, output)
    copied, again = attempt(_own_objects, copy)
    if error is not None or again is not None:
        return None
    # The elements of a set may have another order.
    moved = {_digest(each): each for each in copied}
    for value, then in zip(found, copied, strict=False):
        digest = _digest(value)
        other = then if _digest(then) == digest else moved.get(digest)
        if type(other) is not type(value):
            continue
        others = _attributes(other)
        for name, part in _attributes(value).items():
            digest = None if name.startswith("_") else _digest(part)
            if digest is not None and digest != _digest(others.get(name, _MISSING)):
                return f"{type(value).__qualname__}.{name}"
    return None


def _own_objects(value: object) -> list[Any]:
    """Returns the objects in a value whose classes of user code may lose something."""
    pickler = _Collector()
    pickler.dump(value)
    return pickler.found


class _Collector(pickle.Pickler):
    """Collects the objects that a pickle is made of, in its order."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), PROTOCOL)
        self.found: list[Any] = []

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind not in _NO_OBJECTS and not is_library_class(kind) and _may_lose(kind):
            self.found.append(obj)
        return NotImplemented


def _digest(value: object) -> str | None:
    return attempt(hash_value, value)[0]  # type: ignore[no-any-return]


def _changed_parts(path: str, value: Any, copy: Any, seen: set[int]) -> Iterator[str]:
    """Yields the paths of the innermost parts that differ in the copy.

    An object of a library that has no type rule is left out: its state may contain caches.
    """
    if id(value) in seen:
        return
    seen.add(id(value))
    if type(value) is not type(copy):
        yield path
        return
    is_inner = is_named = False
    for step, part, other in _pairs(value, copy):
        if _digest(part) != _digest(other):
            is_inner = True
            for inner in _changed_parts(path + step, part, other, seen):
                is_named = True
                yield inner
    has_rule = rules.strategy(type(value))[0] == "rule"
    if (has_rule and not is_named) or (_is_judged(type(value)) and not is_inner):
        yield path


def _pairs(value: Any, copy: Any) -> Iterable[tuple[str, Any, Any]]:
    """Returns the parts of a value with those of its copy."""
    if type(value) in (list, tuple) and len(value) == len(copy):
        return [(f"[{at}]", part, copy[at]) for at, part in enumerate(value)]
    if type(value) is dict and len(value) == len(copy):
        pairs = zip(value.items(), copy.items(), strict=True)  # pickle keeps the order
        return [
            step
            for (key, part), (other, then) in pairs
            for step in ((" (a key)", key, other), (f"[{shown(key)}]", part, then))
        ]
    parts, others = _attributes(value), _attributes(copy)
    return [(f".{name}", part, others.get(name, _MISSING)) for name, part in parts.items()]


def _attributes(value: Any) -> dict[str, Any]:
    attributes = dict(getattr(value, "__dict__", None) or {})
    names = list(rules.slots(type(value)))
    if isinstance(value, BaseException):
        names.append("args")
        attributes.update(exceptions.state_of(value, value.args, None)[1])
    for name in names:
        part = getattr(value, name, _MISSING)
        if part is not _MISSING:
            attributes[name] = part
    return attributes


def _is_judged(kind: type) -> bool:
    root = text_of(kind, "__module__").partition(".")[0]
    return (
        issubclass(kind, BaseException)
        or root == "builtins"
        or root in sys.stdlib_module_names
        or not is_library_class(kind)
    )
