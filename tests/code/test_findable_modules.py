"""Modules that a function imports in its body are found without importing the packages that contain them."""

from __future__ import annotations

import importlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from funes import memorious
from funes._code.local_imports import Absent, _is_findable

FILES = {
    "outer_f/__init__.py": "raise RuntimeError('the package was imported')",
    "outer_f/module.py": "",
    "outer_f/inner/__init__.py": "raise RuntimeError('the package was imported')",
    "outer_f/inner/module.py": "",
    "outer_f/space/deep/module.py": "",
    "space_f/module.py": "",
    "space_f/nested/module.py": "",
    "plain_f.py": "raise RuntimeError('the module was imported')",
}

FOUND = [
    "outer_f",
    "outer_f.module",
    "outer_f.inner",
    "outer_f.inner.module",
    "outer_f.space",
    "outer_f.space.deep.module",
    "space_f",
    "space_f.module",
    "space_f.nested.module",
    "plain_f",
]

MISSING = [
    "missing_f",
    "missing_f.module",
    "outer_f.missing",
    "outer_f.inner.missing.module",
    "space_f.missing",
    "space_f.nested.missing",
    "plain_f.module",
]


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0].endswith("_f"):
            del sys.modules[name]


def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(folder))


def in_zip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = folder / "modules.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, text in FILES.items():
            # zipimport finds namespace packages by the entries of their folders.
            for parent in reversed(Path(name).parents[:-1]):
                if f"{parent.as_posix()}/" not in file.namelist():
                    file.writestr(f"{parent.as_posix()}/", "")
            file.writestr(name, text)
    monkeypatch.syspath_prepend(str(archive))


def by_finder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As editable installs do: a finder knows where the packages at the top are."""
    source = folder / "source"
    source.mkdir()
    in_folder(source, monkeypatch)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(source)])

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if not name.endswith("_f"):
                return None
            place = source / name
            if (place / "__init__.py").exists():
                return spec_from_file_location(
                    name, place / "__init__.py", submodule_search_locations=[str(place)]
                )
            if place.is_dir():
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [str(place)]
                return spec
            file = place.with_suffix(".py")
            return spec_from_file_location(name, file) if file.exists() else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])


@pytest.mark.parametrize("install", [in_folder, in_zip, by_finder])
def test_modules_are_found_and_no_package_is_imported(
    install: Callable[[Path, pytest.MonkeyPatch], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(tmp_path, monkeypatch)
    before = set(sys.modules)
    assert [name for name in FOUND if not _is_findable(name)] == []
    assert {name for name in set(sys.modules) - before if "_f" in name} == set()
    assert [name for name in MISSING if _is_findable(name)] == []


def test_path_of_a_loaded_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "grown_f").mkdir(parents=True)
    (tmp_path / "a" / "grown_f" / "__init__.py").write_text("")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "added.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    assert not _is_findable("grown_f.added")
    package = importlib.import_module("grown_f")
    package.__path__.append(str(tmp_path / "b"))
    assert _is_findable("grown_f.added")
    package.__path__.clear()
    assert not _is_findable("grown_f.added")
    del package.__path__
    assert not _is_findable("grown_f.added")


def test_package_that_makes_modules_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `six.moves`: the module does not exist before."""
    (tmp_path / "maker_f.py").write_text(
        "import sys, types\n"
        "__path__ = []\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        from importlib.machinery import ModuleSpec\n"
        "        return ModuleSpec(name, self) if name == 'maker_f.moves' else None\n"
        "sys.meta_path.append(Finder())\n"
    )
    (tmp_path / "stretched_f").mkdir()
    (tmp_path / "stretched_f" / "__init__.py").write_text(
        f"__path__.append({str(tmp_path / 'more')!r})"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "module.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    assert _is_findable("maker_f.moves")
    assert _is_findable("stretched_f.module")
    assert not _is_findable("stretched_f.missing")


def test_blocked_import_is_absent_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked_f.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "blocked_f", None)  # type: ignore[arg-type]
    absent = Absent("blocked_f")
    assert absent.__funes_key__() is False
    del sys.modules["blocked_f"]
    assert absent.__funes_key__() is True
    monkeypatch.setitem(sys.modules, "blocked_f", None)  # type: ignore[arg-type]
    assert absent.__funes_key__() is False


def test_first_call_imports_no_library(run_python: Callable[..., str], tmp_path: Path) -> None:
    """A branch that is not taken must not cost the import of its library."""
    library = tmp_path / "site-packages" / "heavy_f"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("")
    (library / "part.py").write_text("")
    script = f"""
import sys
sys.path.insert(0, {os.fspath(library.parent)!r})
from funes import memorious
@memorious
def f(x):
    if x > 10:
        from heavy_f.part import something
        import heavy_f.part
        return something(heavy_f.part.other)
    return x
print(f(1), "heavy_f" in sys.modules)
"""
    assert run_python(script) == "1 False\n"


def test_definition_is_the_same_before_and_after_the_import() -> None:
    @memorious
    def f(x: int) -> int:
        if x > 10:
            import xml.sax.saxutils  # noqa: F401
        return x

    for name in [name for name in sys.modules if name.startswith("xml.sax")]:
        del sys.modules[name]
    before = f.definition
    importlib.import_module("xml.sax.saxutils")
    assert f.definition == before
