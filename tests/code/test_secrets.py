"""Tests that secrets are not stored or shown: only their digests are."""

from __future__ import annotations

import io
import itertools
import json
import logging
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import explain_definition, hash_value
from funes._code.secrets import without_secrets

SECRET = "sk-4f2a-do-not-tell"

TEXTS = {
    "global": "API_KEY = {!r}\n@memorious\ndef f(x): return x, API_KEY\n",
    "bytes": "Password = {!r}.encode()\n@memorious\ndef f(x): return x, Password\n",
    "helper": "token_ = {!r}\ndef g(): return token_\n@memorious\ndef f(x): return x, g()\n",
    "captured": "def make(db_secret):\n @memorious\n def f(x): return x, db_secret\n return f\nf = make({!r})\n",
    "default": "HIDDEN = {!r}\n@memorious\ndef f(x, credentials=HIDDEN): return x\n",
    "attribute": "HIDDEN = {!r}\nclass C: auth_token = HIDDEN\n@memorious\ndef f(x): return x, C.auth_token\n",
    "module": "import keys_of_mine\nkeys_of_mine.A = {!r}\n@memorious\ndef f(x): return x, keys_of_mine.A\n",
}


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Callable[..., Any]:
    """Returns ``define(text, secret)``, which gives `f` of a module `mine` with this text."""
    numbers = itertools.count()
    (tmp_path / "keys_of_mine.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "keys_of_mine", raising=False)

    def defined(text: str, secret: str) -> Any:
        path = tmp_path / f"text{next(numbers)}.py"
        text = "from funes import memorious\n" + text.format(secret)
        path.write_text(text, encoding="utf-8")
        module = types.ModuleType("mine")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, "mine", module)
        exec(compile(text, str(path), "exec"), module.__dict__)
        return module.f

    return defined


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_secret_is_not_written_or_shown(
    text: str, define: Callable[..., Any], cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = define(text, SECRET)
    old(1)
    path = old.cache_path / "definition.json"
    recorded = path.read_text(encoding="utf-8")
    assert SECRET not in recorded
    assert "<digest " in recorded
    out = io.StringIO()
    explain_definition(old, file=out)
    assert SECRET not in out.getvalue()
    new = define(text, SECRET + "-more")
    found = new.explain(1)
    assert found.why == "definition"
    [change] = found.changes
    assert change.before.startswith("<digest ")
    assert change.after.startswith("<digest ")
    assert change.before != change.after
    assert SECRET not in str(found) + repr(found) + found.line()
    with caplog.at_level(logging.INFO, logger="funes"):
        new(2)
    assert SECRET not in caplog.text


def test_values_without_secret_names_are_shown(define: Callable[..., Any]) -> None:
    memo = define("RATE = {!r}\nKEY = 3\n@memorious\ndef f(x): return x, RATE, KEY\n", "0.1")
    memo(1)
    content = json.loads((memo.cache_path / "definition.json").read_bytes())
    references = content["nodes"][0]["links"]
    assert references["global RATE"]["shown"] == "'0.1'"
    digest = hash_value(3)
    assert references["global KEY"] == {"value": digest, "shown": f"<digest {digest[:8]}>"}


CODE = {
    "class": "class C:\n    TOKEN: str = {!r}\n@memorious\ndef f(x): return x, C.TOKEN\n",
    "parameter": "@memorious\ndef f(x, api_key={!r}): return x\n",
    "argument": "@memorious\ndef f(x): return dict(password={!r})\n",
    "dict": "@memorious\ndef f(x): return {{'client_secret': {!r}}}\n",
    "variable": "@memorious\ndef f(x):\n    token = ({!r}\n        'more')\n    return token\n",
}


@pytest.mark.parametrize("text", CODE.values(), ids=CODE)
def test_secret_in_source_is_not_shown(text: str, define: Callable[..., Any]) -> None:
    old, new = define(text, SECRET), define(text, SECRET + "-2")
    old(1)
    assert SECRET not in (old.cache_path / "definition.json").read_text(encoding="utf-8")
    found = new.explain(1)
    assert found.why == "definition"
    assert SECRET not in str(found)
    assert "<digest " in str(found)


@pytest.mark.parametrize(
    "code",
    [
        "sorted(xs, key=lambda x: 'a')",
        "if key == 'abc': pass",
        "x = {key: 1 for key in 'abc'}",
        "name = 'key'",
        "return monkey['a']",
        "token",
        "token = '",
        "",
    ],
)
def test_strings_without_secret_names_are_kept(code: str) -> None:
    assert without_secrets(code) == code


@pytest.mark.parametrize("part", ["key", "key: a ", "token = '", "token = '''", "a, ", "'a' "])
def test_secret_search_takes_linear_time(part: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        without_secrets(f"token: {part * times}")
        return time.process_time() - start

    assert seconds(8000) < 100 * seconds(800) + 1
