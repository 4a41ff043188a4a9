"""What two hosts do with a cache folder on NFS. Runs in the machine of machine.py: see `make test-nfs`."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client import SIGNALS, Client

ONE, TWO = os.environ["NFS_HOSTS"].split()

#: A test takes at most so many seconds.
SECONDS = 150

Start = Callable[..., Client]


@pytest.fixture(params=["v3", "v4"])
def version(request: pytest.FixtureRequest) -> str:
    """The version of NFS: 3 or 4.2."""
    return str(request.param)


@pytest.fixture
def start(version: str, request: pytest.FixtureRequest) -> Iterator[Start]:
    """Starts processes on hosts, which share a new cache folder."""
    clients: list[Client] = []
    name = "".join(filter(str.isalnum, request.node.name))

    def start(host: str, **options: Any) -> Client:
        clients.append(Client(host, f"/mnt/{version}/{name}", **options))
        return clients[-1]

    # A client that does not answer fails the test.
    timer = threading.Timer(SECONDS, lambda: [each.process.kill() for each in clients])
    timer.start()
    yield start
    for client in clients:
        if client.process.poll() is None:
            client.close()
    timer.cancel()


def signal(name: str) -> None:
    (SIGNALS / name).mkdir()


def test_other_host_has_a_hit(start: Start) -> None:
    one, two = start(ONE), start(TWO)
    assert one("call", "double", [1, 2]) == ([2, 4], 2)
    assert two("call", "double", [1, 2]) == ([2, 4], 0)
    assert one("call", "part", [3])[1] == 1
    assert two("call", "part", [3])[1] == 0


@pytest.mark.parametrize("name", ["durable", "double"])
def test_name_that_was_missing_is_found(start: Start, version: str, name: str) -> None:
    one, two = start(ONE), start(TWO)
    two("call", name, [-1])
    computed = 0
    for x in range(40):
        # The client of the second host remembers that there is no such name.
        assert not two("is_cached", name, x)
        assert one("call", name, [x]) == ([2 * x], 1)
        results, again = two("call", name, [x])
        assert results == [2 * x]
        computed += again
    # With version 3, a client may not notice an entry that took less than a second: docs/guarantees.md.
    assert computed == 0 or (version, name) == ("v3", "double")


def test_one_host_computes_and_the_other_waits(start: Start, version: str) -> None:
    one, two = start(ONE), start(TWO)
    for number in range(5):
        x = f"{version}-flight-{number}"
        one.begin("call", "held", [x])
        one.wait_for_run(x)
        two.begin("call", "held", [x])
        signal(f"go-{x}")
        assert one.end() == ([x], 1)
        assert two.end() == ([x], 0)


def test_processes_of_two_hosts_compute_each_result_once(start: Start) -> None:
    clients = [start(host) for host in (ONE, TWO, ONE, TWO)]
    for client in clients:
        client.begin("call", "double", list(range(60)))
    answers = [client.end() for client in clients]
    assert [values for values, _ in answers] == [[2 * x for x in range(60)]] * 4
    assert sum(computed for _, computed in answers) == 60


def test_entries_are_whole_while_the_other_host_replaces_them(start: Start, version: str) -> None:
    one, two = start(ONE), start(TWO)
    one("call", "part", [1, 2])
    two.begin("read_until", "part", [1, 2], f"{version}-replaced")
    for _ in range(10):
        one("refresh", "part", [1, 2])
    signal(f"{version}-replaced")
    assert two.end() == 0


def test_arrays_stay_when_the_other_host_replaces_and_deletes_them(start: Start) -> None:
    one, two = start(ONE), start(TWO)
    one("call", "double", [1])
    two("keep_arrays", [5, 6, 7])
    one("keep_arrays", [5, 6, 7])
    two("keep_arrays", [5, 6, 7])
    one("refresh", "array", [5, 6])
    assert one("forget", "array", [5, 6, 7]) == 3
    assert two("kept_arrays") == [5, 6, 7]
    assert two("call", "double", [1]) == ([2], 0)


def test_call_after_the_other_host_deleted_the_result(start: Start) -> None:
    one, two = start(ONE), start(TWO)
    for x in range(5):
        assert one("call", "double", [x])[1] == 1
        assert two("call", "double", [x])[1] == 0
        assert one("forget", "double", [x]) == 1
        # It may still find the result for a while.
        assert two("call", "double", [x])[0] == [2 * x]


def test_host_that_dies_is_replaced(start: Start, version: str) -> None:
    # On NFS 3, the server keeps the lock until the host starts again: the wait ends after 12 x wait=.
    one, two = start(ONE), start(TWO, wait=1 if version == "v3" else 20)
    x = f"{version}-death"
    one.begin("call", "held", [x])
    one.wait_for_run(x)
    two.begin("call", "held", [x])
    subprocess.run(["ip", "link", "set", "one", "down"], check=True)
    try:
        # It cannot end before the network is up again.
        one.process.kill()
        signal(f"go-{x}")
        started = time.monotonic()
        assert two.end() == ([x], 1)
        assert time.monotonic() - started < 100
    finally:
        subprocess.run(["ip", "link", "set", "one", "up"], check=True)
    one.process.wait()
    assert start(ONE)("call", "held", [x]) == ([x], 0)


def test_process_that_dies_is_replaced(start: Start, version: str) -> None:
    one, two = start(ONE), start(TWO)
    x = f"{version}-kill"
    one.begin("call", "held", [x])
    one.wait_for_run(x)
    two.begin("call", "held", [x])
    one.kill()
    signal(f"go-{x}")
    assert two.end() == ([x], 1)


def test_packed_results_of_two_hosts(start: Start, version: str) -> None:
    one, two = start(ONE), start(TWO)
    for first in range(0, 200, 20):
        one.begin("call", "small", list(range(first, first + 20)))
        two.begin("call", "small", list(range(1000 + first, 1020 + first)))
        assert (one.end()[1], two.end()[1]) == (20, 20)
        # Each finds what the other one appends to its segment, which is still open.
        assert one("call", "small", list(range(1000 + first, 1020 + first)))[1] == 0
        assert two("call", "small", list(range(first, first + 20)))[1] == 0
    expected = [*range(200), *range(1000, 1200)]
    assert one("listed") == two("listed") == expected
    one.kill()
    two.close()
    three = start(ONE)
    assert three("call", "small", expected)[1] == 0
    assert three("listed") == expected


def test_packed_results_are_computed_once(start: Start) -> None:
    clients = [start(host) for host in (ONE, TWO)]
    for client in clients:
        client.begin("call", "small", list(range(100)))
    assert sum(client.end()[1] for client in clients) == 100


def test_packing_while_the_other_host_reads(start: Start, version: str) -> None:
    one, two, three = start(ONE), start(TWO), start(ONE)
    numbers = list(range(100))
    one("call", "small", numbers)
    two("call", "small", list(range(100, 200)))
    one.close()
    two.begin("read_until", "small", numbers, f"{version}-packed")
    for _ in range(2):
        three("pack")
    signal(f"{version}-packed")
    assert two.end() == 0
    assert three("call", "small", list(range(200)))[1] == 0
