"""Installs a built package in a new environment, and runs the tests against it.

    python scripts/test_package.py wheel [--group GROUP] [argument of pytest...]
    python scripts/test_package.py sdist [--group GROUP] [argument of pytest...]

The package is taken from dist/. For a wheel, nothing may be built, and except on Windows there is no
compiler on the PATH. The tests run from a copy of the repository without the built extension. They import
the installed package, and read the sources only as text. `--group smoke` installs none of the libraries
that funes supports, and runs only a few test files, for systems for which many of them have no wheel. The
default is `test`, without the interpreter lock `test-free-threaded`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from version import version

ROOT = Path(__file__).resolve().parent.parent
#: What the tests read.
FOLDERS = "tests", "docs", "examples", "benches", "scripts", "python", "rust", "licenses", ".ci"
FILES = (
    "Cargo.toml",
    "Makefile",
    "LICENSE",
    "pyproject.toml",
    *(page.name for page in ROOT.glob("*.md")),
)

#: The tests of `--group smoke`, which need no library.
SMOKE = ["tests/memo/test_memorious.py", "tests/call/test_call.py"]

COMPILER = re.compile(r"(.*-)?(cc|gcc|[cg]\+\+|clang|clang\+\+|cargo|rustc|rustup)(-[\d.]+)?")


def main(kind: str, group: str, arguments: list[str]) -> int:
    """Installs and tests the package; returns the exit code of pytest."""
    with tempfile.TemporaryDirectory(prefix="funes-") as name:
        copy, environment = Path(name, "copy"), Path(name, "environment")
        for part in (*FOLDERS, *FILES):
            _copy(ROOT / part, copy / part)
        venv.create(environment, with_pip=True)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        python = scripts / "python"
        with_compiler = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")
        }
        commands = _all_but_compilers(Path(name, "commands"))
        without = {**with_compiler, "PATH": f"{scripts}{os.pathsep}{commands}"}

        def run(*command: str, env: dict[str, str] = without) -> int:
            print("$ python", *command, flush=True)
            return subprocess.run([python, *command], cwd=copy, env=env, check=False).returncode

        def pip(*command: str, env: dict[str, str] = without) -> None:
            if run("-m", "pip", "--quiet", "--disable-pip-version-check", *command, env=env):
                raise SystemExit(f"test_package: pip {' '.join(command)} failed")

        pip("install", "--upgrade", "pip>=25.1")  # the first with `--group`
        if kind == "wheel":
            only = ("--only-binary", ":all:", "--no-index", "--find-links", str(ROOT / "dist"))
            pip("install", "--no-deps", *only, f"funes=={version()}")
        else:
            pip("install", str(ROOT / "dist" / f"funes-{version()}.tar.gz"), env=with_compiler)
        # The one library without a wheel, in pure Python. pip would choose a Hydra of 2020, which does not need it.
        binary = ("--only-binary", ":all:", "--no-binary", "antlr4-python3-runtime")
        pip("install", *binary, f"funes=={version()}", "--group", group)
        check = (
            "import funes, importlib.metadata as m, sys\n"
            f"assert funes.__version__ == m.version('funes') == {version()!r}\n"
            "assert funes.__file__.startswith(sys.prefix), funes.__file__\n"
            "licenses = [file.name for file in m.files('funes') if 'licenses' in file.parts]\n"
            f"assert sorted(licenses) == {_licenses()!r}, licenses\n"
            "print('installed:', funes.__file__)\n"
        )
        pytest = ("pytest", "-p", "no:cacheprovider", "-n", "2", "--no-loadscope-reorder")
        return run("-c", check) or run("-m", *pytest, *arguments)


def _licenses() -> list[str]:
    """Returns the names of the license files, of which each package must have all."""
    texts = [*(ROOT / "licenses").iterdir(), *ROOT.glob("python/**/*.LICENSE.txt")]
    return sorted(["LICENSE", *(path.name for path in texts)])


def _all_but_compilers(folder: Path) -> str:
    """Returns a PATH without compilers, a folder of links; on Windows, where links need a privilege, the PATH."""
    if os.name == "nt":
        return os.environ["PATH"]
    folder.mkdir()
    for place in os.get_exec_path():
        for command in Path(place).glob("*"):
            link = folder / command.name
            if not (COMPILER.fullmatch(command.name) or os.path.lexists(link)):
                link.symlink_to(command)
    return str(folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns("__pycache__", "_build", "_funes*.so")
        )
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("wheel", "sdist"))
    parser.add_argument("--group", default="", choices=("", "test", "test-free-threaded", "smoke"))
    options, arguments = parser.parse_known_args()
    is_free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    group = options.group or ("test-free-threaded" if is_free_threaded else "test")
    if group == "smoke" and not arguments:
        arguments = SMOKE
    sys.exit(main(options.kind, group, arguments))
