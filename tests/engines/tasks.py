"""Tasks that the driver programs run in workers, besides the functions under test."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import pickle
import socket
from collections.abc import Callable
from typing import Any

from funes import flush

#: ``("value", value)``, or the name and the message of an exception.
Outcome = tuple[str, Any]

#: Modules that workers import at their start; see `texts.SETS`.
KNOWN_BEFORE_AN_EDIT = ["older_helpers", "stale_helpers", "older", "stale"]


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Calls a function; runs the coroutine that a coroutine function returns."""
    result = function(*args)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def outcome(function: Callable[..., Any], *args: Any) -> Outcome:
    """Calls a function; returns an exception instead of raising it."""
    try:
        return "value", call(function, *args)
    except Exception as error:
        return type(error).__name__, str(error)


def opened(pickled: bytes, *args: Any) -> Any:
    """Unpickles a function and calls it, like a job from a queue."""
    return call(pickle.loads(pickled), *args)


def sent(function: Callable[..., Any], *args: Any) -> tuple[Any, bool]:
    """Calls a function, and returns whether its result was sent to the remote cache, too."""
    return call(function, *args), flush(60)


def key(function: Any, *args: Any) -> tuple[str, str]:
    """Returns the key of a call in this process."""
    keywords = getattr(function, "keywords", {})
    if "global_seed" in keywords:
        function = function.func
    found = function.key(*args, **keywords)
    return found.definition, found.arguments


def several(calls: list[tuple[Any, ...]]) -> list[Outcome]:
    """Makes calls one after the other, for engines whose tasks take seconds."""
    return [outcome(*call) for call in calls]


def settle(address: tuple[str, int], folder: str) -> None:
    """Waits until all workers are connected to the driver, then prepares."""
    with socket.create_connection(address, timeout=120) as connection:
        connection.recv(1)
    prepare(folder)


def prepare(folder: str) -> None:
    """Imports the modules that are edited later, and changes to `folder`."""
    for name in KNOWN_BEFORE_AN_EDIT:
        importlib.import_module(name)
    os.chdir(folder)
