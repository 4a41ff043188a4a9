"""Separates user code from library code.

User code counts by content, library code by name. `is_user_code` classifies code by its file. Code
without a file is classified by its module name:

============================================  ======================================================
code                                          classification
============================================  ======================================================
standard library, built-in, frozen modules    library
``site-packages``, ``dist-packages``          library: the folders of the running interpreter, of
                                              the base of a virtual environment, of the user, and
                                              every folder of these names on ``sys.path``
``__pypackages__`` (packages in a project)    library
funes                                         library
an editable install                           user code: its files are in a project; so are those of
                                              a folder linked into ``site-packages``
a module in a zip file                        user code, unless the zip file is in a library folder
a namespace package                           user code if one of its folders is; its modules are
                                              classified by file
``__main__``                                  by file: a script is user code, ``python -m pytest`` is
                                              not
notebook cells, the prompt, ``-c``            user code: no file, and no library is named
                                              ``__main__``
code created by ``exec`` (``<string>``)       like the module in whose globals it runs
a user module with the name of a module of    user code: its file is not in the folder of the
the standard library                          standard library
============================================  ======================================================

A project inside a library folder is declared user code with `track_package`. Files that
`pip install --target` puts into any other folder are user code.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

from funes._entries.main_module import MAINS

_tracked_packages: set[str] = set()


def is_user_code(module: str, filename: str = "") -> bool:
    """Returns true for user code, which counts by content; false for library code, which counts by name.

    module: The name of the module in whose globals the code runs; empty if it has none.
    filename: The file from which the code was compiled, if known; otherwise the file of the module
        decides.

    >>> is_user_code("json")
    False
    >>> is_user_code("__main__", "<stdin>")
    True
    """
    try:
        return _verdicts[module, filename]
    except KeyError:
        pass
    if module not in sys.modules:
        # The verdict is not cached: the module may be registered later, and then has a file.
        return _verdict(module, filename)
    verdict = _verdicts[module, filename] = _verdict(module, filename)
    return verdict


def track_package(package: str) -> None:
    """Declares a package to be user code: its content counts, not only its name.

    Use it for a project in a folder named ``site-packages``, or for an installed package whose every
    change should be noticed. Call it in each process before the first call of a memorious function,
    for example next to the import.

    Args:
        package: The name of a package or module. Its submodules (``package.sub``) are included.

    Raises:
        TypeError: The name is not a string.

    Example:
        >>> from funes import track_package
        >>> track_package("our_company")
    """
    if not isinstance(package, str):
        raise TypeError(f"track_package takes the name of a package, not {package!r}")
    _tracked_packages.add(package)
    _verdicts.clear()


def tracked_count() -> int:
    """Returns how many packages `track_package` has declared. If the number grows, earlier verdicts may be outdated."""
    return len(_tracked_packages)


_verdicts: dict[tuple[str, str], bool] = {}


def _verdict(module: str, filename: str) -> bool:
    if any(module == name or module.startswith(name + ".") for name in _tracked_packages):
        return True
    if _is_file(filename):
        files = [filename]
    elif filename and module in MAINS:
        files = []  # code typed at a prompt, wherever the program with the prompt is installed
    else:
        files = _files_of(module)
    if files:
        return any(not _lies_with_libraries(file) for file in files)
    # No file at all: a built-in module, a notebook, or code that was created at run time.
    root = module.partition(".")[0]
    if root == "_wrappers" and root not in sys.modules:
        return False  # the module name of wrapt's types in C
    return root not in sys.stdlib_module_names and root not in sys.builtin_module_names


def _is_file(filename: str) -> bool:
    # "<stdin>", "<string>", "<ipython-input-3-...>", "<frozen os>", "<attrs generated ...>" are not
    # files.
    return bool(filename) and not filename.startswith("<")


def _files_of(module: str) -> list[str]:
    """Returns the file of a loaded module; for a namespace package, one file in each of its folders."""
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
    # Symbolic links are resolved for the folder, not for the file: a folder that is linked into
    # site-packages is a project under development, but a file that is linked there comes from the
    # cache of an installer.
    try:
        folder = _folder(os.path.dirname(os.path.abspath(filename)))
    except OSError:
        return False  # a relative path without a working directory; libraries have absolute paths
    parts = folder.split(os.sep)
    if "__pypackages__" in parts:
        return True
    return any(folder == root or folder.startswith(root + os.sep) for root in library_roots())


def library_roots() -> frozenset[str]:
    """Returns the folders of libraries, with links resolved."""
    # `sys.path` may grow while the program runs.
    return _standard_roots() | _roots_on(tuple(sys.path))


@lru_cache(maxsize=1)
def _standard_roots() -> frozenset[str]:
    """Returns the library folders of the interpreter, and the folder of funes, with links resolved."""
    import site
    import sysconfig

    roots = [os.path.dirname(os.path.dirname(__file__))]
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    for paths in (sysconfig.get_paths(), sysconfig.get_paths(vars=base)):
        roots += [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    # Both functions are missing from `site` in some embedders and old virtual environments.
    roots += getattr(site, "getsitepackages", list)()
    roots.append(getattr(site, "getusersitepackages", str)())
    return frozenset(_folder(root) for root in roots if root)


@lru_cache(maxsize=8)
def _roots_on(path: tuple[str, ...]) -> frozenset[str]:
    """Returns the folders on a path that are library folders by name, with links resolved."""
    standard_zip = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    names = ("site-packages", "dist-packages", "lib-dynload", standard_zip)
    return frozenset(
        _folder(entry) for entry in path if entry and os.path.basename(entry.rstrip("/\\")) in names
    )
