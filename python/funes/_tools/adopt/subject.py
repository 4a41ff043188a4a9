"""Describes the version of a function that adopts results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from funes._code.definition_file import Content
from funes._funes import Store
from funes._memo import definition_record
from funes._memo.memo import Memo
from funes._tools.adopt.translation import Parameters


class Subject(NamedTuple):
    """The version of a function that adopts results."""

    store: Store
    function: str
    #: The module and qualified name of the function, see `funes._entries.function_identity`.
    identity: str
    definition: str
    parameters: Parameters
    #: The parts that the function's code reads of the code of its arguments, in bits of
    #: `funes._code.read_parts`; None if they are not known.
    read_parts: int | None
    #: The content of the version's `definition.json`; None for a version that is stored already.
    content: Content | None
    shared: bool
    #: A function that takes a run time in seconds and returns whether the result must survive a
    #: power cut.
    is_durable: Callable[[float], bool]

    def folder(self, definition: str) -> str:
        """Returns the folder of the entries of a version."""
        return self.store.folder(self.function, definition)


def subject_of(memo: Memo[Any, Any]) -> Subject:
    """Describes the current version of a function."""
    definition = memo._core.definition(memo)
    return Subject(
        store=memo._store,
        function=memo._function_name,
        definition=definition,
        parameters=definition_record.parameters_of(memo),
        read_parts=memo._core.read_parts(memo),
        identity=memo._identity,
        content=definition_record.of(memo, definition),
        shared=memo._options.shared,
        is_durable=memo._options.is_durable,
    )
