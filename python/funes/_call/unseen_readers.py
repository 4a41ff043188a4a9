"""Finds calls of libraries that open files without Python, so that no audit event tells of the files."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The names of functions and classes that read files in C or Rust; with a dot or underscore at their ends, of all those
#: that begin like this.
READERS = (
    "polars.read_",
    "polars.scan_",
    "pyarrow.OSFile",
    "pyarrow.csv.",
    "pyarrow.dataset.",
    "pyarrow.feather.read_",
    "pyarrow.fs.",
    "pyarrow.json.",
    "pyarrow.memory_map",
    "pyarrow.orc.",
    "pyarrow.parquet.ParquetDataset",
    "pyarrow.parquet.ParquetFile",
    "pyarrow.parquet.read_",
    "pandas.read_hdf",
    "pandas.read_orc",
    "pandas.read_parquet",
    "h5py.File",
    "netCDF4.Dataset",
    "netCDF4.MFDataset",
    "xarray.open_",
    "xarray.load_",
    "tables.open_file",
    "zarr.open",
    "zarr.load",
    "duckdb.",
    "geopandas.read_",
    "rasterio.open",
    "cv2.imread",
)

_MODULE = re.compile(r"\('module', '([\w.]+)'\)")


def find_readers(nodes: list[dict[str, Any]]) -> list[str]:
    """Returns such functions that the code of a definition calls, as ``library.function (in module.function)``."""
    found: dict[str, str] = {}
    for node in nodes:
        for name in _called(node):
            if any(
                name == each or (each[-1] in "._" and name.startswith(each)) for each in READERS
            ):
                found.setdefault(name, f"{name} (in {node['name']})")
    return list(found.values())


def _called(node: dict[str, Any]) -> Iterator[str]:
    """Yields the dotted names of the library functions that the source of a node calls."""
    try:
        tree = ast.parse(textwrap.dedent(node["source"]))
    except (SyntaxError, ValueError):
        return
    full: dict[str, str] = {}
    for label, link in node["links"].items():
        # A label is the kind of the name, such as "global", and the name.
        name = label.partition(" ")[2].removesuffix(" by name")
        module = _MODULE.fullmatch(str(link.get("shown", "")))
        if module is not None:
            full[name] = module[1]
    statements = list(ast.walk(tree))
    for statement in statements:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name.partition(".")[0]
                full[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                full[alias.asname or alias.name] = f"{statement.module}.{alias.name}"
    for statement in statements:
        if isinstance(statement, ast.Call):
            parts: list[str] = []
            called = statement.func
            while isinstance(called, ast.Attribute):
                parts.append(called.attr)
                called = called.value
            if isinstance(called, ast.Name) and called.id in full:
                yield ".".join((full[called.id], *reversed(parts)))
