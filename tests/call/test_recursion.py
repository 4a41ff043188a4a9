"""A recursion gets as deep as without the decorator."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from funes import memorious

RunPython = Callable[..., str]

pytestmark = [
    pytest.mark.usefixtures("cache"),
    # Where the cache has just enough room to warn, it warns that a result is not stored.
    pytest.mark.filterwarnings("ignore::funes.CacheWarning"),
]


@memorious
def depth(n: int, attempt: int = 0) -> int:
    return 0 if n == 0 else 1 + depth(n - 1, attempt)


def plain_depth(n: int, attempt: int = 0) -> int:
    return 0 if n == 0 else 1 + plain_depth(n - 1, attempt)


def endless(n: int) -> int:
    return endless(n + 1)


def deepest(function: Callable[[int, int], int]) -> int:
    """Returns the largest argument for which the function succeeds, without using the cache."""
    low, high = 0, sys.getrecursionlimit()
    while high - low > 1:
        middle = (low + high) // 2
        try:
            function(middle, middle)
            low = middle
        except RecursionError:
            high = middle
    return low


@pytest.mark.slow
def test_recursion_limit_matches_undecorated() -> None:
    depth._close()
    depth(3)  # does the imports of a first call
    plain = deepest(plain_depth)
    # Python 3.12 allows a function called from C 750 levels, whatever the limit.
    assert deepest(depth) >= (min(plain, 700) if sys.version_info[:2] == (3, 12) else plain) - 5
    assert depth(100) == 100


def test_endless_recursion_raises_recursion_error() -> None:
    with pytest.raises(RecursionError):
        memorious(endless)(0)

    @memorious
    def round_and_round(n: int) -> int:
        return round_and_round(n + 1)

    for _ in range(2):
        with pytest.raises(RecursionError):
            round_and_round(0)
    assert not round_and_round.is_cached(0)
    assert depth(3) == 3


@pytest.mark.slow
def test_a_higher_limit_is_used(run_python: RunPython) -> None:
    """Before Python 3.12, only the limit keeps a recursion from the end of the stack."""
    script = """if True:
        import sys, threading
        from funes import memorious

        @memorious
        def depth(n):
            return 0 if n == 0 else 1 + depth(n - 1)

        def too_deep():
            try:
                depth(10**6)
            except RecursionError:
                print("RecursionError", depth(10))

        sys.setrecursionlimit(10**7)
        print(depth(700 if sys.version_info[:2] == (3, 12) else 2000) >= 700)
        threading.stack_size(1 << 20)
        thread = threading.Thread(target=too_deep)
        thread.start()
        thread.join()
    """
    assert run_python(script).splitlines() == ["True", "RecursionError 10"]


def test_a_thread_with_a_small_stack_computes(run_python: RunPython) -> None:
    script = """if True:
        import sys, threading
        from funes import memorious

        @memorious
        def f(x):
            return x if x == 0 else [f(x - 1)]

        sys.setrecursionlimit(10**7)
        f(0)  # does the imports of a first call
        threading.stack_size(128 << 10)
        thread = threading.Thread(target=lambda: print(f(3), f.is_cached(3)))
        thread.start()
        thread.join()
    """
    assert run_python(script) == "[[[0]]] True\n"
