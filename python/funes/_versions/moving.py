"""The results of one version as another has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from funes._entries import large_arguments, pickling, reading
from funes._funes import Entry as StoredBytes
from funes._funes import Store, hash_arguments
from funes._versions.places import Entry, all_entries
from funes._versions.subject import Subject
from funes._versions.translation import Parameters, Translation, is_faithful
from funes._warn import one_line
from funes.errors import AdoptionError

__all__ = ["Moved", "Plan", "copied", "moved"]


class Moved(NamedTuple):
    """A result as the version that adopts it has it."""

    arguments: str
    #: The entry as it serves the version that is adopted.
    entry: Entry
    #: What it holds, the input translated; large arguments are where they are.
    result: dict[str, Any]


class Plan(NamedTuple):
    """What is to be adopted."""

    subject: Subject
    #: The version that is adopted.
    definition: str
    #: What its arguments are now.
    translation: Translation
    #: Its parameters, if they are known.
    parameters: Parameters | None


def moved(
    plan: Plan, left_out: list[str], load: Callable[[StoredBytes], dict[str, Any]]
) -> Iterator[Moved]:
    """The results of a version that can serve, with what they are remembered by from now on.

    Args:
        plan: What is to be adopted.
        left_out: Takes a line for each result that cannot serve.
        load: Makes of an entry what is needed of it.

    Raises:
        AdoptionError: Two of them would be one.
    """
    subject, definition, translation, parameters = plan
    store, function = subject.store, subject.function
    taken: dict[str, Entry] = {}
    for entry in all_entries(store, function, definition):
        path = store.path(function, *entry.place)
        try:
            stored = store.read(function, *entry.place)
            if stored is None:
                continue
            result = load(stored)
            del stored
            for adoption in entry.adoptions:
                result = adoption.translation.result(result)
            before = _inputs(store, result)
            known = parameters or [name for name in before if name != "global_seed"]
            if not is_faithful(known, before, entry.arguments):
                raise AdoptionError(_unfaithful(before))
            if parameters is None:
                translation.check(known)
            after = translation.inputs(before)
            arguments = hash_arguments(list(translation.parameters), after)
            result = translation.result(result)
        except Exception as error:
            reason = str(error) if isinstance(error, AdoptionError) else one_line(error)
            left_out.append(f"{path}: {reason}")
            continue
        other = taken.setdefault(arguments, entry)
        if other is not entry:
            raise AdoptionError(
                f"two results would be one: {store.path(function, *other.place)} and {path}"
                " have the same arguments but for what is dropped"
            )
        yield Moved(arguments, entry, result)


def _inputs(store: Store, result: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the large ones among them."""
    part: dict[str, dict[str, Any]] = {
        "input": dict(result["input"]),
        "objects": result.get("objects", {}).copy(),
    }
    large_arguments.resolve(store, part)
    return part["input"]


def _unfaithful(inputs: dict[str, Any]) -> str:
    notes = [f"{name}: {value}" for name, value in inputs.items() if _is_note(value)]
    said = f" ({'; '.join(notes)})" if notes else ""
    return f"its input is not what the call was given{said}"


def _is_note(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<not stored: ")


def copied(plan: Plan, left_out: list[str]) -> int:
    """Write the results of a version that can serve as entries of the version that adopts.

    Args:
        plan: What is to be adopted.
        left_out: Takes a line for each result that cannot be written.

    Returns:
        How many there are now.

    Raises:
        OSError: One cannot be stored; those before it stay.
        AdoptionError: As `moved`.
    """
    subject = plan.subject
    count = 0
    for arguments, entry, result in moved(plan, left_out, reading.load):
        seconds = result["time"]
        try:
            pickled = pickling.dump_entry(
                result["input"], result["output"], seconds, result.get("objects")
            )
        except Exception as error:
            path = subject.store.path(subject.function, *entry.place)
            left_out.append(f"{path}: {one_line(error)}")
            continue
        key = subject.function, subject.definition, arguments
        subject.store.write(*key, *pickled, durable=subject.is_durable(seconds))
        count += 1
    return count
