"""Decides which exceptions are stored, and pickles them with what pickle leaves out.

Which parts an entry has is documented in `funes._entries.remembered_errors`.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

from funes._call import round_trip
from funes._entries import pickler, unpickler, writer
from funes._entries.pickler import FooterPickle, attempt
from funes._entries.remembered_errors import Links, load, set_attributes
from funes._entries.unpickler import Buffered
from funes._entries.writer import PickledEntry
from funes._values.exceptions import MISSING, fields_of, is_same
from funes._warnings import one_line
from funes.errors import CacheWarning, FunesError, UnpicklableResultError

#: Exceptions that tell something about the process, not about the function. They are stored only if they are named
#: themselves, not by a base class such as `Exception`.
_OF_PROCESS = (FunesError, MemoryError, RecursionError, Warning)
#: Exceptions that must not have led to a stored one. A signal raises the first, and perhaps the second.
_NO_REASONS = (KeyboardInterrupt, SystemExit, CacheWarning, FunesError, MemoryError, RecursionError)
#: The maximum number of causes, contexts and members that are stored.
_MAX_LINKS = 100


def is_remembered(error: object, types: tuple[type[Exception], ...] | None) -> bool:
    """Returns whether `remember_errors=` names the type of an exception.

    >>> is_remembered(KeyError("x"), (LookupError,)), is_remembered(RecursionError(), (Exception,))
    (True, False)
    """
    if not types or not isinstance(error, types):
        return False
    return all(
        any(issubclass(each, kind) for each in types)
        for kind in _OF_PROCESS
        if isinstance(error, kind)
    )


def reason_against(
    error: BaseException, types: tuple[type[Exception], ...], handled: BaseException | None
) -> str:
    """Returns why an exception must not be stored, since it came from something else than the function; or "".

    Args:
        error: The exception.
        types: The value of `remember_errors=`.
        handled: The exception that the caller is handling, which is the context of all that is raised meanwhile.
    """
    for each in _linked(error, handled):
        if isinstance(each, _NO_REASONS) and not is_remembered(each, types):
            return f"it came from a {type(each).__name__}, which another call may not meet"
    return ""


def dump(
    inputs: dict[str, Any],
    error: BaseException,
    about: tuple[float, dict[str, str] | None, bool],
    *,
    home: str | None,
    handled: BaseException | None,
) -> PickledEntry:
    """Pickles the entry of a remembered error.

    Args:
        inputs: The arguments by name.
        error: The exception.
        about: The run time in seconds, the references to large arguments, and whether random numbers were drawn.
        home: The module of the memorious function.
        handled: As for `reason_against`.

    Raises:
        UnpicklableResultError: The exception cannot be pickled, or would come back as another value.
    """
    links, left_out = _links(error, home, handled)
    pickled = writer.dump_entry(inputs, error, *about, links=links)
    entry, failure = attempt(load, bytes(pickled.body), _whole(pickled.fast), home)
    if failure is not None:
        raise UnpicklableResultError(f"pickle cannot load it ({one_line(failure)})")
    copy = entry["error"]
    for (one, _), attributes in zip(entry["links"], left_out, strict=True):
        set_attributes(one, attributes)
    lost = _loss(error, copy, pickled)
    if lost:
        raise UnpicklableResultError(lost)
    return pickled


def raise_within(error: BaseException, handled: BaseException | None) -> None:
    """Makes the exception that the caller is handling the context, as if the exception were raised now."""
    last, seen = error, {id(error)}
    while last.__context__ is not None and id(last.__context__) not in seen:
        last = last.__context__
        seen.add(id(last))
    if last.__context__ is None and handled is not None:
        set_attributes(last, {"__context__": handled})


def _linked(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """Yields an exception, its members, causes and contexts, and theirs."""
    left, seen = [error], {id(handled)}
    while left:
        one = left.pop(0)
        if id(one) in seen or len(seen) > _MAX_LINKS:
            continue
        seen.add(id(one))
        yield one
        left += _members(one)
        left += [each for each in (one.__cause__, one.__context__) if each is not None]


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """Returns the members of an exception group; an empty tuple for another exception."""
    group: Any = getattr(builtins, "BaseExceptionGroup", ())  # Python 3.10 has none
    return error.exceptions if isinstance(error, group) else ()


def _links(
    error: BaseException, home: str | None, handled: BaseException | None
) -> tuple[Links, list[dict[str, Any]]]:
    """Returns what pickle leaves out of an exception and those that it refers to.

    The second list has the attributes that cannot be stored, for each exception in the first one.
    """
    copies: dict[int, BaseException] = {}
    inner = {id(error)}
    nodes = list(_linked(error, handled))
    for one in nodes:
        if id(one) in inner:  # `dump` reports what is wrong with them
            inner.update(map(id, _members(one)))
        copy, failure = attempt(_copy, one, home)
        if failure is None and type(copy) is type(one):
            copies[id(one)] = copy
        elif one is error:
            raise _refusal(error, copy, failure)
    links: Links = []
    left_out = []
    for one in nodes:
        copy = copies.get(id(one))
        if copy is None:
            continue
        kept, rest = _fields(one, copy)
        for name in ("__cause__", "__context__"):
            linked = getattr(one, name)
            if linked is not None:
                (kept if id(linked) in copies else rest)[name] = linked
        if one.__suppress_context__ or "__cause__" in kept:
            kept["__suppress_context__"] = one.__suppress_context__
        if "__cause__" in rest:
            rest["__suppress_context__"] = one.__suppress_context__
        if kept or rest:
            links.append((one, kept))
            left_out.append(rest)
    return links, left_out


def _copy(error: BaseException, home: str | None) -> Any:
    """Returns what pickle makes of an exception."""
    pickled = pickler.dump(error, error)
    return unpickler.load(bytes(pickled.body), _whole(pickled.fast), home)


def _whole(fast: FooterPickle | None) -> Buffered | None:
    """Returns a fast pickle that can be loaded by itself; None if it has buffers in the body."""
    return (fast[0], None) if fast is not None and fast[1] is None else None


def _refusal(
    error: BaseException, copy: object, failure: BaseException | None
) -> UnpicklableResultError:
    if isinstance(failure, UnpicklableResultError):
        return failure
    if failure is not None:
        return UnpicklableResultError(f"pickle cannot load it ({one_line(failure)})")
    kind = type(error)
    if (
        getattr(copy, "__class__", None) is not None
        and type(copy).__qualname__ == kind.__qualname__
    ):
        return UnpicklableResultError(
            f"its class {kind.__qualname__} cannot be found by its name, so no `except` would catch a copy: define the"
            " class at the top level of a module"
        )
    return UnpicklableResultError(
        f"pickle makes a {type(copy).__qualname__} of a {kind.__qualname__}"
    )


def _fields(error: BaseException, copy: BaseException) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the notes and the fields of a built-in exception that its copy lacks: those to store, and the rest."""
    kept: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    notes = getattr(error, "__notes__", MISSING)
    if notes is not MISSING and notes != getattr(copy, "__notes__", MISSING):
        kept["__notes__"] = notes
    for name, value in () if _members(error) else fields_of(error).items():
        if not is_same(value, fields_of(copy).get(name)):
            # The object whose attribute is missing serves to suggest another name, and may be large.
            is_hint = name == "obj" and isinstance(error, AttributeError)
            is_stored = not is_hint and attempt(_copy, value, None)[1] is None
            (kept if is_stored else rest)[name] = value
    return kept, rest


def _loss(error: BaseException, copy: Any, pickled: PickledEntry) -> str:
    """Returns why an exception cannot be stored without a loss, or ""."""
    kind = _changed_class(error, copy)
    if kind:
        return f"pickle does not keep the class {kind}"
    return round_trip.error_loss(error, copy, pickled)


def _changed_class(error: BaseException, copy: Any) -> str:
    if type(error) is not type(copy):
        return type(error).__qualname__
    pairs = zip(_members(error), _members(copy), strict=False)
    return next(filter(None, (_changed_class(*pair) for pair in pairs)), "")
