"""Refuses third-party handles: databases, files and caches, whose content may change."""

from __future__ import annotations

_CACHE = (
    "its content is stored elsewhere and may change at any time; pass the content, such as dict(it)"
)
_DATABASE = "a database connection cannot be part of a key: the content of the database may change"
_FILE = "it reads from a file that may change; pass the path or the content"
_STATEMENT = "an expression of SQLAlchemy caches derived values in itself; pass its text, str(it)"

#: Qualified name of a type -> why its objects cannot be hashed.
REFUSALS: dict[str, str] = {
    "diskcache.core.Cache": _CACHE,
    "diskcache.fanout.FanoutCache": _CACHE,
    "diskcache.persistent.Deque": _CACHE,
    "diskcache.persistent.Index": _CACHE,
    "h5py._hl.base.HLObject": _FILE,
    "redis.client.Redis": _DATABASE,
    "sqlalchemy.engine.base.Connection": _DATABASE,
    "sqlalchemy.engine.base.Engine": _DATABASE,
    "sqlalchemy.orm.session.Session": _DATABASE,
    "sqlalchemy.sql.elements.ClauseElement": _STATEMENT,
    "sqlalchemy.sql.schema.MetaData": _STATEMENT,
    "sqlalchemy.sql.schema.SchemaItem": _STATEMENT,
    "sqlalchemy.sql.type_api.TypeEngine": _STATEMENT,
    "zarr.core.Array": _FILE,
    "zarr.core.array.Array": _FILE,
    "zarr.core.group.Group": _FILE,
    "zarr.hierarchy.Group": _FILE,
}
