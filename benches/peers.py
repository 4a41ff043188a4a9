"""One function that is cached by funes, by each peer, and by minimal implementations as lower bounds."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

Function = Callable[[float], float]


def work(x: float) -> float:
    """Computes almost nothing, so that the measured time is that of the cache."""
    return x * 2.0


def with_funes(folder: Path) -> Function:
    from funes import memorious

    return memorious(cache_dir=folder)(work)


def with_joblib(folder: Path) -> Function:
    import joblib

    return joblib.Memory(folder, verbose=0).cache(work)


def with_diskcache(folder: Path) -> Function:
    import diskcache

    return diskcache.Cache(str(folder)).memoize()(work)


def with_cachier(folder: Path) -> Function:
    import cachier

    return cachier.cachier(cache_dir=str(folder), separate_files=True)(work)


def with_checkpointer(folder: Path) -> Function:
    import checkpointer

    return checkpointer.checkpoint(directory=str(folder), verbosity=0)(work)


def with_cachebox(_folder: Path) -> Function:
    import cachebox

    return cachebox.cached(cachebox.LRUCache(1 << 20))(work)


def with_lru_cache(_folder: Path) -> Function:
    return lru_cache(maxsize=None)(work)


def with_plain_files(folder: Path) -> Function:
    """Stores a pickle in a file named by the argument, without hash, checksum or definition."""
    folder.mkdir(exist_ok=True)
    top = f"{folder}{os.sep}"

    def remembered(x: float) -> float:
        path = top + x.hex()
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            result = work(x)
            file = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(file, pickle.dumps(result))
            os.close(file)
            os.rename(path + ".new", path)
            return result
        stored = os.read(file, 65536)
        os.close(file)
        return pickle.loads(stored)

    return remembered


PEERS: dict[str, Callable[[Path], Function]] = {
    "funes": with_funes,
    "joblib": with_joblib,
    "diskcache": with_diskcache,
    "cachier": with_cachier,
    "checkpointer": with_checkpointer,
    "cachebox": with_cachebox,
    "lru_cache": with_lru_cache,
    "floor: plain files": with_plain_files,
}
KEEPS_NOTHING = ("lru_cache", "cachebox")
