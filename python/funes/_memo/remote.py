"""Takes memorious functions to other processes.

A pickled function carries its name, its absolute cache folder, its options and its definition digest. The process
that opens it never believes the digest. It looks for the function under its name, computes the definition from its
own source, and takes the function if both digests are equal. Otherwise it opens the submitted code, which is pickled
by value, computes the definition of that, and compares again. If no code has the digest, the call raises
`DefinitionMismatch`: nothing is run and nothing is stored. docs/clusters.md states the rule for users.

::

    reduce        what pickle asks for: a parcel, made once for each definition
      by_value    the code itself
    _open         what unpickling calls: opens each parcel once in a process
      _find       the function that this process has under the name
      _Unusable   what stands for a function that must not run here
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from funes._code import source_cache
from funes._code.source import statement_of
from funes._entries import main_module as mains_module
from funes._entries import signing
from funes._funes import definition_graph
from funes._memo import code_by_value
from funes._warnings import one_line
from funes.errors import DefinitionMismatch, FunesError

if TYPE_CHECKING:
    from funes._memo.memo import Memo
    from funes._memo.options import Options

_PROTOCOL = 4  # of Python 3.4; all versions that funes supports read it

#: How many parcels of other processes stay open.
_MOST_OPEN = 256

_MAIN = ("__main__", "__mp_main__")


class Parcel(NamedTuple):
    """What travels."""

    module: str
    #: The attributes that lead from the module to the function; "" if none do.
    path: str
    #: The function's name in messages.
    name: str
    #: Major and minor version of the Python that sent it: code by value can be opened by the same one only.
    python: tuple[int, int]
    #: The absolute cache folder.
    root: str
    #: Without `depends_on`, which the receiver has of its own or with the code.
    options: Options
    #: None if the definition has no digest: then calls run without the cache.
    definition: str | None
    #: The digest with the state that travels, which calls may have changed; "" without a digest or code.
    as_sent: str
    #: Compressed JSON of the definition, to tell what differs; see `_content`.
    content: bytes
    #: The code by value, see `by_value`, with modules that can be imported by name; None if all of it can be imported.
    code: bytes | None
    #: The code with all functions and modules of the user by value; None if it must not or cannot be pickled so.
    whole: bytes | None
    #: Why there is no whole code.
    reason: str
    #: The texts of the code, see `_packed`.
    texts: bytes


class Sent(NamedTuple):
    """A parcel as bytes, with the classes that the outer pickler has to carry."""

    data: bytes
    classes: tuple[type, ...]
    #: As in the parcel.
    as_sent: str


#: The functions of the parcels that were opened, by the bytes and the addresses of the classes.
_opened: OrderedDict[tuple[object, ...], _Received] = OrderedDict()


def reduce(memo: Memo[Any, Any]) -> tuple[Callable[..., Any], tuple[object, ...]]:
    """Returns what pickle stores of a memorious function. Equal functions give equal bytes."""
    if memo._arrived is not None:
        # Made anew, the parcel would bring the definition that the code has here, in place of the one it must have.
        return _open, memo._arrived
    carries_classes = _carries_classes()
    sent = _parcel_of(memo, carries_classes)
    mains = (memo._mains or _texts_of_main()) if carries_classes else b""
    return _open, (sent.data, mains, *sent.classes)


def token_of(memo: Memo[Any, Any]) -> object:
    """Returns what tells a memorious function from others: equal for equal functions, in every process."""
    definition = _definition(memo) or _parcel_of(memo, False).data
    return "funes", memo.__module__, memo.__qualname__, definition, memo._cache_root


def _carries_classes() -> bool:
    """Returns whether the pickler at work carries classes of the main program by value, as cloudpickle does.

    Such a class is left to that pickler, so that it is one class with that of the arguments. The libraries that
    bring a copy of cloudpickle (joblib, loky, Ray) keep the name of its module.
    """
    frame = sys._getframe(2)
    for _ in range(6):
        module = frame.f_globals.get("__name__", "")
        if module == code_by_value.__name__:
            return False
        if module.rpartition(".")[2] in ("cloudpickle", "cloudpickle_fast"):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


# The sender


def _parcel_of(memo: Memo[Any, Any], carries_classes: bool) -> Sent:
    definition = _definition(memo)
    key = _key(memo, definition, carries_classes)
    if definition is None:  # nothing would tell that the code has changed
        return _made(memo, None, carries_classes)
    sent = memo._sent.get(key)
    if sent is not None and sent.classes:
        # The outer pickler carries the classes as calls have left them by now.
        is_as_sent = sent.as_sent == memo._core.definition_as_it_is(memo)
        sent = sent if is_as_sent else None
    if sent is None:
        for other in [other for other in memo._sent if other[0] != definition]:
            del memo._sent[other]
        sent = memo._sent[key] = _made(memo, definition, carries_classes)
    return sent


def _key(memo: Memo[Any, Any], definition: str | None, carries_classes: bool) -> tuple[object, ...]:
    by_name = code_by_value.is_sent_by_name(memo.__module__ or "")
    return definition, memo._cache_root, carries_classes, signing.is_withheld(), by_name


def _made(memo: Memo[Any, Any], definition: str | None, carries_classes: bool) -> Sent:
    function = cast("FunctionType", memo.__wrapped__)
    nodes = [] if definition is None else memo._core.graph(memo)
    has_class = any(node["kind"] == "class" for node in nodes)
    path = _path_of(memo)
    is_importable = bool(path) and code_by_value.is_sent_by_name(memo.__module__)
    as_sent = "" if definition is None else memo._core.definition_as_it_is(memo)
    code = whole = None
    reason, functions, classes = "", list[FunctionType](), list[type]()
    if not is_importable:
        as_class = _numbering(classes) if carries_classes else None
        try:
            code, functions = code_by_value.dumps(memo, everything=False, as_class=as_class)
        except Exception as error:
            if not path:
                raise
            reason = f"its code cannot be pickled ({one_line(error)})"
    if has_class:
        reason = "its definition contains a class of yours, which cannot be sent with the code"
    elif definition is not None:
        try:
            whole, more = code_by_value.dumps(memo, everything=True, as_class=None)
            functions += more
        except Exception as error:
            reason = f"its code cannot be pickled ({one_line(error)})"
    if whole == code:
        whole = None
    parcel = Parcel(
        module=memo.__module__ or "",
        path=path,
        name=memo.__qualname__,
        python=sys.version_info[:2],
        root=memo._cache_root,
        options=memo._options._replace(depends_on=()),
        definition=definition,
        as_sent=as_sent,
        content=zlib.compress(json.dumps(_content(memo, nodes)).encode()),
        code=code,
        whole=whole,
        reason=reason,
        texts=_packed((function, *functions)),
    )
    return Sent(pickle.dumps(tuple(parcel), _PROTOCOL), tuple(classes), as_sent)


def _numbering(classes: list[type]) -> Callable[[type], int]:
    def number(cls: type) -> int:
        if cls not in classes:
            classes.append(cls)
        return classes.index(cls)

    return number


def _content(memo: Memo[Any, Any], nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns what `definition.json` would hold, and the file of each function and class."""
    from funes._code import depends_on

    options = memo._options.depends_on
    content: dict[str, Any] = {"nodes": nodes}
    with suppress(FunesError, OSError):  # a file that is missing, say
        content["depends_on"] = depends_on.record(options, depends_on.resolve(options))
    files = {node["name"]: _file_of(node["name"]) for node in nodes}
    files[""] = cast("FunctionType", memo.__wrapped__).__code__.co_filename
    return {**content, "files": files}


def _file_of(name: str) -> str:
    """Returns the file of the module in which the code of this qualified name lies."""
    module = name
    while module:
        loaded = sys.modules.get(module)
        if loaded is not None:
            return str(getattr(loaded, "__file__", None) or "")
        module = module.rpartition(".")[0]
    return ""


# The receiver


def _open(data: bytes, mains: bytes = b"", *classes: type) -> Any:
    """Returns the function of a parcel, or an `_Unusable` that says why it cannot run here.

    It raises nothing, since a pool would take an error for a broken worker.
    """
    if mains:
        _arrive(mains)
    for cls in classes:
        mains_module.register_received(cls)
    key = (data, *map(id, classes))
    known = _opened.get(key)
    if known is not None and known.is_current():
        return known.memo
    parcel = Parcel(*pickle.loads(data))
    try:
        received = _received(parcel, classes)
    except Exception as error:  # of the user's module, while it is imported or looked at
        received = one_line(error)
    if isinstance(received, str):
        return _Unusable(parcel, received, (data, mains, *classes))
    _opened[key] = received
    while len(_opened) > _MOST_OPEN:
        _opened.popitem(last=False)
    if parcel.definition is not None:  # it is sent on as it came
        if received.definition is None:
            received.memo._arrived = data, mains, *classes
            return received.memo
        for carries_classes in {bool(classes), False}:
            key = _key(received.memo, parcel.definition, carries_classes)
            received.memo._sent[key] = Sent(data, classes, parcel.as_sent)
    if mains and mains != _texts_of_main():
        received.memo._mains = mains
    return received.memo


class _Received(NamedTuple):
    """A function that is to run in this process."""

    memo: Any
    #: The digest that it must have, if it is this process's own; the extension sees to that of code by value.
    definition: str | None
    #: Their addresses are known by, so they must not go.
    classes: tuple[type, ...]

    #: This process's own function, if it has not had the digest; once it has, it takes the place of the code by value.
    own: Any = None
    submitted: str | None = None

    def is_current(self) -> bool:
        if self.own is not None and _definition(self.own) == self.submitted:
            return False
        return self.definition is None or _definition(self.memo) == self.definition


def _received(parcel: Parcel, classes: tuple[type, ...]) -> _Received | str:
    """Returns the function that has the definition of the parcel, or the reason why there is none."""
    found, trouble = _find(parcel)
    if found is not None:
        found = _configured(found, parcel)
        if parcel.definition is None or _definition(found) == parcel.definition:
            return _Received(found, parcel.definition, classes)
        trouble = _difference(parcel, found)
    if parcel.code is None and parcel.whole is None:
        return f"{trouble}\nThe submitted code did not travel: {parcel.reason}."
    if parcel.python != sys.version_info[:2]:
        sender, here = (".".join(map(str, v)) for v in (parcel.python, sys.version_info[:2]))
        return (
            f"{trouble}\nThe submitted code was sent by Python {sender}, and this is Python {here}, "
            "which cannot open it. Run the workers with the same Python."
        ).lstrip()
    _arrive(parcel.texts)
    memo = _from_value(parcel, classes)
    differs = found is not None or parcel.code is None or memo is None
    if memo is None:
        memo = code_by_value.loads(cast("bytes", parcel.whole), classes)

    def mismatch(what: str) -> DefinitionMismatch:
        detail = _difference(parcel, memo) if found is None else trouble
        if what == "arguments":
            detail += "\nThe arguments contain a function or class of yours, so it cannot run as submitted."
        return _mismatch(parcel.name, detail)

    if parcel.definition is not None:
        # Not looked at now: a class that refers to the function may be half made.
        memo._core.expect(parcel.as_sent, parcel.definition, differs, mismatch)
    return _Received(memo, None, classes, found, parcel.definition)


def _from_value(parcel: Parcel, classes: tuple[type, ...]) -> Memo[Any, Any] | None:
    """Returns the function by value beside the modules of this process; None if the whole code must do."""
    if parcel.code is None:
        return None
    try:
        memo: Memo[Any, Any] = code_by_value.loads(parcel.code, classes)
    except Exception:  # a module is missing here, or another one
        if parcel.whole is None:
            raise
        return None
    if parcel.whole is not None and _definition(memo) != parcel.as_sent:
        return None
    return memo


def _find(parcel: Parcel) -> tuple[Memo[Any, Any] | None, str]:
    """Returns the function that this process has under the name, or why it has none."""
    if not parcel.path:
        return None, ""
    if parcel.module not in sys.modules and parcel.module not in _MAIN:
        try:
            importlib.import_module(parcel.module)
        except Exception as error:
            return None, f"the module {parcel.module} cannot be imported here: {one_line(error)}"
    found = _at(parcel.module, parcel.path)
    if found is None:
        return None, f"there is no memorious function {parcel.path} in the module {parcel.module}"
    return found, ""


def _path_of(memo: Memo[Any, Any]) -> str:
    """Returns the attributes that lead from its module to a function; "" if none do."""
    module = memo.__module__ or ""
    for path in (memo.__qualname__, _mangled(memo.__qualname__)):
        if _at(module, path) is memo:
            return path
    loaded = sys.modules.get(module)
    names = () if loaded is None else list(vars(loaded).items())
    return next((name for name, value in names if value is memo), "")


def _mangled(path: str) -> str:
    """Returns the path with the name that a private method (``__name``) has in its class."""
    owner, _, name = path.rpartition(".")
    if not owner or not name.startswith("__") or name.endswith("__"):
        return path
    return f"{owner}._{owner.rpartition('.')[2].lstrip('_')}{name}"


def _at(module: str, path: str) -> Memo[Any, Any] | None:
    from funes._memo.bound_method import BoundMemo
    from funes._memo.memo import Memo

    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, BoundMemo):
        found = found.__func__
    return found if isinstance(found, Memo) else None


def _configured(found: Memo[Any, Any], parcel: Parcel) -> Memo[Any, Any]:
    """Returns the function with the cache folder and the options of the parcel."""
    options = parcel.options._replace(depends_on=found._options.depends_on)
    if (
        options.signing_key is not None and not options.signing_key.is_known
    ):  # it is not stored with results
        options = options._replace(signing_key=found._options.signing_key)
    if options == found._options:
        if found._cache_root == parcel.root:
            return found
        if found._root is None and found._core.root() is None:  # no call has used it yet
            found._move(parcel.root)
            return found
    memo: Memo[Any, Any] = type(found)(cast("FunctionType", found.__wrapped__), options)
    vars(memo).update(code_by_value.attributes_of(found))
    memo._move(parcel.root)
    return memo


def _definition(memo: Memo[Any, Any]) -> str | None:
    try:
        return memo.definition
    except (FunesError, OSError):
        return None


def _difference(parcel: Parcel, here: Memo[Any, Any]) -> str:
    """Returns what differs between the submitted definition and the one of this process."""
    from funes._code.definition_diff import changes

    submitted = json.loads(zlib.decompress(parcel.content))
    # Not by the function itself, which may be held to the submitted definition.
    try:
        local = _content(here, definition_graph(here.__wrapped__))
    except Exception as error:
        return f"  its definition cannot be found here: {one_line(error)}"
    lines = []
    for change in changes(submitted, local):
        lines.append(f"  {change}  (submitted -> here)" if change.before else f"  {change}")
        owner = change.name if change.name in submitted["files"] else change.of
        there, at_home = (
            content["files"].get(owner) or content["files"][""] for content in (submitted, local)
        )
        lines.append(f"    submitted: {there}; here: {at_home}")
    return "\n".join(lines) or "  something that the definition does not record"


class _Unusable:
    """Stands for a memorious function that must not run in this process: a call raises `DefinitionMismatch`."""

    def __init__(self, parcel: Parcel, detail: str, args: tuple[object, ...]) -> None:
        self.__name__ = parcel.name.rpartition(".")[2]
        self.__qualname__ = parcel.name
        self.__module__ = parcel.module
        self._detail = detail
        self._args = args

    def __call__(self, *_args: object, **_kwargs: object) -> Any:
        raise _mismatch(self.__qualname__, self._detail)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_detail", "_args"):
            raise AttributeError(name)
        raise _mismatch(self.__qualname__, self._detail)

    def __reduce__(self) -> tuple[object, ...]:
        # A scheduler that lacks the code passes the function on to a worker that has it.
        return _open, self._args

    def __repr__(self) -> str:
        return f"<memorious {self.__qualname__}, which this process cannot run>"


def _mismatch(name: str, detail: str) -> DefinitionMismatch:
    return DefinitionMismatch(
        f"{name}: this process (pid {os.getpid()}) has other code than the one that submitted the call, so "
        f"nothing was run and nothing was stored.\n{detail}\n"
        "Bring the files of both into line, restart the workers, and submit the call again."
    )


# Texts


def _texts_of_main() -> bytes:
    """Returns the texts of the functions and classes of the main program: arguments may be objects of them."""
    global _main_texts
    own = tuple(_own_of_main())
    if _main_texts is None or [*map(id, own)] != [*map(id, _main_texts[0])]:
        functions = (function for thing in own for function in _functions_of(thing))
        _main_texts = own, _packed(functions)
    return _main_texts[1]


_main_texts: tuple[tuple[object, ...], bytes] | None = None


def _own_of_main() -> Iterator[Any]:
    main = sys.modules.get("__main__")
    for value in list(vars(main).values()) if main is not None else ():
        is_code = issubclass(type(value), (FunctionType, type))
        if is_code and getattr(value, "__module__", None) in _MAIN:
            yield value


def _functions_of(thing: Any) -> Iterator[FunctionType]:
    """Returns functions whose statements hold all code of a function or class."""
    values = [thing] if isinstance(thing, FunctionType) else list(vars(thing).values())
    for value in values:
        inner = getattr(value, "fget", value)
        inner = getattr(inner, "__func__", inner)
        inner = getattr(inner, "__wrapped__", inner)
        if isinstance(inner, FunctionType):
            yield inner


def _packed(functions: Iterable[FunctionType]) -> bytes:
    """Returns the statements that hold some functions, as `_arrive` takes them.

    Of each file only these statements are kept, on the lines where they stand.
    """
    packed: dict[int, tuple[str, str, list[str]]] = {}
    for function in functions:
        found = statement_of(function)
        # That attrs made a method is known by its having no text.
        if found is None or found[0].filename.startswith("<attrs generated"):
            continue
        text, start, end = found
        module = str(function.__globals__.get("__name__", ""))
        lines = packed.setdefault(id(text), (module, text.filename, []))[2]
        lines += ["\n"] * (end - len(lines))
        lines[start:end] = text.lines[start:end]
    return zlib.compress(pickle.dumps(list(packed.values()), _PROTOCOL)) if packed else b""


def _arrive(packed: bytes) -> None:
    if packed and packed not in _arrived:
        for module, filename, lines in pickle.loads(zlib.decompress(packed)):
            source_cache.arrive(module, filename, lines)
        _arrived[packed] = None
        while len(_arrived) > _MOST_OPEN:
            _arrived.popitem(last=False)


#: The texts that were unpacked.
_arrived: OrderedDict[bytes, None] = OrderedDict()
