"""Finds inputs in the code of a function of which no event tells: they are reported by what the code names."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from enum import Enum
from types import FunctionType
from typing import Any

from funes._code.environment import WHOLE
from funes._code.library_names import SearchedCode, Use

#: The names of functions and classes that read files in C or Rust; with a dot or underscore at their ends, of all those
#: that begin like this.
READERS = (
    "polars.read_",
    "polars.scan_",
    "pyarrow.OSFile",
    "pyarrow._parquet.",
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

#: What draws random numbers, or numbers that are always new, without a generator that the user seeds.
_DRAWS = """
    uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7 os.urandom os.getrandom ssl.RAND_bytes
    random.SystemRandom secrets.SystemRandom secrets.choice secrets.randbelow secrets.randbits
    secrets.token_bytes secrets.token_hex secrets.token_urlsafe
"""

#: Generators that seed themselves if they get no seed.
_GENERATORS = """
    random.Random numpy.random.default_rng numpy.random.RandomState numpy.random.SeedSequence
    numpy.random.PCG64 numpy.random.PCG64DXSM numpy.random.MT19937 numpy.random.Philox numpy.random.SFC64
"""

_CLOCKS = """
    time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
    time.process_time time.process_time_ns time.thread_time time.thread_time_ns time.clock_gettime
    time.localtime time.gmtime time.ctime timeit.default_timer os.times
    datetime.datetime.now datetime.datetime.today datetime.datetime.utcnow datetime.date.today
    pandas.Timestamp.now pandas.Timestamp.today pandas.Timestamp.utcnow
"""

_MACHINE = """
    os.getcwd os.getcwdb pathlib.Path.cwd pathlib.Path.home os.getpid os.getppid os.getlogin os.uname os.name
    os.cpu_count os.process_cpu_count os.getloadavg getpass.getuser socket.gethostname socket.getfqdn platform
    sys.platform multiprocessing.cpu_count multiprocessing.current_process threading.get_ident
    threading.get_native_id threading.current_thread tempfile.gettempdir shutil.disk_usage
    locale.getlocale locale.localeconv locale.getpreferredencoding locale.getencoding locale.strcoll
    locale.strxfrm
"""

_QUESTIONS = """
    os.path.exists os.path.lexists os.path.isfile os.path.isdir os.path.getmtime os.path.getctime
    os.path.getatime os.path.getsize os.stat os.access
    posixpath.exists posixpath.isfile posixpath.isdir ntpath.exists ntpath.isfile ntpath.isdir
    genericpath.exists genericpath.isfile genericpath.isdir genericpath.getmtime genericpath.getsize
"""


class Input(Enum):
    """A kind of input: what the function does, and what follows."""

    READERS = (
        "reads files through a library that does not tell of them",
        'Name the files with depends_on=, or pass files="ignore" if they never change.',
    )
    RANDOMNESS = (
        "draws random numbers that no seed determines",
        "Later calls return what was drawn first: pass the value, or a seed for a generator, as an argument.",
    )
    ENVIRONMENT = (
        "reads environment variables whose names are not literal",
        "Pass their values as arguments, or name them with depends_on=.",
    )
    KEYBOARD = (
        "reads the standard input",
        "Later calls do not: pass what was read as an argument.",
    )
    COMMAND_LINE = (
        "reads the command line, which is no part of the key",
        "Pass what it needs as an argument.",
    )
    CLOCK = ("reads the clock", "If the result depends on it, pass the time as an argument.")
    MACHINE = (
        "asks about the machine, the process or the working directory",
        "If the result depends on it, pass what it needs as an argument.",
    )
    QUESTIONS = (
        "asks about files without opening them",
        "If the result depends on it, pass the answer as an argument.",
    )
    ADDRESSES = (
        "uses id() or hash(), which may differ between processes",
        "If the result depends on it, use a name or hashlib.",
    )
    SET_ORDER = (
        "takes elements in the order of a set, which may differ between processes",
        "If the result depends on it, pass the set through sorted().",
    )

    def report(self, uses: list[str]) -> str:
        """Returns a sentence that names the uses, and one that says what to do."""
        text, remedy = self.value
        return f"it {text}: {', '.join(uses)}. {remedy}"


#: Common in code whose result does not depend on them: only `explain` shows these.
SHOWN_ONLY = frozenset(
    (Input.CLOCK, Input.MACHINE, Input.QUESTIONS, Input.ADDRESSES, Input.SET_ORDER)
)

_KINDS: dict[str, Input] = {
    **dict.fromkeys(_DRAWS.split(), Input.RANDOMNESS),
    **dict.fromkeys(_GENERATORS.split(), Input.RANDOMNESS),
    **dict.fromkeys(
        ("builtins.input", "sys.stdin", "fileinput.input", "getpass.getpass"), Input.KEYBOARD
    ),
    **dict.fromkeys(("sys.argv", "sys.orig_argv"), Input.COMMAND_LINE),
    **dict.fromkeys(_CLOCKS.split(), Input.CLOCK),
    **dict.fromkeys(_MACHINE.split(), Input.MACHINE),
    **dict.fromkeys(_QUESTIONS.split(), Input.QUESTIONS),
    **dict.fromkeys(("builtins.id", "builtins.hash"), Input.ADDRESSES),
}

#: What is such an input only if it is called, and without an argument other than None: a seed, or a time to convert.
_WITHOUT_ARGUMENT = frozenset((*_GENERATORS.split(), "time.localtime", "time.gmtime", "time.ctime"))

#: What annotations may name, or is often passed on.
_CALLED = frozenset(("random.SystemRandom", "secrets.SystemRandom", "builtins.id", "builtins.hash"))


def unseen_inputs(
    code: Iterable[object], nodes: Iterable[dict[str, Any]]
) -> dict[Input, list[str]]:
    """Returns the uses of such inputs by kind, each as ``name (file:line)``, or the name of the code that has it.

    Args:
        code: The functions and classes of a definition. Only functions are looked at.
        nodes: The nodes of the definition.
    """
    found: dict[Input, dict[str, None]] = {}
    for node in nodes:
        if any(link.get("shown") == repr(WHOLE) for link in node["links"].values()):
            found.setdefault(Input.ENVIRONMENT, {})[node["name"]] = None
    for function in code:
        if isinstance(function, FunctionType):
            source = SearchedCode(function)
            for use in source.library_names():
                kind_and_name = _kind(use)
                if kind_and_name is not None:
                    kind, name = kind_and_name
                    found.setdefault(kind, {})[f"{name} ({use.place})"] = None
            for place in source.orders_of_sets():
                found.setdefault(Input.SET_ORDER, {})[place] = None
    return {kind: list(found[kind]) for kind in Input if kind in found}


def global_draws(code: Iterable[object]) -> list[str] | None:
    """Returns the uses of the modules with global random generators, each as ``name (file:line)``.

    Returns None if the code itself seeds all these generators with a value.
    """
    found: dict[str, str] = {}
    seeded: set[str] = set()
    for function in code:
        if isinstance(function, FunctionType):
            for use in SearchedCode(function).library_names():
                for name in use.names:
                    if name.startswith(("random.", "numpy.random.")) and name not in _KINDS:
                        module, _, last = name.rpartition(".")
                        found[f"{name} ({use.place})"] = module
                        if (
                            last == "seed"
                            and use.call is not None
                            and not _is_without_argument(use)
                        ):
                            seeded.add(module)
                        break
    if seeded and seeded.issuperset(found.values()):
        return None
    return list(found)


def _kind(use: Use) -> tuple[Input, str] | None:
    for name in use.names:
        if use.call is not None and _is_reader(name):
            return Input.READERS, name
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            known = ".".join(parts[:end])
            kind = _KINDS.get(known)
            if kind is not None and _counts(known, use if end == len(parts) else None):
                return kind, known.removeprefix("builtins.")
    return None


def _is_reader(name: str) -> bool:
    return any(name == each or (each[-1] in "._" and name.startswith(each)) for each in READERS)


def _counts(known: str, use: Use | None) -> bool:
    """Returns whether a use of a known name is an input. `use`: None if only a part of it is used, such as a method."""
    if known in _CALLED:
        return use is None or use.call is not None
    if known not in _WITHOUT_ARGUMENT:
        return True
    return use is not None and not use.is_seeded and _is_without_argument(use)


def _is_without_argument(use: Use) -> bool:
    """Returns whether a use is a call without an argument other than None."""
    if use.call is None:
        return False
    given = (*use.call.args, *(keyword.value for keyword in use.call.keywords))
    return all(isinstance(each, ast.Constant) and each.value is None for each in given)
