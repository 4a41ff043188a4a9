"""Loggers count by their names: as arguments, as attributes, in definitions."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from funes import hash_definition, hash_value


class Rated(logging.Logger):
    def __init__(self, name: str, rate: int) -> None:
        super().__init__(name)
        self.rate = rate


class Model:
    def __init__(self, log: Any) -> None:
        self.log = log


def adapted(name: str) -> Any:
    return logging.LoggerAdapter(logging.getLogger(name), {})


@pytest.mark.parametrize("make", [logging.getLogger, adapted, lambda name: Rated(name, 1)])
@pytest.mark.parametrize("place", [lambda log: log, lambda log: [log], Model])
def test_loggers_count_by_name_only(make: Any, place: Any) -> None:
    one = make("tests.one")
    before = hash_value(place(one))
    own = getattr(one, "logger", one)
    own.setLevel(logging.DEBUG)
    own.addHandler(logging.NullHandler())
    own.propagate = False
    own.isEnabledFor(logging.INFO)
    assert hash_value(place(make("tests.one"))) == hash_value(place(one)) == before
    assert hash_value(place(make("tests.other"))) != before


def test_attributes_of_logger_subclass_count() -> None:
    assert hash_value(Rated("a", 1)) != hash_value(Rated("a", 2))
    assert hash_value(Rated("a", 1)) != hash_value(logging.getLogger("a"))


def test_root_logger_counts_by_name() -> None:
    before = hash_value(logging.getLogger())
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        assert hash_value(logging.getLogger()) == before
    finally:
        logging.getLogger().removeHandler(handler)


def test_captured_logger_counts_by_name() -> None:
    def make(log: Any) -> Any:
        return lambda x: log.info(x + 1)

    names = ("a", "b", "a", f"{__name__}.part")
    one, other, same, inner = (hash_definition(make(logging.getLogger(name))) for name in names)
    assert one == same != other
    assert inner not in (one, other)
    assert hash_value(make(logging.getLogger("a"))) != hash_value(make(logging.getLogger("b")))
