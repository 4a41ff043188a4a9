"""Run records: the program, the reference implementation and the vectors agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from funes import memorious
from funes._entries.run_record import id_of, parsed, read_run
from reference.runs import run_id
from vectors import make_runs


def test_vectors_match_reference_implementation() -> None:
    text = make_runs.FILE.read_text(encoding="utf-8")
    assert text == make_runs.document(), "run tests/vectors/make_runs.py"


@pytest.mark.parametrize("number", range(len(make_runs.RECORDS)))
def test_ids_match_reference_implementation(number: int, tmp_path: Path) -> None:
    record = json.loads(make_runs.FILE.read_bytes())[number]
    assert id_of(record) == record["id"] == run_id(record)
    found = parsed(json.dumps(record).encode(), record["id"])
    assert found is not None
    assert found._asdict() == {
        **{name: record[name] for name in ("id", "python", "platform", "packages", "host")},
        "commit": record["commit"] or "",
        "is_dirty": record["dirty"],
    }
    other = {**record, "written": "later"}
    assert id_of(other) == record["id"]
    for name in record.keys() - {"id", "written"}:
        assert id_of({**record, name: "another"}) != record["id"]


def test_written_record_is_as_specified(cache: Path) -> None:
    memorious(lambda x: x)(1)
    [path] = (cache / "runs").iterdir()
    record = json.loads(path.read_bytes())
    assert record.keys() == make_runs.RECORDS[0].keys() | {"id"}
    assert path.stem == record["id"] == run_id(record)
    assert read_run(str(cache), path.stem) is not None
