"""The main function of an own worker: a process that gets tasks from one pipe and answers by another."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import struct
import sys
from collections.abc import Iterable
from typing import IO

from funes._funes import TaskPipe
from funes._sweeps.worker import run_task
from funes._warnings import ERASE_LINE, can_erase

#: Seconds that a worker has to end by itself after the driver has closed the pipe.
_GRACE_SECONDS = 2.0

_LENGTH = struct.Struct("!Q")


def write_frame(file: IO[bytes], data: bytes) -> None:
    """Writes bytes with their length."""
    file.write(_LENGTH.pack(len(data)))
    file.write(data)
    file.flush()


def read_frame(file: IO[bytes]) -> bytes | None:
    """Reads what `write_frame` wrote; None at the end of the file."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = file.read(length)
    return data if len(data) == length else None


def disconnect(descriptors: Iterable[int]) -> None:
    """Lets descriptors lead nowhere. They stay open, so that no other file gets their numbers."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in descriptors:
            os.dup2(nothing, descriptor)
        os.close(nothing)


class _BesideBar(io.TextIOWrapper):
    """Erases the line at the cursor before it writes lines to a terminal: the driver draws its progress bar again."""

    _is_at_start = True

    def write(self, text: str, /) -> int:
        erase = ERASE_LINE if self._is_at_start and text else ""
        self._is_at_start = text.endswith("\n") if text else self._is_at_start
        super().write(erase + text)
        return len(text)


def _make_room_for_bars() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if can_erase(stream):
            own = _BesideBar(
                stream.buffer, encoding=stream.encoding, errors=stream.errors, line_buffering=True
            )
            setattr(sys, name, own)


def main() -> None:
    """Runs tasks until the pipe is closed."""
    # Ctrl-C reaches the whole terminal; the driver decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks = TaskPipe(_GRACE_SECONDS)
    answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
    # What the user's code prints goes to the output of the driver; see `own_workers`.
    output = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    os.dup2(output, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    del sys.argv[1:]
    _make_room_for_bars()
    if sys.platform != "win32":
        # A forked child that outlives this process must not keep the pipes open.
        ends = tasks.fileno(), answers.fileno()
        os.register_at_fork(after_in_child=lambda: disconnect(ends))
    with contextlib.suppress(BrokenPipeError):
        while (data := tasks.get()) is not None:
            _answer(answers, data)


def _answer(answers: IO[bytes], data: bytes) -> None:
    def send(part: bytes) -> None:
        write_frame(answers, b"+" + part)

    try:
        rest = run_task(data, send)
    except BaseException as error:
        from funes._sweeps.task import dump_error

        write_frame(answers, b"!" + pickle.dumps(dump_error(error), 4))
        return
    sys.stdout.flush()
    write_frame(answers, b"." + rest)
