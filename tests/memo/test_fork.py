"""A process may fork at any moment of another thread's first call, and the child works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the forks of Unix")

Python = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = """
import os, signal, sys, threading, time
from funes import memorious

class Point:
    def __init__(self, x): self.x = x

@memorious
def shift(point): return [point.x + 1]

@memorious
def adder(x): return {x: lambda y: x + y}

def calls():
    return shift(Point(1)), adder(1)[1](2), shift(Point(2)), adder(2)[2](2)

thread = threading.Thread(target=calls)
thread.start()
time.sleep(float(sys.argv[1]))
child = os.fork()
if child == 0:
    signal.alarm(60)
    assert calls() == ([2], 3, [3], 4)
    os._exit(7)
assert os.waitpid(child, 0)[1] == 7 << 8
thread.join()
"""


@pytest.mark.parametrize("milliseconds", [0, 5, 15, 30, 50, 80])
def test_child_forked_during_first_call_of_a_thread_works(
    python: Python, tmp_path: Path, milliseconds: int
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    done = python("-W", "ignore::DeprecationWarning", program, str(milliseconds / 1000))
    assert done.returncode == 0, done.stderr


def test_fork_waits_for_imports_of_other_threads(python: Python, tmp_path: Path) -> None:
    # funes imports `dill` when it needs it.
    (tmp_path / "dill.py").write_text(
        "import builtins\nbuiltins.under_way.set()\nbuiltins.go.wait(60)\nVALUE = 1\n"
        # The fork has begun, so that this handler counts from the next one.
        "from funes._entries import fork\nfork.run_first()\nfork.run_first()\n"
    )
    program = tmp_path / "program.py"
    program.write_text(
        """
import builtins, os, signal, threading, time
from funes import memorious
builtins.under_way, builtins.go = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: __import__("dill"))
thread.start()
builtins.under_way.wait(60)
threading.Timer(0.2, builtins.go.set).start()
child = os.fork()
if child == 0:
    signal.alarm(60)
    import dill, _imp
    assert dill.VALUE == 1 and not _imp.lock_held()
    os._exit(7)
assert os.waitpid(child, 0)[1] == 7 << 8
thread.join()
if os.fork() == 0:
    assert not __import__("_imp").lock_held()
    os._exit(7)
assert os.wait()[1] == 7 << 8 and not __import__("_imp").lock_held()
"""
    )
    done = python("-W", "ignore::DeprecationWarning", program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_fork_takes_no_lock_that_an_import_of_another_thread_needs(
    python: Python, tmp_path: Path
) -> None:
    # `logging` takes its lock before a fork, and dill asks for a logger.
    (tmp_path / "dill.py").write_text(
        "import builtins, logging\nbuiltins.under_way.set()\nbuiltins.go.wait(60)\n"
        "logging.getLogger('dill')\ndef extend(use): pass\n"
    )
    program = tmp_path / "program.py"
    program.write_text(
        """
import builtins, os, signal, sys, threading, time
from funes import memorious
assert "logging" not in sys.modules
builtins.under_way, builtins.go = threading.Event(), threading.Event()

@memorious
def adder(x): return lambda y: x + y

def call():
    import warnings
    warnings.simplefilter("ignore")  # the dill of this test can pickle nothing
    assert adder(1)(2) == 3

thread = threading.Thread(target=call)
thread.start()
builtins.under_way.wait(60)
threading.Timer(0.2, builtins.go.set).start()
begin = time.monotonic()
child = os.fork()
if child == 0:
    signal.alarm(60)
    import dill, _imp
    assert dill.extend and not _imp.lock_held()
    os._exit(7)
assert time.monotonic() - begin < 5
assert os.waitpid(child, 0)[1] == 7 << 8
thread.join()
"""
    )
    done = python("-W", "ignore::DeprecationWarning", program)
    assert done.returncode == 0, done.stderr


def test_wait_for_an_import_has_an_end(python: Python, tmp_path: Path) -> None:
    (tmp_path / "dill.py").write_text(
        "import builtins\nbuiltins.under_way.set()\nwith builtins.lock: pass\n"
    )
    program = tmp_path / "program.py"
    program.write_text(
        """
import builtins, os, threading
from funes import memorious
from funes._entries import fork
builtins.under_way, builtins.lock = threading.Event(), threading.Lock()
fork._LONGEST = 0.2
thread = threading.Thread(target=lambda: __import__("dill"))
with builtins.lock:
    thread.start()
    builtins.under_way.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitpid(child, 0)[1] == 7 << 8
    assert thread.is_alive()
thread.join()
"""
    )
    done = python("-W", "ignore::DeprecationWarning", program)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
