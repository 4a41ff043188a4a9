"""Stores the entries that workers send back because they cannot store them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from funes._entries import codec
from funes._funes import Call, Entry, hooks
from funes._sweeps import arguments
from funes._sweeps.computed import Unstored
from funes._sweeps.plan import Plan
from funes._sweeps.task import Answer


def publish(plan: Plan, answer: Answer) -> Unstored | None:
    """Stores the entry of a worker that cannot store it; returns the result if it could not be stored here either.

    Raises:
        SweepError: The point has another key in this process.
    """
    from tempfile import TemporaryDirectory

    memo, keys = plan.memo, plan.keys
    key = memo._function_name, keys.definition, keys.arguments(answer.number)
    with TemporaryDirectory(prefix="funes-sweep-") as folder:
        store = memo._options.open(folder)
        store.prepare(*key[:2])
        Path(store.path(*key)).write_bytes(answer.data or b"")
        entry = store.read(*key)
        assert entry is not None
        content = codec.load_entry(entry.body, entry.fast, memo.__module__)
    args, kwargs = plan.arguments(answer.number)
    call = memo._core.key(memo, args, kwargs)
    if call.definition != keys.definition or call.arguments != key[2]:
        raise plan.changed()
    _store(memo, call, content, entry, replace=plan.mode == "refresh")
    if plan.is_stored(answer.number):
        return None
    return Unstored(arguments.keep(content["output"]))


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
