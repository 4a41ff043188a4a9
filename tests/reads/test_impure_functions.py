"""Functions that read more than their key: each input counts, is reported with its line, or is shown by `explain`."""

from __future__ import annotations

import ctypes
import datetime as dt
import getpass
import glob
import io
import locale
import multiprocessing
import os
import platform
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
import warnings
from collections.abc import Callable
from datetime import date, datetime
from os import urandom
from pathlib import Path
from random import randint
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from funes import CacheWarning, memorious

pytestmark = pytest.mark.usefixtures("cache")

#: What a report must say, and the function.
WARNED: dict[str, tuple[str, Callable[[], Any]]] = {}
SHOWN: dict[str, tuple[str, Callable[[], Any]]] = {}


def way(
    table: dict[str, tuple[str, Callable[[], Any]]], text: str
) -> Callable[[Callable[[], Any]], None]:
    def add(function: Callable[[], Any]) -> None:
        table[function.__name__] = text, function

    return add


def helper() -> float:
    return time.time()


# Random numbers


@way(WARNED, "random.random ")
def random_random() -> Any:
    return random.random()


@way(WARNED, "Random.randint ")
def random_randint() -> Any:
    return randint(1, 10**6)


@way(WARNED, "random.shuffle ")
def random_shuffle() -> Any:
    numbers = list(range(50))
    random.shuffle(numbers)
    return numbers


@way(WARNED, "random.sample ")
def random_sample() -> Any:
    return random.sample(range(50), 5)


@way(WARNED, "random.gauss ")
def random_gauss() -> Any:
    return [random.gauss(0, 1) for _ in range(3)]


@way(WARNED, "numpy.random.rand ")
def numpy_rand() -> Any:
    return np.random.rand(3)


@way(WARNED, "numpy.random.default_rng ")
def unseeded_default_rng() -> Any:
    return np.random.default_rng().random()


@way(WARNED, "numpy.random.default_rng ")
def default_rng_of_none() -> Any:
    return default_rng(None).random()


@way(WARNED, "numpy.random.RandomState ")
def unseeded_random_state() -> Any:
    return np.random.RandomState(seed=None).rand()


@way(WARNED, "random.Random ")
def unseeded_random() -> Any:
    generator = random.Random()
    return generator.random()


@way(WARNED, "random.SystemRandom ")
def system_random() -> Any:
    return random.SystemRandom().random()


@way(WARNED, "uuid.uuid4 ")
def uuid4() -> Any:
    return uuid.uuid4().hex


@way(WARNED, "uuid.uuid1 ")
def uuid1() -> Any:
    from uuid import uuid1

    return str(uuid1())


@way(WARNED, "os.urandom ")
def os_urandom() -> Any:
    return urandom(4)


@way(WARNED, "secrets.token_hex ")
def token_hex() -> Any:
    return secrets.token_hex()


@way(WARNED, "secrets.randbelow ")
def in_a_nested_function() -> Any:
    def pick() -> int:
        return secrets.randbelow(3)

    return [pick() for _ in range(3)]


# Other inputs that are reported


@way(WARNED, "standard input: input ")
def of_input() -> Any:
    return input()


@way(WARNED, "standard input: sys.stdin ")
def of_stdin() -> Any:
    return sys.stdin.readline()


@way(WARNED, "sys.argv ")
def of_argv() -> Any:
    return sys.argv[1:]


@way(WARNED, "lists a folder")
def of_listdir() -> Any:
    return os.listdir()


@way(WARNED, "lists a folder")
def of_glob() -> Any:
    return glob.glob("*")


@way(WARNED, "lists a folder")
def of_walk() -> Any:
    return list(os.walk("."))


@way(WARNED, "lists a folder")
def of_iterdir() -> Any:
    return list(Path().iterdir())


@way(WARNED, "another process")
def of_run() -> Any:
    return subprocess.run([sys.executable, "-S", "-c", ""], check=True).returncode


@way(WARNED, "another process")
def of_check_output() -> Any:
    return subprocess.check_output([sys.executable, "-S", "-c", ""])


@way(WARNED, "another process")
def of_system() -> Any:
    return os.system("exit 0")


@way(WARNED, "another process")
def of_popen() -> Any:
    with os.popen("exit 0") as output:
        return output.read()


@way(WARNED, "uses the network")
def of_socket() -> Any:
    try:
        return socket.create_connection(("127.0.0.1", 9), 1).close()
    except OSError:
        return None


@way(WARNED, "uses the network")
def of_urllib() -> Any:
    try:
        return urllib.request.urlopen("http://127.0.0.1:9/", timeout=1).read()
    except OSError:
        return None


@way(WARNED, "ctypes")
def of_ctypes() -> Any:
    return ctypes.CDLL(None).getpid() > 0


# Inputs that `explain` shows


@way(SHOWN, "time.time ")
def clock() -> Any:
    return time.time()


@way(SHOWN, "time.time ")
def clock_of_a_helper() -> Any:
    return helper()


@way(SHOWN, "time.perf_counter ")
def timer() -> Any:
    return perf_counter()


@way(SHOWN, "time.monotonic_ns ")
def monotonic() -> Any:
    return time.monotonic_ns()


@way(SHOWN, "time.localtime ")
def local_time() -> Any:
    return tuple(time.localtime())


@way(SHOWN, "datetime.datetime.now ")
def now() -> Any:
    return datetime.now().year


@way(SHOWN, "datetime.datetime.utcnow ")
def utc_now() -> Any:
    return dt.datetime.utcnow().year


@way(SHOWN, "datetime.date.today ")
def today() -> Any:
    return date.today().year


@way(SHOWN, "os.getcwd ")
def working_directory() -> Any:
    return os.getcwd()


@way(SHOWN, "pathlib.Path.cwd ")
def working_directory_as_path() -> Any:
    return str(Path.cwd())


@way(SHOWN, "os.getpid ")
def process() -> Any:
    return os.getpid()


@way(SHOWN, "platform ")
def node() -> Any:
    return platform.node()


@way(SHOWN, "getpass.getuser ")
def user() -> Any:
    return getpass.getuser()


@way(SHOWN, "multiprocessing.cpu_count ")
def processors() -> Any:
    return multiprocessing.cpu_count()


@way(SHOWN, "threading.get_ident ")
def thread() -> Any:
    return threading.get_ident()


@way(SHOWN, "locale.getlocale ")
def of_locale() -> Any:
    return locale.getlocale()


@way(SHOWN, "os.path.exists ")
def existence() -> Any:
    return os.path.exists("missing")


@way(SHOWN, "id() or hash()")
def address() -> Any:
    return id(object())


@way(SHOWN, "id() or hash()")
def hash_of_text() -> Any:
    return hash("text")


@way(SHOWN, "order of a set")
def order_of_a_set() -> Any:
    return list({"a", "b"})


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Returns a function that calls a memorious function, and returns the warnings."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("1\n2\n"))
    monkeypatch.setenv("USER", "tester")

    def of(memo: Any) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", CacheWarning)
            memo()
            memo()
            memo.refresh()
        return [str(each.message) for each in caught if each.category is CacheWarning]

    return of


def test_there_are_enough_functions() -> None:
    assert len(WARNED) + len(SHOWN) >= 40


@pytest.mark.parametrize("name", WARNED)
def test_an_input_is_reported_with_its_line(name: str, reports: Callable[[Any], list[str]]) -> None:
    text, function = WARNED[name]
    (report,) = reports(memorious(function))
    assert text in report
    first = function.__code__.co_firstlineno
    lines = [f"{__file__}:{first + n})" for n in range(9)]
    assert any(line in report for line in lines)
    assert any(word in report for word in ("pass ", "Pass ", "name "))


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_explain_shows_an_input(name: str, reports: Callable[[Any], list[str]]) -> None:
    text, function = SHOWN[name]
    memo = memorious(function)
    assert reports(memo) == []
    (shown,) = memo.explain().unseen
    assert text in shown
    assert f"{__file__}:" in shown
    assert "If the result depends on it, " in shown
    assert str(memo.explain()).splitlines()[-1] == shown


# No false alarms


def seeded_generators(seed: int) -> Any:
    state = np.random.RandomState(seed)
    generator = random.Random()
    generator.seed(seed)
    other = default_rng()
    other.bit_generator.state = default_rng(seed).bit_generator.state
    return state.rand(), generator.random(), other.random()


class Own:
    def time(self) -> int:
        return 4


def names_of_the_user(time: Any, input: Any) -> Any:  # noqa: A002
    platform = Own()
    return time.time(), platform.time(), input


def annotated(generator: random.SystemRandom | None, state: np.random.RandomState | None) -> bool:
    return isinstance(generator, random.SystemRandom) or isinstance(state, np.random.RandomState)


def given_times(seconds: float) -> Any:
    return time.gmtime(seconds).tm_year, datetime.fromtimestamp(0, dt.timezone.utc).year


def libraries_that_draw() -> Any:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(b"1")
    return secrets.compare_digest("a", "a"), uuid.UUID(int=3), sorted({"a", "b"}), hash


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (seeded_generators, (1,)),
        (names_of_the_user, (Own(), 1)),
        (annotated, (None, None)),
        (given_times, (0,)),
        (libraries_that_draw, ()),
    ],
)
def test_what_is_no_input_is_not_reported(function: Any, args: Any) -> None:
    memo = memorious(function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        memo(*args)
    assert memo.explain(*args).unseen == ()


def test_a_lambda_is_found_within_other_code(reports: Callable[[Any], list[str]]) -> None:
    memos = {
        "drawn": memorious(lambda: (uuid.uuid4().hex, 1)), "pure": memorious(lambda n=1: n),
        "timed": memorious(
            lambda: time.time() + 1,
        ),
    }  # fmt: skip
    (report,) = reports(memos["drawn"])
    assert "uuid.uuid4 (" in report
    assert reports(memos["pure"]) == reports(memos["timed"]) == []
    assert "time.time (" in memos["timed"].explain().unseen[0]


def test_options_for_files_silence_no_randomness() -> None:
    memo = memorious(files="ignore")(WARNED["uuid4"][1])
    with pytest.warns(CacheWarning, match=r"uuid\.uuid4"):
        memo()


def seeds_both(seed: int) -> float:
    np.random.seed(seed)
    random.seed(seed)
    return float(np.random.rand()) + random.random()


def seeds_one(seed: int) -> float:
    np.random.seed(seed)
    return float(np.random.rand()) + random.random()


def seeds_without_value(seed: int) -> float:
    np.random.seed(None)
    return float(np.random.rand()) + seed


@pytest.mark.parametrize(
    ("function", "is_reported"),
    [(seeds_both, False), (seeds_one, True), (seeds_without_value, True)],
)
def test_function_that_seeds_what_it_draws_from_is_not_reported(
    function: Callable[[int], float], is_reported: bool
) -> None:
    memo = memorious(function)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert memo(1) == memo(1)
    assert bool(caught) is is_reported


def test_reader_is_known_under_the_name_of_its_extension_module(tmp_path: Path) -> None:
    csv = pytest.importorskip("pyarrow.csv")
    read_csv = csv.read_csv
    (tmp_path / "a.csv").write_text("x\n1\n")

    @memorious
    def rows(path: str) -> int:
        return int(read_csv(path).num_rows)

    with pytest.warns(CacheWarning, match="reads files through a library"):
        assert rows(str(tmp_path / "a.csv")) == 1
