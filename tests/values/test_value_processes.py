"""The vectors are reproduced in fresh processes, for any order of their sets and dicts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vectors import make

TESTS = Path(__file__).parents[1]

# Prints the names of the vectors that are not reproduced, and then the order of a set in this process.
SCRIPT = """
import json, sys
from funes import hash_value
from funes._funes import encode_value
from vectors import make

vectors = json.loads(make.FILE.read_text(encoding="utf-8"))["vectors"]
if sys.argv[1:] == ["reversed"]:
    vectors.reverse()
for vector in vectors:
    value = make.build(vector["python"])
    if (encode_value(value).hex(), hash_value(value)) != (vector["encoding"], vector["hash"]):
        print(vector["name"])
print("done", *set("abcdefgh"))
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("seed", ["0", "1", "2", "random"])
def test_the_vectors_hold_in_a_fresh_process(python: Run, seed: str) -> None:
    done = python("-c", SCRIPT, PYTHONPATH=str(TESTS), PYTHONHASHSEED=seed)
    assert done.returncode == 0, done.stderr
    failed, _, _ = done.stdout.rpartition("done")
    assert failed == ""


def test_hash_seed_changes_set_order(python: Run) -> None:
    layouts = {
        python("-c", "print(*set('abcdefgh'))", PYTHONHASHSEED=seed).stdout for seed in "012"
    }
    assert len(layouts) > 1


def test_the_vectors_hold_in_another_order(python: Run) -> None:
    """Earlier hashes and their caches do not count."""
    done = python("-c", SCRIPT, "reversed", PYTHONPATH=str(TESTS))
    assert done.stdout.startswith("done"), done.stdout + done.stderr


def test_the_reference_writes_the_same_file_in_a_fresh_process(python: Run) -> None:
    for seed in "12":
        done = python(make.FILE.with_name("make.py"), "--check", PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr


# Instances of user-defined classes, whose hashes include the definition of the class.
PROJECT = """
import dataclasses, enum, json, sys
from funes import hash_value

class Colour(enum.Enum):
    RED = "red"

@dataclasses.dataclass
class Point:
    x: int
    y: set

class Node:
    pass

first, second = Node(), Node()
first.next, second.next, first.set = second, first, {first, second, "a", "b"}

values = [
    Point(1, {"a", "b", "c", None, (1, "x")}),
    {Colour.RED: {"a": 1, "b": [2]}, ("t", 1): frozenset("xyz"), None: Point(2, set())},
    first,
    [second, {first: first}],
    Point,
]
if __name__ == "__main__":
    print(json.dumps([hash_value(value) for value in values]))
"""


def test_user_classes_hash_equal_in_every_process(python: Run, tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT, encoding="utf-8")
    outputs = [python("project.py", PYTHONHASHSEED=seed) for seed in ("0", "1", "2", "random")]
    assert {done.stderr for done in outputs} == {""}
    assert len({done.stdout for done in outputs}) == 1
    assert len(set(json.loads(outputs[0].stdout))) == 5


def test_user_classes_hash_equal_imported_and_run(python: Run, tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT, encoding="utf-8")
    imports = (
        "import json, project; print(json.dumps([project.hash_value(v) for v in project.values]))"
    )
    run, imported = python("project.py"), python("-c", imports, PYTHONPATH=str(tmp_path))
    assert run.stdout == imported.stdout, run.stderr + imported.stderr
    assert run.stdout.startswith("[")
