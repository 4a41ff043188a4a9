"""Every usual way to read a file is seen, or reported by a warning."""

# ruff: noqa: SIM115  # the ways of reading are one line each

from __future__ import annotations

import ctypes
import gzip
import importlib
import json
import mmap
import os
import pickle
import sqlite3
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from funes import CacheWarning, memorious

pytestmark = pytest.mark.usefixtures("cache")

Write = Callable[[Path, int], object]
Read = Callable[[str], Any]

#: The packages that a way needs, a function that writes a file with a number, and one that reads the file.
WAYS: dict[str, tuple[tuple[str, ...], Write, Read]] = {}


def way(name: str, *needs: str) -> Callable[[tuple[Write, Read]], None]:
    return lambda pair: WAYS.__setitem__(name, (needs, *pair))


def package(name: str) -> Any:
    return importlib.import_module(name)


def text(path: Path, number: int) -> None:
    path.write_text(f"{number}\n{number}\n")


def table(path: Path, number: int) -> None:
    path.write_text(f"a,b\n{number},{number}\n")


def array(path: Path, number: int) -> None:
    with path.open("wb") as file:
        package("numpy").save(file, package("numpy").full(100, float(number)))


def with_os_open(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def with_mmap(path: str) -> bytes:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped[:]


def with_fopen(path: str) -> bytes:
    library = ctypes.CDLL(None)
    library.fopen.restype = library.fgets.restype = ctypes.c_void_p
    file, line = library.fopen(path.encode(), b"r"), ctypes.create_string_buffer(100)
    library.fgets(line, 100, ctypes.c_void_p(file))
    library.fclose(ctypes.c_void_p(file))
    return line.value


def a_database(path: Path, number: int) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("create table t (a)")
    connection.execute("insert into t values (?)", (number,))
    connection.commit()
    connection.close()


def from_database(path: str) -> Any:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("select a from t").fetchall()
    finally:
        connection.close()


def a_tar_file(path: Path, number: int) -> None:
    member = path.with_name("member")
    text(member, number)
    with tarfile.open(path, "w") as file:
        file.add(member, "member")


def from_tar_file(path: str) -> Any:
    with tarfile.open(path) as file:
        member = file.extractfile("member")
        assert member is not None
        return member.read()


def a_zip_file(path: Path, number: int) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("member", str(number))


def from_zip_file(path: str) -> Any:
    with zipfile.ZipFile(path) as file:
        return file.read("member")


def an_image(path: Path, number: int) -> None:
    package("PIL.Image").new("L", (2, 2), number).save(path, "png")


def from_image(path: str) -> Any:
    with package("PIL.Image").open(path) as image:
        return image.getpixel((0, 0))


def a_resource(path: Path, number: int) -> None:
    path.with_name("__init__.py").touch()
    text(path, number)


def as_resource(path: str) -> Any:
    from importlib import resources

    folder = os.path.dirname(path)
    sys.path.insert(0, os.path.dirname(folder))
    try:
        return (
            resources.files(os.path.basename(folder)).joinpath(os.path.basename(path)).read_text()
        )
    finally:
        del sys.path[0]


def frame(number: int) -> Any:
    return package("pandas").DataFrame({"a": [number], "b": [number]})


def with_subprocess(path: str) -> bytes:
    program = f"print(open({path!r}).read())"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout


def with_config_parser(path: str) -> str:
    parser = package("configparser").ConfigParser()
    parser.read(path)
    return str(parser["part"]["a"])


way("open")((text, lambda path: open(path).read()))
way("open, bytes path")((text, lambda path: open(os.fsencode(path), "rb").read()))
way("open, read and write")((text, lambda path: open(path, "r+").read()))
way("io.FileIO")((text, lambda path: package("io").FileIO(path).read()))
way("codecs.open")((text, lambda path: package("codecs").open(path, encoding="utf-8").read()))
way("os.open")((text, with_os_open))
way("pathlib")((text, lambda path: Path(path).read_text()))
way("pathlib.open")((text, lambda path: Path(path).open().read()))
way("mmap")((text, with_mmap))
way("fileinput")((text, lambda path: list(package("fileinput").input(path))))
way("linecache.getline of data")((text, lambda path: open(path).readline()))
way("csv")((table, lambda path: list(package("csv").reader(open(path)))))
way("json")(
    (lambda path, number: path.write_text(json.dumps(number)), lambda path: json.load(open(path)))
)
way("pickle")(
    (
        lambda path, number: path.write_bytes(pickle.dumps(number)),
        lambda path: pickle.load(open(path, "rb")),
    )
)
way("configparser")(
    (lambda path, number: path.write_text(f"[part]\na={number}\n"), with_config_parser)
)
way("tomllib", "tomllib")(
    (
        lambda path, number: path.write_text(f"a={number}\n"),
        lambda path: package("tomllib").load(open(path, "rb")),
    )
)
way("yaml", "yaml")(
    (
        lambda path, number: path.write_text(f"a: {number}\n"),
        lambda path: package("yaml").safe_load(open(path)),
    )
)
way("gzip")(
    (
        lambda path, number: path.write_bytes(gzip.compress(b"%d" % number)),
        lambda path: gzip.open(path).read(),
    )
)
way("bz2")(
    (
        lambda path, number: path.write_bytes(package("bz2").compress(b"%d" % number)),
        lambda path: package("bz2").open(path).read(),
    )
)
way("lzma")(
    (
        lambda path, number: path.write_bytes(package("lzma").compress(b"%d" % number)),
        lambda path: package("lzma").open(path).read(),
    )
)
way("zipfile")((a_zip_file, from_zip_file))
way("tarfile")((a_tar_file, from_tar_file))
way("shelve and dbm.dumb")(
    (
        lambda path, number: (
            [path.with_suffix(f".{end}").unlink(missing_ok=True) for end in ("dat", "dir")]
            and package("dbm.dumb").open(str(path.with_suffix("")), "c").update({"a": str(number)})
        ),
        lambda path: package("dbm.dumb").open(str(Path(path).with_suffix("")), "r")["a"],
    )
)
way("sqlite3")((a_database, from_database))
way("xml.etree")(
    (
        lambda path, number: path.write_text(f"<a>{number}</a>"),
        lambda path: package("xml.etree.ElementTree").parse(path).getroot().text,
    )
)
way("importlib.resources")((a_resource, as_resource))
way("subprocess")((text, with_subprocess))
way("os.system")(
    (
        text,
        lambda path: (
            os.system(f"exit $(head -1 {path})")
            if os.name == "posix"
            else subprocess.call(["type", path])
        ),
    )
)
way("ctypes fopen")((text, with_fopen))
way("numpy.load", "numpy")((array, lambda path: package("numpy").load(path).tolist()))
way("numpy.load, mapped", "numpy")(
    (array, lambda path: package("numpy").load(path, mmap_mode="r").tolist())
)
way("numpy.memmap", "numpy")((array, lambda path: package("numpy").memmap(path, mode="r").tolist()))
way("numpy.loadtxt", "numpy")((text, lambda path: package("numpy").loadtxt(path).tolist()))
way("numpy.genfromtxt", "numpy")((text, lambda path: package("numpy").genfromtxt(path).tolist()))
way("numpy.fromfile", "numpy")((array, lambda path: package("numpy").fromfile(path, "u1").tolist()))
way("numpy.load of npz", "numpy")(
    (
        lambda path, number: package("numpy").savez(path.open("wb"), a=number),
        lambda path: package("numpy").load(path)["a"].item(),
    )
)
way("pandas.read_csv", "pandas")((table, lambda path: package("pandas").read_csv(path).to_dict()))
way("pandas.read_csv, Python", "pandas")(
    (table, lambda path: package("pandas").read_csv(path, engine="python").to_dict())
)
way("pandas.read_csv, mapped", "pandas")(
    (table, lambda path: package("pandas").read_csv(path, memory_map=True).to_dict())
)
way("pandas.read_json", "pandas")(
    (
        lambda path, number: frame(number).to_json(path),
        lambda path: package("pandas").read_json(path).to_dict(),
    )
)
way("pandas.read_pickle", "pandas")(
    (
        lambda path, number: frame(number).to_pickle(path),
        lambda path: package("pandas").read_pickle(path).to_dict(),
    )
)
way("pandas.read_sql", "pandas")(
    (
        a_database,
        lambda path: package("pandas").read_sql("select a from t", sqlite3.connect(path)).to_dict(),
    )
)
way("pandas.read_excel", "pandas", "openpyxl")(
    (
        lambda path, number: frame(number).to_excel(path),
        lambda path: package("pandas").read_excel(path).to_dict(),
    )
)
way("pandas.read_hdf", "pandas", "tables")(
    (
        lambda path, number: frame(number).to_hdf(path, key="a", mode="w"),
        lambda path: package("pandas").read_hdf(path).to_dict(),
    )
)
way("scipy.io.loadmat", "scipy")(
    (
        lambda path, number: package("scipy.io").savemat(path, {"a": number}),
        lambda path: package("scipy.io").loadmat(path)["a"].tolist(),
    )
)
way("scipy.io.wavfile", "scipy")(
    (
        lambda path, number: package("scipy.io.wavfile").write(
            path, number, package("numpy").zeros(4, "i2")
        ),
        lambda path: package("scipy.io.wavfile").read(path)[0],
    )
)
way("scipy.io.netcdf_file", "xarray", "scipy")(
    (
        lambda path, number: (
            package("xarray").Dataset({"a": number}).to_netcdf(path, engine="scipy")
        ),
        lambda path: package("scipy.io").netcdf_file(path, mmap=False).variables["a"].getValue(),
    )
)
way("xarray.open_dataset", "xarray", "scipy")(
    (
        lambda path, number: (
            package("xarray").Dataset({"a": number}).to_netcdf(path, engine="scipy")
        ),
        lambda path: package("xarray").load_dataset(path, engine="scipy")["a"].item(),
    )
)
way("joblib.load", "joblib")(
    (
        lambda path, number: package("joblib").dump(number, path),
        lambda path: package("joblib").load(path),
    )
)
way("PIL", "PIL")((an_image, from_image))
way("imageio", "imageio", "PIL")(
    (an_image, lambda path: package("imageio.v3").imread(path).tolist())
)
way("torch.load", "torch")(
    (
        lambda path, number: package("torch").save(package("torch").tensor(number), path),
        lambda path: package("torch").load(path).item(),
    )
)
way("sklearn.load_svmlight_file", "sklearn.datasets")(
    (
        lambda path, number: path.write_text(f"{number} 1:1\n"),
        lambda path: package("sklearn.datasets").load_svmlight_file(path)[1].tolist(),
    )
)


@memorious
def read(name: str, path: str) -> Any:
    return getattr(sys.modules[__name__], "WAYS")[name][2](path)  # noqa: B009


def test_there_are_enough_ways() -> None:
    assert len(WAYS) >= 50


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WAYS)
def test_a_read_file_counts_or_is_reported(name: str, tmp_path: Path) -> None:
    needs, write, _ = WAYS[name]
    for each in needs:
        pytest.importorskip(each)
    path = tmp_path / "file.dat"
    write(path, 1)
    read._warned.clear()
    read._close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CacheWarning)
        first = read(name, str(path))
        assert read(name, str(path)) == first
    reports = [str(each.message) for each in caught if each.category is CacheWarning]
    if reports:
        assert len(reports) == 1
        assert __file__ in reports[0]
        assert "depends_on=" in reports[0]
        return
    write(path, 2)
    second = read(name, str(path))
    assert second != first, "the change was not seen"
    write(path, 1)
    assert read(name, str(path)) == first


def test_readers_without_events_are_reported(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = str(tmp_path / "file.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(path)

    @memorious
    def with_polars(path: str) -> Any:
        return pl.read_parquet(path)["a"].to_list()

    @memorious
    def scanning(path: str) -> Any:
        import polars

        return polars.scan_parquet(path).collect()["a"].to_list()

    @memorious
    def with_pyarrow(path: str) -> Any:
        return parquet.read_table(path)["a"].to_pylist()

    @memorious
    def with_import(path: str) -> Any:
        from pyarrow.parquet import read_table

        return read_table(path)["a"].to_pylist()

    for function, name in (
        (with_polars, "polars.read_parquet"),
        (scanning, "polars.scan_parquet"),
        (with_pyarrow, "pyarrow.parquet.read_table"),
        (with_import, "pyarrow.parquet.read_table"),
    ):
        with pytest.warns(CacheWarning, match=f"{name} .*depends_on=") as caught:
            assert function(path) == [1]
            function._close()
            assert function(path) == [1]
        assert len(caught) == 1
        quiet = memorious(files="ignore")(function)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert quiet(path) == [1]
