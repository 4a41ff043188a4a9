"""The vectors of the value encoding: file, reference and extension agree; released hashes are kept."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import hash_definition, hash_value, memorious
from funes._funes import encode_value
from reference import canonical
from vectors import make

DOCUMENT = json.loads(make.FILE.read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]
CALLS: list[dict[str, Any]] = DOCUMENT["calls"]


def each(entries: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", entries, ids=[entry["name"] for entry in entries])


def test_released_hashes_are_unchanged() -> None:
    """A changed hash would change the keys of results that users have on disk.

    It requires a new version of the encoding (docs/format.md), whose hashes are added beside the old ones.
    """
    promised = json.loads(make.RELEASED.read_text(encoding="utf-8"))
    now = {entry["name"]: entry["hash"] for entry in VECTORS + CALLS}
    assert {name: now.get(name) for name in promised["encoding 1"]} == promised["encoding 1"]


def test_all_vectors_are_released() -> None:
    promised = json.loads(make.RELEASED.read_text(encoding="utf-8"))
    names = {entry["name"] for entry in VECTORS + CALLS}
    assert names == set(promised[f"encoding {DOCUMENT['encoding']}"]), "run tests/vectors/make.py"


def test_vectors_match_the_reference() -> None:
    assert make.FILE.read_text(encoding="utf-8") == make.document(), "run tests/vectors/make.py"


@each(VECTORS)
def test_the_extension_encodes_as_the_reference(vector: dict[str, Any]) -> None:
    assert encode_value(make.build(vector["python"])).hex() == vector["encoding"]


@each(VECTORS)
def test_the_extension_hashes_as_the_reference(vector: dict[str, Any]) -> None:
    assert hash_value(make.build(vector["python"])) == vector["hash"]


def test_names_of_vectors_are_unique() -> None:
    times = Counter(entry["name"] for entry in VECTORS + CALLS)
    assert [name for name in times if times[name] > 1] == []


def test_vectors_are_equal_iff_declared() -> None:
    first_of: dict[str, str] = {}
    for vector in VECTORS:
        first = first_of.setdefault(vector["hash"], vector["name"])
        assert first == vector.get("same_as", vector["name"]), vector["name"]


def test_encodings_differ_as_hashes_do() -> None:
    assert len({entry["encoding"] for entry in VECTORS}) == len(
        {entry["hash"] for entry in VECTORS}
    )


def test_nodes_up_to_256_bytes_are_inline() -> None:
    for vector in VECTORS:
        if "node of 256 bytes" in vector["name"]:
            assert len(vector["encoding"]) == 2 * 256, vector["name"]
        if "node of 257 bytes" in vector["name"]:
            assert len(vector["encoding"]) == 2 * 33, vector["name"]
            assert vector["encoding"].startswith("40"), vector["name"]


def test_every_tag_is_in_a_vector() -> None:
    found: set[int] = set()

    def collect(node: canonical.Node, seen: set[canonical.Node]) -> None:
        found.add(node.head[0])
        seen.add(node)
        for child in node.children:
            if child not in seen:
                collect(child, seen)

    for vector in VECTORS:
        collect(canonical.graph(make.build(vector["python"]), canonical.no_token), set())
    # DIGEST and MEMBER replace nodes; DEFINITION is always replaced by its digest; ARGUMENTS is the root of a call.
    assert found == {*range(0x0D), *range(0x10, 0x19), *range(0x20, 0x25), 0x30, 0x31, 0x33}


# --- Calls and definitions ------------------------------------------------------------------------


@pytest.fixture
def function(tmp_path: Path) -> Callable[[str], Any]:
    """Returns ``function(header)``, which defines a function in a file."""

    def define(header: str) -> Any:
        path = tmp_path / "defined.py"
        path.write_text(f"def function({header}):\n    return 1\n", encoding="utf-8")
        spec = importlib.util.spec_from_file_location("defined", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.function

    return define


def lenient(function: Any) -> Any:
    """Returns a wrapper that takes any arguments."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    return wrapper


@each(CALLS)
def test_an_entry_is_named_by_the_arguments_as_the_reference_hashes_them(
    vector: dict[str, Any], function: Callable[[str], Any], cache: Path
) -> None:
    defined = function(vector["signature"])
    if vector.get("is_wrapped"):
        defined = lenient(defined)
    remembered = memorious(defined, ignore=vector["ignore"])
    eval(f"remembered({vector['arguments']})", {"remembered": remembered})
    assert [path.stem for path in cache.rglob("*.dill")] == [vector["hash"]]


def test_definition_hash_has_its_own_use(function: Callable[[str], Any]) -> None:
    defined = function("a")
    assert hash_definition(defined) == canonical.hash_definition(encode_value(defined))
    assert hash_value(defined) == canonical.hash_value(defined, encode_value)
    assert hash_definition(defined) != hash_value(defined)


def test_short_definition_is_a_digest(function: Callable[[str], Any]) -> None:
    token = encode_value(function("a"))
    assert len(token) == 33
    assert token[0] == canonical.DIGEST
