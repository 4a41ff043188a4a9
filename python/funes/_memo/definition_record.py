"""The content of `definition.json` for a memorious function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from funes._code import depends_on
from funes._code.definition_file import (
    FILE_NAME,
    FORMAT,
    Content,
    is_recorded,
    record_definition,
)
from funes._code.secrets import without_secrets
from funes._entries.run_record import renew_run
from funes._funes import parameters_of as names_of_parameters

if TYPE_CHECKING:
    import inspect

    from funes._memo.memo import Memo


def of(memo: Memo[Any, Any], definition: str) -> Content:
    """Returns the content of `definition.json` for a definition; docs/format.md describes it.

    The graph is left out if this process does not know it, because the definition belongs to another
    process or has changed since. It is also left out for a function with `signing_key=`, whose
    source text may contain the signing key.

    Args:
        memo: The function.
        definition: The definition digest.
    """
    is_present = memo._core.definition(memo) == definition
    graph = None if memo._options.signing_key is not None else graph_of(memo, definition)
    return {
        "format": FORMAT,
        "definition": definition,
        "function": memo._function_name,
        "functions": [memo._identity],
        "parameters": parameters_of(memo),
        "keywords": keywords_of(memo),
        "read_parts": memo._core.read_parts(memo) if is_present else None,
        "libraries": libraries_of(memo) if is_present else None,
        **(graph or {"nodes": []}),
    }


def libraries_of(memo: Memo[Any, Any]) -> list[str]:
    """Returns the top-level modules of the libraries that the definition names."""
    return sorted({module.partition(".")[0] for module in memo._core.modules(memo)})


def record(
    memo: Memo[Any, Any],
    definition: str,
    is_new: Callable[[Memo[Any, Any], str, Content], None] | None = None,
) -> bool:
    """Writes `definition.json` beside the entries of a definition, unless the file exists.

    Args:
        memo: The function.
        definition: The definition digest.
        is_new: A function that is called after the file was written, with the memo, the folder and the content.

    Returns:
        True if the file exists afterwards.

    Raises:
        OSError: The file cannot be written.
    """
    folder = memo._store.folder(memo._function_name, definition)
    if not is_recorded(folder, memo._identity):
        content = of(memo, definition)
        record_definition(folder, content, shared=memo._options.shared)
        renew_run(memo._store)
        if is_new is not None:
            is_new(memo, folder, content)
    return os.path.lexists(os.path.join(folder, FILE_NAME))


def graph_of(memo: Memo[Any, Any], definition: str) -> Content | None:
    """Returns the parts of the content in which two definitions may differ, or None if they are not known."""
    nodes, extra = memo._core.graph(memo), memo._extra
    if not nodes or extra is None or memo._core.definition(memo) != definition:
        return None
    depended = depends_on.record(memo._options.depends_on, extra)
    shown_nodes = [{**node, "source": without_secrets(node["source"])} for node in nodes]
    return {"definition": definition, "depends_on": depended, "nodes": shown_nodes}


def keywords_of(memo: Memo[Any, Any]) -> str | None:
    """Returns the name of ``**kwargs``, if the function has it."""
    keywords = [each.name for each in signature_of(memo) if each.kind is each.VAR_KEYWORD]
    names = names_of_parameters(cast("Any", memo.__wrapped__))
    return next((name for name in keywords if name in names), None)


def signature_of(memo: Memo[Any, Any]) -> list[inspect.Parameter]:
    """Returns the parameters of a function as `inspect` describes them."""
    import inspect

    function: Any = memo.__wrapped__
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # ``__wrapped__`` is something else
        signature = inspect.signature(function, follow_wrapped=False)
    return list(signature.parameters.values())


def parameters_of(memo: Memo[Any, Any]) -> list[str | None]:
    """Returns the names of the parameters in the order of the key. None stands for an ignored one."""
    function: Any = memo.__wrapped__
    names = names_of_parameters(function)
    return [None if name in memo._options.ignore else name for name in names]
