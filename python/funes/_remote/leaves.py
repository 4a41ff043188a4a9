"""The leaves of a call that use the remote cache. The state machine asks for them before and after a computation."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from funes import _warnings
from funes._call import remembered_errors
from funes._call.generator_lock import is_inside
from funes._call.leaves import record_definition, warn_expired
from funes._entries import unpickler
from funes._entries.age import is_expired
from funes._entries.remembered_errors import load as load_error
from funes._memo.mode import stores
from funes._remote.bucket import BucketError
from funes._remote.outbox import MAX_WAITING, Item, outbox, unsent
from funes._remote.remote import EntryKey, Remote, remote_of
from funes.errors import FunesError

if TYPE_CHECKING:
    from funes._funes import Call
    from funes._memo.memo import Memo

#: None if there is no entry that can be used; True if one was published in the cache folder. In a mode that writes
#: nothing: the result or the remembered error, the run time in seconds, and whether it is an error.
Answer = bool | tuple[Any, float, bool] | None


class _Problem(NamedTuple):
    """A problem, which is reported where the user has called the function."""

    kind: str
    text: str


def ask_remote(memo: Memo[Any, Any], call: Call, replaces: bool) -> Answer:
    """Looks for the entry of a call in the remote cache.

    Args:
        memo: The function.
        call: The call.
        replaces: Whether the entry in the cache folder is expired, so that a new one replaces it.
    """
    remote = usable_remote(memo)
    if remote is None or remote.is_paused("read"):
        return None
    answer, problem = _ask(memo, call, remote, replaces)
    return _reported(memo, call, remote, answer, problem)


async def ask_remote_in_task(memo: Memo[Any, Any], call: Call, replaces: bool) -> Answer:
    """Does what `ask_remote` does, without blocking the event loop of asyncio."""
    import asyncio

    remote = usable_remote(memo)
    if remote is None or remote.is_paused("read"):
        return None
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # the event loop is not asyncio's
        answer, problem = _ask(memo, call, remote, replaces)
    else:
        answer, problem = await asyncio.to_thread(_ask, memo, call, remote, replaces)
    return _reported(memo, call, remote, answer, problem)


def offer_to_remote(memo: Memo[Any, Any], call: Call, replaces: bool, is_error: bool) -> None:
    """Hands a stored result or remembered error to the queue of the remote cache.

    Args:
        memo: The function.
        call: The call.
        replaces: Whether it replaces another one that may be in the remote cache.
        is_error: Whether it is a remembered error.
    """
    remote = usable_remote(memo)
    if remote is None:
        return
    store = memo._store
    key = EntryKey(memo._function_name, call.definition, call.arguments)
    if is_error:
        key, replaces = key.of_error, True
    if store.packed and not os.path.lexists(store.path(*key)):
        outbox().note_packed(Item(remote, store, key._replace(arguments="")))
    elif not outbox().put(Item(remote, store, key, replaces)):
        text = f"more than {MAX_WAITING:,} results wait to be sent; funes push sends those that do not fit"
        report(memo, remote, text)


def usable_remote(memo: Memo[Any, Any]) -> Remote | None:
    """Returns the remote cache of a function, or reports why it cannot be used."""
    url = memo._store.remote
    assert url is not None
    remote = remote_of(url)
    if isinstance(remote, str):
        _warn_once_of(url, remote)
        return None
    if remote.failure is not None:
        text, remote.failure = remote.failure, None
        report(memo, remote, unsent(text))
    return remote


#: The URLs of remote caches that cannot be used, and the reasons that were reported.
_reported_urls: set[tuple[str, str]] = set()


def _warn_once_of(url: str, text: str) -> None:
    if (url, text) not in _reported_urls:
        _reported_urls.add((url, text))
        _warnings.warn(text)


def report(memo: Memo[Any, Any], remote: Remote, text: str) -> None:
    """Reports that the remote cache cannot be used now: raises if the function is strict, else warns once."""
    if memo._options.strict:
        raise OSError(text)
    if not remote.is_reported:
        remote.is_reported = True
        _warnings.warn(f"{text}. Calls go on without the remote cache")


def _ask(
    memo: Memo[Any, Any], call: Call, remote: Remote, replaces: bool
) -> tuple[Answer, _Problem | None]:
    key = EntryKey(memo._function_name, call.definition, call.arguments)
    is_new = False
    try:
        answer, problem = _ask_for(memo, key, remote, replaces)
        if answer is None and problem is None and stores():
            is_new, damage = remote.take_packed(memo._store, *key[:2])
            problem = _Problem("packed", damage) if damage else None
        if answer is None and problem is None and memo._options.remember_errors:
            answer, problem = _ask_for(memo, key.of_error, remote, True)
    except BucketError as error:
        return None, _Problem("remote", str(error))
    except OSError as error:
        return None, _Problem(
            "write", f"a remote result was not stored: {_warnings.one_line(error)}"
        )
    except Exception as error:
        return None, _Problem("remote", _warnings.one_line(error))
    return answer or is_new or None, problem


def _ask_for(
    memo: Memo[Any, Any], key: EntryKey, remote: Remote, replaces: bool
) -> tuple[Answer, _Problem | None]:
    """Looks for a result or remembered error. Raises `BucketError`, or an `OSError` if it cannot be written."""
    if not remote.listing(key.folder).may_have(key.name):
        return None, None
    if not stores():
        return _load(memo, key, remote)
    fetched = remote.fetch(memo._store, key, replace=replaces)
    if fetched is None:
        return None, None
    if fetched.state in ("published", "taken"):
        return True, None
    return None, _Problem(fetched.state, _refused(key, remote, fetched.reason))


def _refused(key: EntryKey, remote: Remote, reason: str) -> str:
    return f"{remote.url}/{key.name} was not used: {reason}; the result was computed again"


def _load(memo: Memo[Any, Any], key: EntryKey, remote: Remote) -> tuple[Answer, _Problem | None]:
    """Loads a remote entry in a mode in which no file may be created."""
    found = remote.get(key.name)
    if found is None:
        return None, None
    with remote.guarded("read"):
        file = b"".join(found.chunks())
    entry, state, reason = memo._core.open_bytes(memo, *key[1:], file)
    if state != "found":
        return None, _Problem(state, _refused(key, remote, reason))
    if entry is None:
        return None, None
    if is_expired(found.stored / 1e9, memo._options.max_age):
        warn_expired(memo)
    load: Callable[..., dict[str, Any]] = load_error if key.is_error else unpickler.load_entry
    try:
        content = load(entry.body, entry.fast, memo.__wrapped__.__module__)
    except Exception as error:
        text = f"{remote.url}/{key.name} cannot be loaded ({_warnings.one_line(error)})"
        return None, _Problem("load", f"{text}; the result was computed again")
    # A result that was drawn without a seed does not belong to the stream of a seeded run.
    if "drawn" in content and is_inside():
        return None, None
    if not key.is_error:
        return (content["output"], float(content["time"]), False), None
    raised = content["error"]
    is_usable = remembered_errors.is_remembered(raised, memo._options.remember_errors)
    return (raised, float(content["time"]), True) if is_usable else None, None


def _reported(
    memo: Memo[Any, Any], call: Call, remote: Remote, answer: Answer, problem: _Problem | None
) -> Answer:
    """Reports a problem in the thread of the caller, and returns the answer."""
    if answer is True:
        record_definition(memo, call)
    elif answer and answer[2]:
        # The caller may be within an `except` block.
        remembered_errors.raise_within(answer[0], sys.exc_info()[1])
    if problem is None:
        return answer
    if problem.kind == "remote":
        report(memo, remote, problem.text)
    else:
        memo._degrade(f"remote {problem.kind}", problem.text, FunesError(problem.text))
    return answer
