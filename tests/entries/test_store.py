"""The store in Python: files, errors, and other processes."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from funes._funes import Store
from funes.errors import DamagedEntryError

DEFINITION = "0123456789abcdef0123456789abcdef01234567"
ARGUMENTS = "89abcdef0123456789abcdef0123456789abcdef"
KEY = ("double", DEFINITION, ARGUMENTS)
VALUE = {"input": {"x": 21}, "output": 42, "time": 0.5}
BODY = pickle.dumps(VALUE, protocol=5)

posix = pytest.mark.skipif(
    os.name != "posix", reason="links, pipes and permissions as POSIX has them"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"))


def files(folder: str | Path) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if not path.is_dir())


def run(code: str, *arguments: str) -> None:
    """Run code in another process, with the names of this module."""
    prelude = (
        f"import os, sys, pickle\nfrom funes._funes import Store\nKEY = {KEY}\nBODY = {BODY}\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", prelude + code, *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_entry_has_documented_path_and_is_an_ordinary_pickle(store: Store, tmp_path: Path) -> None:
    assert store.root == str(tmp_path / "cache")
    assert store.read(*KEY) is None
    assert not os.path.exists(store.root)
    assert store.write(*KEY, BODY)
    path = tmp_path / "cache" / "double" / DEFINITION / f"{ARGUMENTS}.dill"
    assert store.path(*KEY) == str(path)
    assert store.folder("double", DEFINITION) == str(path.parent)
    assert files(tmp_path) == [path]
    with open(path, "rb") as file:
        assert pickle.load(file) == VALUE


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("fast", [None, b"another."])
@pytest.mark.parametrize("main", [None, b"named."])
def test_written_entry_is_read(
    store: Store, fast: bytes | None, main: bytes | None, durable: bool
) -> None:
    head = (0.5, (b"inputs.", None), main and (main, None))
    assert store.write(*KEY, BODY, fast and (fast, None), head, durable=durable) is True
    entry = store.read(*KEY)
    assert entry is not None
    assert (bytes(entry.body), entry.fast) == (BODY, fast and (fast, []))
    assert entry.head == (0.5, (b"inputs.", []), main and (main, []))
    other = ("double", "0" * 40, ARGUMENTS)
    assert store.write_again(*other, entry)
    copy = store.read(*other)
    assert (copy.body, copy.fast, copy.head) == (entry.body, entry.fast, entry.head)
    assert store.write(*KEY, b"N.") is False
    assert Store(store.root).read(*KEY).body == BODY


def test_damaged_entry_raises_and_can_be_quarantined(store: Store) -> None:
    store.write(*KEY, BODY)
    path = Path(store.path(*KEY))
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:20] + b"?" + whole[21:]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedEntryError, match=ARGUMENTS) as caught:
            store.read(*KEY)
        assert isinstance(caught.value, ValueError)
        aside = store.set_aside(*KEY)
        assert aside == str(path.parent / "damaged" / path.name)
        assert Path(aside).read_bytes() == damaged
        assert store.read(*KEY) is None
        assert store.write(*KEY, BODY)
    assert store.set_aside(*KEY) is None
    assert store.entries("double", DEFINITION) == [ARGUMENTS]


def test_entry_under_another_name_is_damaged(store: Store) -> None:
    store.write(*KEY, BODY)
    others = [
        ("triple", DEFINITION, ARGUMENTS),
        ("double", ARGUMENTS, ARGUMENTS),
        ("double", DEFINITION, "0" * 40),
    ]
    for other in others:
        path = Path(store.path(*other))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Path(store.path(*KEY)).read_bytes())
        with pytest.raises(DamagedEntryError):
            store.read(*other)


@pytest.mark.parametrize(("version", "advice"), [(1, "delete it"), (3, "newer funes")])
def test_entry_of_other_format_version_raises_os_error_and_stays(
    store: Store, version: int, advice: str
) -> None:
    store.write(*KEY, BODY)
    path = Path(store.path(*KEY))
    numbers = version.to_bytes(4, "little") + (0xFFFFFFFF - version).to_bytes(4, "little")
    other = path.read_bytes()[:-16] + numbers + b"\x89funes\r\n"
    path.write_bytes(other)
    with pytest.raises(OSError, match=f"entry format {version}, .*{advice}") as caught:
        store.read(*KEY)
    assert caught.value.errno == errno.ENOTSUP
    assert caught.value.filename == str(path)
    assert store.check(*KEY)[0] == "format"
    assert store.set_aside(*KEY) is None
    assert store.write(*KEY, BODY) is False
    assert path.read_bytes() == other


def test_remove_and_entries_report_existing_entries(store: Store) -> None:
    assert store.entries("double", DEFINITION) == []
    assert store.remove(*KEY) is False
    names = sorted(f"{number:040x}" for number in (3, 1, 2))
    for name in reversed(names):
        store.write("double", DEFINITION, name, BODY)
    Path(store.folder("double", DEFINITION), "definition.json").write_text("{}")
    assert store.entries("double", DEFINITION) == names
    assert store.remove("double", DEFINITION, names[0]) is True
    assert store.entries("double", DEFINITION) == names[1:]


ODD_NAMES = [
    "<lambda>",
    "../x",
    "..",
    ".",
    "",
    "x" * 300,
    "f.<locals>.g",
    "NUL",
    "a\0b",
    "a/b\\c",
    "g\udc80",
    "größe",
]


@pytest.mark.parametrize("function", ODD_NAMES)
def test_any_function_name_maps_to_a_path_inside_the_cache(store: Store, function: str) -> None:
    assert store.write(function, DEFINITION, ARGUMENTS, BODY)
    assert store.read(function, DEFINITION, ARGUMENTS).body == BODY
    (path,) = files(store.root)
    assert len(path.relative_to(store.root).parts) == 3
    assert str(path) == store.path(function, DEFINITION, ARGUMENTS)


def test_readable_names_of_folders() -> None:
    store = Store(os.path.abspath("cache"))
    assert Path(store.folder("double", DEFINITION)).parent.name == "double"
    assert Path(store.folder("<lambda>", DEFINITION)).parent.name.startswith("lambda-")


@pytest.mark.parametrize(
    "other", ["", "..", "../" + "a" * 37, "A" * 40, "a" * 39, "a" * 41, "é" * 20]
)
def test_invalid_hash_is_refused(store: Store, other: str) -> None:
    for key in [("double", other, ARGUMENTS), ("double", DEFINITION, other)]:
        for method in (store.path, store.read, store.remove, store.set_aside):
            with pytest.raises(ValueError, match="40 lower-case"):
                method(*key)
        with pytest.raises(ValueError, match="40 lower-case"):
            store.write(*key, BODY)
    assert not os.path.exists(store.root)


def test_wrong_arguments_raise_value_error(store: Store) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Store("cache")
    with pytest.raises(ValueError, match="STOP"):
        store.write(*KEY, b"no pickle")
    with pytest.raises(ValueError, match="must not be empty"):
        store.write(*KEY, BODY, (b"", None))
    with pytest.raises(ValueError, match="must not be empty"):
        store.write(*KEY, BODY, None, (0.5, (b"", None), None))


def test_system_errors_are_python_exceptions(store: Store, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert store.read(*KEY) is None
    with pytest.raises(NotADirectoryError if os.name == "posix" else OSError) as caught:
        store.write(*KEY, BODY)
    assert caught.value.errno is not None
    assert str(caught.value.filename).startswith(str(tmp_path / "cache"))
    assert "could not" in str(caught.value)
    assert "os error" not in str(caught.value)


@posix
def test_too_many_open_files_is_not_damage(store: Store) -> None:
    store.write(*KEY, BODY)
    run(
        """
import errno, resource
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
held = []
try:
    while True:
        held.append(open(os.devnull))
except OSError:
    pass
for attempt in (lambda: store.read(*KEY), lambda: store.write("other", *KEY[1:], BODY), lambda: store.set_aside(*KEY)):
    try:
        attempt()
    except OSError as error:
        assert error.errno == errno.EMFILE, error
        assert error.filename.startswith(sys.argv[1]), error
    else:
        raise AssertionError("it could not be done")
held.clear()
assert store.read(*KEY).body == BODY
assert not os.path.exists(store.path("other", *KEY[1:]))
""",
        store.root,
    )


@posix
def test_failed_write_leaves_no_file_and_can_be_repeated(store: Store) -> None:
    run(
        """
import errno, resource
store = Store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
large = pickle.dumps(bytes(1_000_000))
try:
    store.write(*KEY, large)
except OSError as error:
    assert error.errno == errno.EFBIG, error
    assert error.filename == store.path(*KEY), error
else:
    raise AssertionError("there was no room")
assert os.listdir(store.folder(*KEY[:2])) == []
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert store.write(*KEY, large)
assert store.read(*KEY).body == large
""",
        store.root,
    )


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_folders_and_files_are_private_under_any_umask(store: Store, umask: int) -> None:
    before = os.umask(umask)
    try:
        store.write(*KEY, BODY)
    finally:
        os.umask(before)
    path = Path(store.path(*KEY))
    assert path.stat().st_mode & 0o7777 == 0o600
    assert [folder.stat().st_mode & 0o777 for folder in path.parents[:3]] == [0o700] * 3


@posix
def test_links_pipes_and_folders_at_the_path_of_an_entry_are_misses(
    store: Store, tmp_path: Path
) -> None:
    store.write(*KEY, BODY)
    path = Path(store.path(*KEY))
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    for obstruct, clear in [
        (lambda: path.symlink_to(elsewhere), path.unlink),
        (lambda: os.mkfifo(path), path.unlink),
        (path.mkdir, path.rmdir),
    ]:
        obstruct()
        assert store.read(*KEY) is None
        assert store.set_aside(*KEY) is None
        assert store.write(*KEY, BODY) is False
        clear()


@posix
def test_root_that_is_not_utf8_works(tmp_path: Path) -> None:
    root = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    try:
        os.mkdir(root)
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    store = Store(root)
    assert store.root == root
    assert store.write(*KEY, BODY)
    assert store.read(*KEY).body == BODY
    assert store.path(*KEY).startswith(root)
    Path(store.path(*KEY)).write_bytes(b"")
    with pytest.raises(DamagedEntryError):
        store.read(*KEY)


def test_exactly_one_of_many_threads_writes(store: Store) -> None:
    body = pickle.dumps(bytes(200_000))
    barrier = threading.Barrier(8)

    def write(arguments: str) -> bool:
        barrier.wait()
        return store.write("f", DEFINITION, arguments, body)

    for number in range(10):
        arguments = f"{number:040x}"
        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(write, [arguments] * 8))
        assert sorted(first) == [False] * 7 + [True]
        assert store.read("f", DEFINITION, arguments).body == body
    assert len(files(store.root)) == 10


def test_other_process_reads_written_entry(store: Store) -> None:
    store.write(*KEY, BODY)
    run("assert Store(sys.argv[1]).read(*KEY).body == BODY", store.root)


@posix
def test_killed_writer_leaves_no_partial_entry(store: Store) -> None:
    body = pickle.dumps(bytes(3_000_000))
    code = f"""
from funes._funes import Store
import pickle
store = Store({store.root!r})
body = pickle.dumps(bytes(3_000_000))
print("ready", flush=True)
for number in range(100_000):
    store.write("f", {DEFINITION!r}, f"{{number:040x}}", body)
"""
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            while not store.entries("f", DEFINITION):
                pass
            process.kill()
        found = store.entries("f", DEFINITION)
        for arguments in found:
            assert store.read("f", DEFINITION, arguments).body == body
            store.remove("f", DEFINITION, arguments)
        if sys.platform == "linux":
            assert files(store.root) == []


@posix
def test_forked_child_hashes_large_entries(store: Store) -> None:
    run(
        """
store = Store(sys.argv[1])
large = pickle.dumps(bytes(8_000_000))
store.write(*KEY, large)
child = os.fork()
if child == 0:
    ok = store.read(*KEY).body == large and store.write("child", *KEY[1:], large)
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert store.read("child", *KEY[1:]).body == large
""",
        store.root,
    )
