"""Completes names of functions and hashes of versions in bash, zsh and fish."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from funes._results.cache import Cache
from funes._results.units import date_shown
from funes._tools.cli.options import opened

#: The number of digits of a hash that is offered: enough to be unique.
_DIGITS = 12


class _Stored(click.ParamType):  # type: ignore[type-arg]  # it is not generic before click 8.5
    """A string that is completed from what the cache folder contains."""

    name = "text"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        # A shell that completes a word must not show an error.
        with suppress(Exception):
            items = self.items(_cache_of(ctx), ctx)
            return [item for item in items if item.value.startswith(incomplete)]
        return []

    def items(self, cache: Cache, ctx: click.Context) -> list[CompletionItem]:
        raise NotImplementedError


class _FunctionName(_Stored):
    def items(self, cache: Cache, ctx: click.Context) -> list[CompletionItem]:  # noqa: ARG002
        return [CompletionItem(each._label, help=each.qualified_name) for each in cache.functions()]


class _Code(_Stored):
    def items(self, cache: Cache, ctx: click.Context) -> list[CompletionItem]:  # noqa: ARG002
        identities = [each._identity for each in cache.functions() if "/" not in each.module]
        return [CompletionItem(each) for each in identities if each]


class _Module(_Stored):
    def items(self, cache: Cache, ctx: click.Context) -> list[CompletionItem]:  # noqa: ARG002
        modules = sorted({each.module for each in cache.functions() if "/" not in each.module})
        return [CompletionItem(each) for each in modules]


class _Version(_Stored):
    def items(self, cache: Cache, ctx: click.Context) -> list[CompletionItem]:
        # click does not name the arguments while the value of an option is missing.
        function = cache.function(ctx.params.get("function") or ctx.args[0])
        return [
            CompletionItem(each.definition[:_DIGITS], help=_dated(each.summary.last))
            for each in function.versions()
        ]


def _dated(moment: Any) -> str:
    return "no results" if moment is None else f"last result {date_shown(moment)}"


def _cache_of(ctx: click.Context) -> Cache:
    for name in ("folder", "place"):
        if name in ctx.params:
            return opened(ctx.params[name])
    cache: Cache = ctx.params["cache"]  # None if the folder cannot be opened
    return cache


#: The name of a function with results.
FUNCTION = _FunctionName()
#: ``MODULE:FUNCTION``.
CODE = _Code()
#: The name of a module.
MODULE = _Module()
#: The hash of a version of the function that is named before.
VERSION = _Version()
