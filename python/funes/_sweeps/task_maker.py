"""Makes tasks of the missing points of a sweep, as bytes for a worker."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import pickle
import weakref
from collections.abc import Callable
from typing import Any

from funes._sweeps import arguments
from funes._sweeps.executors.engine import Engine
from funes._sweeps.plan import Plan
from funes._sweeps.task import Task

#: The largest number of points of a task.
_MAX_POINTS = 2000

#: The number of coroutines of a task, which run at the same time.
_MAX_COROUTINES = 64

#: No task is made shorter than this many seconds to let the workers end together.
_MIN_TASK_SECONDS = 0.005

#: What a point costs a worker besides the computation, in seconds.
_OVERHEAD_SECONDS = 1e-4


#: Takes the key and the error of a point that cannot be sent.
Fail = Callable[[int, BaseException], object]


class TaskMaker:
    """Makes the tasks of one sweep.

    Args:
        plan: The plan of the sweep.
        retries: How often a worker repeats a computation that raised.
    """

    def __init__(self, plan: Plan, retries: int) -> None:
        self._plan = plan
        self._retries = retries
        self._token = ""
        #: Removes the file of the token.
        self.forget_token: Callable[[], object] = lambda: None
        self._payloads: dict[bool, bytes] = {}

    def make_token(self) -> None:
        """Makes a file by which workers recognize the folder of the results."""
        plan = self._plan
        folder = plan.folder
        self._token = ""
        if folder is None or plan.mode not in (None, "refresh"):
            return
        token = os.path.join(folder, f".tmp-sweep-{os.urandom(16).hex()}")
        try:
            plan.memo._store.prepare(plan.memo._function_name, plan.keys.definition)
            os.close(os.open(token, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError:
            return
        # Also at the end of the process, but not at the end of a child that it forks.
        self.forget_token = weakref.finalize(self, _unlink, token, os.getpid())
        self._token = token

    def make(
        self, numbers: list[int], waits: bool, fail: Fail, *, stays_here: bool = False
    ) -> bytes | None:
        """Returns a task as bytes, without points that cannot be sent; None if none can.

        Args:
            numbers: The keys of the points.
            stays_here: The task is run in this process, so that no argument has to leave it.
            waits: Let the worker wait for points that are computed elsewhere.
            fail: Called with the key and the error of each point that cannot be sent.
        """
        plan, keys = self._plan, self._plan.keys
        args, kwargs = plan.points.all_kept(keys.firsts(numbers))
        is_local, is_plain = False, plan.points.is_plain
        if not is_plain and not stays_here:
            numbers, args, kwargs, is_local = _portable(numbers, args, kwargs, fail)
        if not numbers:
            return None
        try:
            memo = self._payload(is_local)
        except Exception as error:
            for number in numbers:
                fail(number, error)
            return None
        digests = keys.digests(numbers)
        head = memo, keys.definition, self._token, self._retries, waits
        return Task(*head, numbers, digests, args, kwargs, is_plain, plan.mode).dumps()

    def _payload(self, is_local: bool) -> bytes:
        """Returns the pickled function; by value if it or an argument belongs to the main program."""
        memo = self._plan.memo
        by_value = is_local or arguments.is_in_main(memo.__module__)
        if by_value not in self._payloads:
            try:
                if not by_value:
                    raise ImportError
                data = arguments.dumps_by_value(memo)
            except ImportError:
                data = pickle.dumps(memo, 4)
            self._payloads[by_value] = data
        return self._payloads[by_value]


def chunk_size(plan: Plan, engine: Engine, rest: int, seconds: float | None) -> int:
    """Returns the number of points of the next task.

    Args:
        plan: The plan of the sweep.
        engine: The engine that gets the task.
        rest: The number of points that were not sent, at least 1.
        seconds: The mean run time of a point; None if it is not known yet.
    """
    if plan.memo._core.is_async:
        # The points of a task run at the same time, so their run times do not add up.
        share = math.ceil(rest / (2 * engine.workers))
        return max(math.ceil(rest / 1000), min(_MAX_COROUTINES, share), 1)
    if seconds is None:
        # Few points, to measure them; all of them fit into the queue of a batch system.
        return max(1, math.ceil(rest / 1000)) if engine.task_seconds > 1 else 1
    wanted = engine.task_seconds / (seconds + _OVERHEAD_SECONDS)
    # The last tasks should be small, so that the workers end together.
    fair = rest / (2 * engine.workers) if engine.task_seconds <= 1 else wanted
    shortest = _MIN_TASK_SECONDS / (seconds + _OVERHEAD_SECONDS)
    return max(
        1, math.ceil(rest / 1000), min(_MAX_POINTS, int(wanted), math.ceil(max(fair, shortest)))
    )


def _portable(
    numbers: list[int], args: list[Any], kwargs: list[dict[str, Any]], fail: Fail
) -> tuple[list[int], list[Any], list[dict[str, Any]], bool]:
    """Returns points in a form that other processes can open, and whether one may belong to the main program."""
    sent, is_local = [], False
    for number, positional, keywords in zip(
        numbers, args, kwargs or itertools.repeat({}), strict=False
    ):
        if not arguments.is_plain(positional, keywords):
            is_local = is_local or any(map(arguments.is_local, (*positional, *keywords.values())))
            try:
                positional = tuple(map(arguments.portable, positional))
                keywords = {name: arguments.portable(value) for name, value in keywords.items()}
            except Exception as error:
                fail(number, error)
                continue
        sent.append((number, positional, keywords))
    return (
        [number for number, _, _ in sent],
        [positional for _, positional, _ in sent],
        [keywords for _, _, keywords in sent] if kwargs else [],
        is_local,
    )


def _unlink(path: str, maker: int) -> None:
    if os.getpid() != maker:
        return
    with contextlib.suppress(OSError):
        os.unlink(path)
