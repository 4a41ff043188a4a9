"""Stores the entries that workers send back because they cannot store them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from funes._entries import unpickler
from funes._entries.remembered_errors import load as load_error
from funes._funes import ERROR_EXTENSION, Call, Entry, hooks
from funes._sweeps import arguments
from funes._sweeps.computed import Unstored
from funes._sweeps.plan import Plan
from funes._sweeps.task import Answer


def publish(plan: Plan, answer: Answer) -> Unstored | None:
    """Stores the entry of a worker that cannot store it; returns the result if it could not be stored here either.

    Raises:
        SweepError: The point has another key in this process.
    """
    memo = plan.memo
    call, entry, content = _opened(
        plan, answer.number, answer.data or b"", unpickler.load_entry, ""
    )
    _store(memo, call, content, entry, replace=plan.mode == "refresh")
    if plan.is_stored(answer.number):
        return None
    return Unstored(arguments.keep(content["output"]))


def publish_error(plan: Plan, number: int, data: bytes) -> None:
    """Stores the remembered error of a worker that cannot store it.

    Raises:
        SweepError: The point has another key in this process.
    """
    memo = plan.memo
    call, entry, content = _opened(plan, number, data, load_error, ERROR_EXTENSION)
    seconds = content["time"]
    durable = memo._options.is_durable(seconds)
    ran = content["error"], seconds, "drawn" in content, durable
    try:
        pickled = hooks().dump_error()(memo, call, None, ran)
        if pickled is not None:
            key = memo._function_name, call.definition, call.arguments + ERROR_EXTENSION
            memo._store.write(*key, *pickled, durable=durable, like=entry, replace=True)
            hooks().record_definition()(memo, call)
    except Exception as error:
        hooks().report_unstored()(memo, error, True)


def _opened(
    plan: Plan, number: int, data: bytes, load: Callable[..., dict[str, Any]], extension: str
) -> tuple[Call, Entry, dict[str, Any]]:
    """Returns the call of a key, and the entry of which a worker has sent the bytes."""
    from tempfile import TemporaryDirectory

    memo, keys = plan.memo, plan.keys
    key = memo._function_name, keys.definition, keys.arguments(number) + extension
    with TemporaryDirectory(prefix="funes-sweep-") as folder:
        store = memo._options.open(folder)
        store.prepare(*key[:2])
        Path(store.path(*key)).write_bytes(data)
        entry = store.read(*key)
        assert entry is not None
        content = load(entry.body, entry.fast, memo.__module__)
    args, kwargs = plan.arguments(number)
    call = memo._core.key(memo, args, kwargs)
    if call.definition != keys.definition or call.arguments != keys.arguments(number):
        raise plan.changed()
    return call, entry, content


def _store(memo: Any, call: Call, content: dict[str, Any], entry: Entry, *, replace: bool) -> None:
    seconds = content["time"]
    durable = memo._options.is_durable(seconds)
    ran = content["output"], seconds, "drawn" in content, durable
    try:
        pickled, _ = hooks().dump()(memo, call, None, ran)
        key = memo._function_name, call.definition, call.arguments
        memo._store.write(*key, *pickled, durable=durable, like=entry, replace=replace)
        hooks().record_definition()(memo, call)
    except Exception as error:
        hooks().report_unstored()(memo, error)
