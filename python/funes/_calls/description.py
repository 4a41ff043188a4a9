"""What `definition.json` records of a memorious function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from funes._definitions import depends
from funes._definitions.recorded import FORMAT, Content
from funes._funes import parameters_of as names_of_parameters

if TYPE_CHECKING:
    from funes._calls.memo import Memo
    from funes._versions.subject import Subject

__all__ = ["graph_of", "of", "parameters_of", "subject_of"]


def of(memo: Memo[Any, Any], definition: str) -> Content | None:
    """What is to be recorded of a definition of a function; docs/format.md describes it.

    Args:
        memo: The function.
        definition: The definition that is meant.

    Returns:
        None if it is not known (any more): it is another process's, or something has changed since. And None for a
        function whose decorator has a key, as its text may show the key.
    """
    if memo._options.key is not None:
        return None
    graph = graph_of(memo, definition)
    if graph is None:
        return None
    return {
        "format": FORMAT,
        "function": memo._function_name,
        "parameters": parameters_of(memo),
        **graph,
    }


def graph_of(memo: Memo[Any, Any], definition: str) -> Content | None:
    """The part of it that two definitions may differ in; None if it is not known (any more)."""
    nodes, extra = memo._core.graph(memo), memo._extra
    if not nodes or extra is None or memo._core.definition(memo) != definition:
        return None
    depends_on = depends.record(memo._options.depends_on, extra)
    return {"definition": definition, "depends_on": depends_on, "nodes": nodes}


def subject_of(memo: Memo[Any, Any]) -> Subject:
    """The present version of a function, as one that may adopt results."""
    from funes._versions.subject import Subject

    definition = memo._core.definition(memo)
    return Subject(
        store=memo._store,
        function=memo._function_name,
        definition=definition,
        parameters=parameters_of(memo),
        content=of(memo, definition),
        shared=memo._options.shared,
        is_durable=memo._options.is_durable,
    )


def parameters_of(memo: Memo[Any, Any]) -> list[str | None]:
    """The names of the parameters in the order in which keys have them; None stands for one that is ignored."""
    function: Any = memo.__wrapped__
    names = names_of_parameters(function)
    return [None if name in memo._options.ignore else name for name in names]
