"""What is the user's own code, and what is a library.

The user's own code counts by what it says, a library by its name only. One function decides,
`is_user_code`; everything else here serves it. The file that holds the code decides, and only where there
is none does the module's name:

============================================  ======================================================
code                                          verdict
============================================  ======================================================
standard library, built-in, frozen modules    library
``site-packages``, ``dist-packages``          library: the folders of the running interpreter, of
                                              its base when it is a virtual environment, of the
                                              user, and every folder of these names on ``sys.path``
``__pypackages__`` (packages in a project)    library
funes                                         library
an editable install                           own: its files lie in a project, whatever imports them;
                                              so does a folder linked into ``site-packages``
a module in a zip file                        own, unless the zip file lies where libraries lie
a namespace package                           own if any of its folders is; a module in it by its file
``__main__``                                  by its file: a script is own, ``python -m pytest`` not
notebook cells, the prompt, ``-c``            own: no file, and no library is called ``__main__``
code made by ``exec`` (``<string>``)          as the module in whose globals it runs
a module of the user's that is named as one   own: its file is not in the standard library's folder
of the standard library
============================================  ======================================================

Somebody whose project lies under a folder that counts as a library's names the package with
`track_package`. What `pip install --target` puts into any other folder counts as own.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

_tracked_packages: set[str] = set()


def is_user_code(module: str, filename: str = "") -> bool:
    """Whether code is the user's own, so that what it says counts and not only its name.

    module: name of the module in whose globals the code runs; "" if it has none.
    filename: file that the code was compiled from, if known; else the module's own file decides.

    >>> is_own("json")
    False
    >>> is_own("__main__", "<stdin>")
    True
    """
    try:
        return _verdicts[module, filename]
    except KeyError:
        pass
    if module not in sys.modules:
        # Not kept: it may be registered a moment later, and then has a file.
        return _verdict(module, filename)
    verdict = _verdicts[module, filename] = _verdict(module, filename)
    return verdict


def track_package(package: str) -> None:
    """Count a package as your own code wherever it lies, so that what it says counts and not only its name.

    For a project that lies under a folder called ``site-packages``, or an installed package whose every change should
    be noticed. To be said in each process, before the first call of a memorious function: beside the import.

    Args:
        package: Name of a package or module; what lies below it (``package.sub``) is meant too.

    Raises:
        TypeError: It is no text.

    Example:
        >>> from funes import track_package
        >>> track_package("our_company")
    """
    if not isinstance(package, str):
        raise TypeError(f"track_package takes the name of a package, not {package!r}")
    _tracked_packages.add(package)
    _verdicts.clear()


_verdicts: dict[tuple[str, str], bool] = {}


def _verdict(module: str, filename: str) -> bool:
    if any(module == own or module.startswith(own + ".") for own in _tracked_packages):
        return True
    if _is_file(filename):
        files = [filename]
    elif filename and module in ("__main__", "__mp_main__"):
        files = []  # typed in, wherever the program lies that reads it
    else:
        files = _files_of(module)
    if files:
        return any(not _lies_with_libraries(file) for file in files)
    # No file at all: an interpreter's own module, a notebook, or code that was made while running.
    root = module.partition(".")[0]
    if root == "_wrappers" and root not in sys.modules:
        return False  # what wrapt's types in C say
    return root not in sys.stdlib_module_names and root not in sys.builtin_module_names


def _is_file(filename: str) -> bool:
    # "<stdin>", "<string>", "<ipython-input-3-...>", "<frozen os>", "<attrs generated ...>" are no
    # files.
    return bool(filename) and not filename.startswith("<")


def _files_of(module: str) -> list[str]:
    """The file of a loaded module; for a namespace package one in each of its folders; none if it has none."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return []
    filename = getattr(loaded, "__file__", None)
    if isinstance(filename, str):
        return [filename]
    return [os.path.join(str(folder), "__init__.py") for folder in getattr(loaded, "__path__", ())]


@lru_cache(maxsize=4096)
def _folder(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _lies_with_libraries(filename: str) -> bool:
    # References are followed for the folder and not for the file: a folder that is linked into
    # site-packages is a project under development, while a file that is linked there comes from an
    # installer's cache.
    try:
        folder = _folder(os.path.dirname(os.path.abspath(filename)))
    except OSError:
        return False  # a relative name without a working directory; libraries have absolute names
    parts = folder.split(os.sep)
    if "__pypackages__" in parts:
        return True
    return any(folder == root or folder.startswith(root + os.sep) for root in _library_roots())


def _library_roots() -> frozenset[str]:
    # The path may grow while the program runs.
    return _standard_roots() | _roots_on(tuple(sys.path))


@lru_cache(maxsize=1)
def _standard_roots() -> frozenset[str]:
    """Folders in which the interpreter itself, and funes, keep libraries, with links followed."""
    import site
    import sysconfig

    roots = [os.path.dirname(os.path.dirname(__file__))]
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    for paths in (sysconfig.get_paths(), sysconfig.get_paths(vars=base)):
        roots += [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    # Both are missing from the `site` of some embedders and old virtual environments.
    roots += getattr(site, "getsitepackages", list)()
    roots.append(getattr(site, "getusersitepackages", str)())
    return frozenset(_folder(root) for root in roots if root)


@lru_cache(maxsize=8)
def _roots_on(path: tuple[str, ...]) -> frozenset[str]:
    """Folders on a path that hold libraries by their name, with links followed."""
    standard_zip = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    names = ("site-packages", "dist-packages", "lib-dynload", standard_zip)
    return frozenset(
        _folder(entry) for entry in path if entry and os.path.basename(entry.rstrip("/\\")) in names
    )
