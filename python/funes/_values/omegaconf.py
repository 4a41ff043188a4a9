"""Type rules for OmegaConf, which Hydra uses: a configuration by its resolved values.

The cache of resolvers is not part of the value: Hydra stores the time of day there. What an
interpolation such as ``${now:%H}`` resolves to is part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], object]


def _config(value: Any) -> object:
    from omegaconf import OmegaConf

    metadata = value._metadata
    # The class of a structured configuration, and flags such as "struct" and "readonly".
    kind = metadata.object_type, dict(metadata.flags or {})
    return (*kind, OmegaConf.to_container(value, resolve=True))


#: Qualified name of a type -> the rule's name in the encoding, the rule.
RULES: dict[str, tuple[str, Rule]] = {
    "omegaconf.dictconfig.DictConfig": ("omegaconf.DictConfig", _config),
    "omegaconf.listconfig.ListConfig": ("omegaconf.ListConfig", _config),
}

#: Qualified name of a type -> attributes that its rule covers, so that they do not count again.
COVERED: dict[str, frozenset[str]] = dict.fromkeys(
    RULES, frozenset({"_content", "_flags_cache", "_metadata", "_parent"})
)
