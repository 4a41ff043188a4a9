"""Files without permission or of another user, and a limit of file sizes, for a user without root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions as POSIX has them")

#: Stores one result, does what the test says, becomes an ordinary user if it is root, and calls twice.
PRELUDE = """
import os, signal, sys, warnings
from pathlib import Path
from funes import memorious

root = Path(os.environ["FOLDER"])

@memorious(cache_dir=root / "cache", memory=0)
def double(x):
    print("computed", x)
    return 2 * x

def become_ordinary(owns):
    if os.geteuid() == 0:
        for path in [root, *root.rglob("*")] if owns else []:
            os.chown(path, 65534, 65534)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

def call(x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert double(x) == 2 * x
    print("warnings", len(caught))

call(1)
entry = next(double.cache_path.glob("*.dill"))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that all users can reach, unlike the folders of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def told(run_python: Callable[..., str], folder: Path) -> Callable[[str], list[str]]:
    def told(script: str) -> list[str]:
        # The first two lines are of the call that fills the cache.
        printed = run_python(PRELUDE + script, FOLDER=str(folder)).splitlines()
        assert printed[:2] == ["computed 1", "warnings 0"]
        return printed[2:]

    return told


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_unreadable_entry_is_computed_and_stays(
    told: Callable[[str], list[str]], folder: Path
) -> None:
    lines = told("become_ordinary(True)\nentry.chmod(0)\ncall(1)\nentry.chmod(0o600)\ncall(1)")
    # The second call finds the entry again.
    assert lines == ["computed 1", "warnings 1", "warnings 0"]
    assert not [path for path in files(folder) if "damaged" in path.parts]


@pytest.mark.parametrize("closed", ["entry.parent", "entry.parent.parent", "root / 'cache'"])
def test_folder_without_permission(
    told: Callable[[str], list[str]], folder: Path, closed: str
) -> None:
    lines = told(
        f"become_ordinary(True)\n({closed}).chmod(0)\ncall(1)\ncall(2)\n"
        f"({closed}).chmod(0o700)\ncall(1)\ncall(2)\ncall(2)"
    )
    assert lines[0] == "computed 1"
    assert lines[2] == "computed 2"
    assert int(lines[1].split()[1]) >= 1
    # With permission again, stored results are found, and new ones are stored.
    assert lines[-4:] == ["warnings 0", "computed 2", "warnings 0", "warnings 0"]


def test_read_only_cache_serves_hits(told: Callable[[str], list[str]], folder: Path) -> None:
    lines = told(
        "become_ordinary(True)\nentry.parent.chmod(0o500)\ncall(1)\ncall(2)\ncall(1)\ncall(2)"
    )
    assert lines == [
        "warnings 0",
        "computed 2",
        "warnings 1",
        "warnings 0",
        "computed 2",
        "warnings 0",
    ]
    assert len([path for path in files(folder) if path.suffix == ".dill"]) == 1


def test_read_only_folder_works_without_locks_or_warnings(
    told: Callable[[str], list[str]],
) -> None:
    lines = told(
        "(entry.parent / '.lock').unlink()\nbecome_ordinary(True)\nentry.parent.chmod(0o500)\ncall(2)"
    )
    # The warning about the result that could not be stored.
    assert lines == ["computed 2", "warnings 1"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes files of two owners"
)
def test_private_cache_of_another_user(told: Callable[[str], list[str]], folder: Path) -> None:
    lines = told("become_ordinary(False)\ncall(1)\ncall(2)")
    assert [line for line in lines if line.startswith("computed")] == ["computed 1", "computed 2"]
    before = files(folder)
    assert {path.stat().st_uid for path in before} == {0}
    assert len([path for path in before if path.suffix == ".dill"]) == 1


def test_file_size_limit(told: Callable[[str], list[str]], folder: Path) -> None:
    lines = told(
        "import resource\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "_, most = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, most))\n"
        "call(1)\ncall(2)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
        "call(2)\ncall(2)"
    )
    assert lines == [
        "warnings 0",
        "computed 2",
        "warnings 1",
        "computed 2",
        "warnings 0",
        "warnings 0",
    ]
    assert not [path for path in files(folder) if path.name.startswith(".tmp-")]


@pytest.mark.parametrize(("mode", "kept"), [(0o500, 0), (0o700, 1)])
def test_stats_are_lost_silently_in_read_only_folder(
    mode: int, kept: int, told: Callable[[str], list[str]], folder: Path
) -> None:
    script = f"become_ordinary(True)\nentry.parent.chmod({mode})\ncall(1)"
    assert told(script) == ["warnings 0"]
    assert sum(path.name == "stats.json" for path in files(folder)) == kept
