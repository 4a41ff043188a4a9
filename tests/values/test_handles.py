"""Third-party handles to external content are refused, also in containers, attributes and subclasses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from funes import CacheWarning, UnhashableArgumentError, hash_value, memorious


def assert_refused(value: Any, match: str) -> None:
    for held in (value, [value], {"a": (value,)}, SimpleNamespace(a=value)):
        with pytest.raises(UnhashableArgumentError, match=match):
            hash_value(held)


@pytest.mark.parametrize(
    "kind", ["Cache", "FanoutCache", "Index", "Deque", "own", "Lock", "Averager"]
)
def test_diskcache(kind: str, tmp_path: Path) -> None:
    diskcache = pytest.importorskip("diskcache")

    class Own(diskcache.Cache):  # type: ignore[misc]
        def __reduce__(self) -> Any:
            return Own, ()

    makers: dict[str, Callable[[str], Any]] = {
        "Cache": diskcache.Cache,
        "FanoutCache": diskcache.FanoutCache,
        "Index": diskcache.Index,
        "Deque": lambda folder: diskcache.Deque(directory=folder),
        "own": Own,
        "Lock": lambda folder: diskcache.Lock(diskcache.Cache(folder), "key"),
        "Averager": lambda folder: diskcache.Averager(diskcache.Cache(folder), "key"),
    }
    value = makers[kind](str(tmp_path))
    inner = value if kind == "FanoutCache" else getattr(value, "_cache", value)
    try:
        assert_refused(value, "stored elsewhere")
    finally:
        getattr(inner, "close", lambda: None)()


@pytest.mark.filterwarnings("ignore:remaining subinterpreters")
def test_subinterpreters() -> None:
    interpreters: Any = pytest.importorskip("concurrent.interpreters")
    assert_refused(interpreters.create_queue(), "a queue cannot be part of a key")
    interpreter = interpreters.create()
    try:
        assert_refused(interpreter, "its number means nothing in another process")
    finally:
        interpreter.close()


@pytest.mark.usefixtures("cache")
def test_call_with_diskcache_is_not_cached(tmp_path: Path) -> None:
    diskcache = pytest.importorskip("diskcache")
    memo = memorious(lambda table: table["a"])
    with diskcache.Cache(str(tmp_path / "disk")) as table:
        table["a"] = 1
        with pytest.warns(CacheWarning, match="pass the content"):
            assert memo(table) == 1
        table["a"] = 2
        assert memo(table) == 2


def test_sqlalchemy() -> None:
    sa = pytest.importorskip("sqlalchemy")
    from sqlalchemy import orm

    class Count(sa.types.TypeDecorator):  # type: ignore[misc]
        impl = sa.Integer
        cache_ok = True

    class Base(orm.DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "user"
        id = orm.mapped_column(sa.Integer, primary_key=True)

    engine = sa.create_engine("sqlite://")
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("a", sa.Integer, primary_key=True))
    expressions = [
        metadata,
        table,
        table.c,
        table.c.a,
        table.c.a == 1,
        sa.select(table),
        sa.insert(table).values(a=1),
        sa.text("select 1"),
        sa.func.max(table.c.a),
        sa.Integer(),
        sa.String(5),
        Count(),
        sa.Index("i", table.c.a),
        sa.ForeignKey("t.a"),
        User,
        User(id=1),
        Base.metadata,
    ]
    for value in expressions:
        assert_refused(value, "an expression of SQLAlchemy")
    with engine.connect() as connection, orm.Session(engine) as session:
        for value in (engine, connection, session, orm.sessionmaker(engine), sa.inspect(engine)):
            assert_refused(value, "a database connection")
        assert_refused(connection.execute(sa.text("select 1")), "iterator")
    engine.dispose()
    assert hash_value(str(sa.select(table))) != hash_value(str(sa.select(table.c.a + 1)))


def test_h5py(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = [1, 2]
        for value in (file, file["a"], file.create_group("b"), file["a"].attrs):
            assert_refused(value, "reads from a file|h5py")


def test_zarr(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "a"), mode="w")
    for value in (group, zarr.zeros((2,), store=str(tmp_path / "b"))):
        assert_refused(value, "reads from a file")


def test_redis() -> None:
    redis = pytest.importorskip("redis")
    assert_refused(redis.Redis(), "a database connection")
