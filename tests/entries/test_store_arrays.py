"""Large arrays: read without a copy, writable without changing the file, readable by plain pickle."""

from __future__ import annotations

import os
import pickle
import platform
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pandas as pd
import pytest

from funes import CacheWarning, hash_value, load_cached_results, memorious

N = 1 << 17
POSIX = os.name == "posix"


def arrays() -> dict[str, Any]:
    whole = np.arange(N, dtype=np.float64)
    frozen = whole.copy()
    frozen.flags.writeable = False
    return {
        "array": whole,
        "read-only": frozen,
        "fortran": np.asfortranarray(whole.reshape(256, -1)),
        "strided": whole[::2],
        "empty": whole[:0],
        "structured": np.zeros(N, dtype=[("a", "<i4"), ("b", "<f8")]),
        "dates": np.arange(N).astype("datetime64[s]"),
        "twice": [whole, whole],
        "with other values": {"name": "x" * 100_000, "array": whole, "small": whole[:3]},
        "frame": pd.DataFrame({"a": whole, "b": np.arange(N), "c": ["x"] * N}),
        "series": pd.Series(whole, name="s"),
        "bytes": b"ab" * N,
        "bytearray": bytearray(b"ab" * N),
        "bytes and array": (b"ab" * N, whole),
    }


def others() -> dict[str, Any]:
    found: dict[str, Any] = {}
    polars = pytest.importorskip("polars") if "polars" in OTHERS else None
    pyarrow = pytest.importorskip("pyarrow") if "pyarrow" in OTHERS else None
    if polars is not None:
        found["polars"] = polars.DataFrame({"a": np.arange(N), "b": ["x"] * N})
    if pyarrow is not None:
        found["pyarrow"] = pyarrow.table({"a": np.arange(N), "b": ["x"] * N})
    return found


OTHERS = ("polars", "pyarrow")


@memorious
def made(kind: str) -> Any:
    print(kind)
    return {**arrays(), **others()}[kind]


@pytest.fixture(autouse=True)
def _fresh(cache: Path) -> None:
    made._close()


@pytest.mark.parametrize("kind", [*arrays(), *OTHERS])
def test_arrays_survive_round_trip_for_funes_and_plain_pickle(
    kind: str, printed: Callable[[], list[str]]
) -> None:
    first = made(kind)
    expected = hash_value(first)
    # The first read verifies the file; later ones map it, each for one reader.
    assert [hash_value(made(kind)) for _ in range(3)] == [expected] * 3
    assert printed() == [kind]
    [listed] = load_cached_results(made)
    assert hash_value(listed["output"]) == expected
    content = made.key(kind).path.read_bytes()
    for load in (pickle.loads, dill.loads, pure_python_loads):
        assert hash_value(load(content)["output"]) == expected


def pure_python_loads(content: bytes) -> Any:
    import io

    return pickle._Unpickler(io.BytesIO(content)).load()  # type: ignore[attr-defined]


def test_array_is_aligned_writable_and_private() -> None:
    made("array")
    before = made.key("array").path.read_bytes()
    one, other = made("array"), made("array")
    for array in (one, other):
        assert array.flags.writeable
        assert array.flags.aligned
    if POSIX:
        assert one.ctypes.data % 64 == 0
    one[:] = -1
    other[0] = 7
    assert made("array")[0] == 0
    assert made("array")[1] == 1
    assert made.key("array").path.read_bytes() == before


def test_read_only_array_stays_read_only() -> None:
    made("read-only")
    assert not made("read-only").flags.writeable


def test_array_outlives_its_file() -> None:
    made("array")
    array = made("array")
    made.forget("array")
    assert array.sum() == np.arange(N, dtype=float).sum()


CAN_POPULATE = [int(n) for n in re.findall(r"\d+", platform.release())[:2]] >= [5, 14]
maps = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="a list of what is mapped")


@maps
@pytest.mark.parametrize("kind", ["array", "fortran", "structured", "series", "frame", "pyarrow"])
def test_array_uses_the_mapped_file(kind: str) -> None:
    made(kind)
    array = made(kind)
    array = np.asarray(array["a"] if kind in {"frame", "pyarrow"} else array)
    path = made.key(kind).path
    assert resident(array, path) is not None
    # A copy would be visible here.
    assert resident(array.copy(), path) is None


@maps
@pytest.mark.skipif(
    not CAN_POPULATE, reason="what is verified is read, not the map, before Linux 5.14"
)
@pytest.mark.parametrize(("verify", "looks"), [("always", 2), ("once", 1), ("never", 0)])
def test_mapped_file_is_read_as_often_as_it_is_verified(
    verify: Any, looks: int, cache: Path
) -> None:
    @memorious(verify=verify, memory=0)
    def ones(n: int) -> Any:
        return np.ones(n)

    size = 64 * N
    ones(size)
    time.sleep(0.05)  # a later change then changes the times of the file
    arrays = [ones(size), ones(size)]
    path = ones.key(size).path
    loaded = [resident(array, path) for array in arrays]
    assert [kilobytes >= 8 * size >> 10 for kilobytes in loaded] == [n < looks for n in range(2)]


def resident(array: Any, path: Path) -> int | None:
    """Return the KB in memory of the map that holds an array; None if it is no map of the file."""
    address, found = array.ctypes.data, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        limits, *words = line.split()
        if "-" in limits:
            start, end = (int(limit, 16) for limit in limits.split("-"))
            found = start <= address < end and words[-1:] == [str(path)]
        elif found and limits == "Rss:":
            return int(words[0])
    return None


@pytest.mark.skipif(not POSIX, reason="descriptors as POSIX counts them")
def test_mapped_array_keeps_no_descriptor_open() -> None:
    made("array")
    made("array")
    before = len(os.listdir("/dev/fd"))
    held = [made("array") for _ in range(50)]
    assert len(os.listdir("/dev/fd")) == before
    assert held[0][1] == 1


def test_many_arrays_are_stored_once() -> None:
    made("twice")
    assert made.key("twice").path.stat().st_size < N * 8 + 4096
    one, other = made("twice")
    assert one is other


@pytest.mark.parametrize("verify", ["always", "once", "never"])
def test_change_of_file_after_first_use(verify: Any, cache: Path) -> None:
    @memorious(verify=verify)
    def ones(n: int) -> Any:
        return np.ones(n)

    ones(N)
    ones(N)
    path = ones.key(N).path
    content = bytearray(path.read_bytes())
    content[N * 4 + 6] ^= 0x10
    path.write_bytes(content)
    if verify == "never":
        assert ones(N).sum() != N
        return
    with pytest.warns(CacheWarning, match="is damaged"):
        assert ones(N).sum() == N
    assert (path.parent / "damaged" / path.name).exists()


LARGE_HIT = """
import re, sys
import numpy as np
from funes import memorious

@memorious(verify=sys.argv[1])
def ones(n):
    return np.ones(n)

def read():
    "Returns the KiB of mapped files in memory."
    return int(re.search(r"RssFile:\\s+(\\d+)", open("/proc/self/status").read())[1])

ones.is_cached(1)
before = read()
result = ones(4 << 20)
print(read() - before > (16 << 10), result[12345], ones.cache_info().misses)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the table of verified files is Linux only")
@pytest.mark.slow
def test_large_file_is_hashed_once_since_the_machine_started(
    tmp_path: Path, cache: Path, python: Callable[..., Any]
) -> None:
    (tmp_path / "hit.py").write_text(LARGE_HIT)
    runtime = tmp_path / "runtime"
    runtime.mkdir()

    def hit(verify: str, **environment: str | None) -> list[str]:
        done = python("hit.py", verify, XDG_RUNTIME_DIR=str(runtime), **environment)
        assert done.returncode == 0, done.stderr
        return str(done.stdout).split()

    hashed, mapped = ["True", "1.0", "0"], ["False", "1.0", "0"]
    assert hit("once")[2] == "1"
    assert hit("once") == hashed
    table = runtime / "funes" / "verified"
    assert table.stat().st_size > 0
    assert hit("once") == mapped
    assert hit("always") == hashed
    # Touching the file changes its change time.
    (entry,) = cache.rglob("*.dill")
    time.sleep(0.05)
    os.utime(entry)
    assert hit("once") == hashed
    assert hit("once") == mapped
    table.chmod(0o666)
    assert hit("once", TMPDIR=str(tmp_path)) == hashed
    assert (tmp_path / f"funes-{os.geteuid()}" / "verified").exists()
    assert hit("once", FUNES_SIGNING_KEY="secret")[2] == "1"


def test_invalid_verify_option_is_refused() -> None:
    with pytest.raises(ValueError, match="verify"):
        memorious(verify="sometimes")(arrays)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="durability"):
        memorious(durability="perhaps")(arrays)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="key"):
        memorious(signing_key="")(arrays)


def test_array_in_class_of_main(run_python: Callable[..., str], cache: Path) -> None:
    script = f"""
import numpy as np, sys
from funes import memorious
class Model:
    def __init__(self, n): self.weights = np.arange(n)
@memorious
def train(n):
    print("training")
    return Model(n)
for _ in range(3):
    model = train({N})
    assert type(model) is Model and model.weights[-1] == {N - 1}
    model.weights[:] = 0
print(train.key({N}).path)
"""
    said = run_python(script, FUNES_CACHE_DIR=str(cache)).split()
    assert said[0] == "training"
    path = Path(said[1])
    assert path.stat().st_size < 1.1 * N * 8 + 10_000
    program = (
        f"import pickle; m = pickle.load(open({str(path)!r}, 'rb'))['output'];"
        f"assert m.weights[-1] == {N - 1}"
    )
    import subprocess

    subprocess.run([sys.executable, "-c", program], check=True)


# Views


class Holder:
    def __init__(self, *parts: Any) -> None:
        self.parts = parts


def _sharing(kind: str, size: int) -> Any:
    whole = np.zeros((size, 2))
    return {
        "a view": lambda: (whole, whole[:2]),
        "strided": lambda: {"whole": whole, "rest": [whole[::2]]},
        "transposed": lambda: [whole, whole.T],
        "two views": lambda: (whole[1:], whole[:2]),
        "in an object": lambda: Holder(whole, whole[0]),
    }[kind]()


def _parts(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Holder):
        value = value.parts
    return [
        part
        for each in (value.values() if isinstance(value, dict) else value)
        for part in _parts(each)
    ]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("size", [4, N])
@pytest.mark.parametrize("kind", ["a view", "strided", "transposed", "two views", "in an object"])
def test_first_result_separates_arrays_that_share_memory(kind: str, size: int) -> None:
    @memorious
    def make(kind: str) -> Any:
        return _sharing(kind, size)

    for _ in range(3):
        first, second = _parts(make(kind))
        assert not np.shares_memory(first, second)
        first[:] = 7
        assert not second.any()


@pytest.mark.usefixtures("cache")
def test_array_that_occurs_twice_is_one_object_at_each_hit() -> None:
    @memorious
    def make(n: int) -> Any:
        whole = np.zeros(n)
        return whole, [whole]

    for _ in range(3):
        first, (second,) = make(3)
        assert first is second
