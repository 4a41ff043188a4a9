"""The end of the interpreter: late calls give the result of the function, and no signal ends the process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunPython = Callable[..., str]

BEGIN = """if True:
    import atexit, builtins, random, sys, threading, time
    from funes import memorious

    @memorious
    def f(x):
        return [x]
"""


def test_calls_from_atexit_are_cached(run_python: RunPython) -> None:
    script = f"""{BEGIN}
    atexit.register(lambda: print(f(1), f(2), f(3, global_seed=4), f.is_cached(2)))
    f(1)
    """
    assert run_python(script) == "[1] [2] [3] True\n"


@pytest.mark.parametrize("place", ["builtins.late", "sys.modules['late']", "late"])
def test_finalizer_call_after_module_teardown_works(run_python: RunPython, place: str) -> None:
    script = f"""{BEGIN}
    class Late:
        def __init__(self):
            self.f, self.print = f, print

        def __del__(self):
            self.print(self.f(1), self.f(2))

    f(1)
    {place} = Late()
    """
    assert run_python(script) == "[1] [2]\n"


def test_daemon_threads_that_compute_do_not_abort_the_process(run_python: RunPython) -> None:
    """Before Python 3.14, the interpreter ends daemon threads by unwinding their stacks."""
    script = f"""{BEGIN}
    @memorious
    def busy(x):
        started.release()
        for _ in range(10**9):
            pass

    @memorious
    def seeded(x):
        return busy(x)

    started = threading.Semaphore(0)
    for work in (lambda: busy(1), lambda: busy(2), lambda: seeded(3, global_seed=1)):
        threading.Thread(target=work, daemon=True).start()
        started.acquire()
    waiting = threading.Thread(target=lambda: busy(1), daemon=True)
    waiting.start()
    time.sleep(0.05)
    print("done")
    """
    assert run_python(script) == "done\n"


@pytest.mark.parametrize("place", ["log.is_on", "writer.dump_entry"])
def test_daemon_thread_ended_in_a_later_miss_does_not_abort_the_process(
    run_python: RunPython, place: str
) -> None:
    script = f"""{BEGIN}
    from funes._call import log
    from funes._entries import writer

    class Late:
        sleep = time.sleep

        def __del__(self):  # lets the thread end
            self.sleep(0.1)

    def busy(*args):
        started.release()
        for _ in range(10**9):
            pass

    @memorious
    def unusual(x):
        return range(x)

    unusual(1)
    late, started = Late(), threading.Semaphore(0)
    {place} = busy
    threading.Thread(target=unusual, args=(2,), daemon=True).start()
    started.acquire(timeout=10)
    print("done")
    """
    assert run_python(script) == "done\n"
