"""Runs the table of `definition_cases`: each version of each project in a separate process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

from definition_cases import CASES

__all__ = ["run_table"]

RUNNER = Path(__file__).with_name("definition_runner.py")


def run_table(
    interpreter: str, version: tuple[int, int], measure: str, folder: Path
) -> dict[str, tuple[str, str]]:
    """Returns the measures of both versions of each case that an interpreter can run, by name.

    measure: "hash", or "outline" for an interpreter without the extension of funes.
    folder: The folder for the projects.
    """
    cases = [case for case in CASES if case.since <= version]
    folders = []
    for number, case in enumerate(cases):
        for which in (0, 1):
            project = folder / f"{number}-{which}"
            for path, text in case.files(which).items():
                file = project / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            folders.append(str(project))
    command = [interpreter, "-W", "ignore", str(RUNNER), measure, *folders]
    package = importlib.util.find_spec("funes")
    assert package is not None
    assert package.origin is not None
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "DEFINITION_RUNNER_PACKAGE": str(Path(package.origin).parent),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    return {case.name: pair for case, pair in zip(cases, pairs, strict=True)}
