"""OmegaConf and Hydra: configurations count by their resolved values."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from funes import UnhashableArgumentError, hash_value, memorious
from values.comparing import assert_all_differ, assert_all_equal

omegaconf = pytest.importorskip("omegaconf")
create = omegaconf.OmegaConf.create


def test_values_types_and_flags_count() -> None:
    config = {"rate": 0.5, "layers": [1, 2], "model": {"name": "a"}}
    readonly = create(config)
    omegaconf.OmegaConf.set_readonly(readonly, True)
    used = create(config)
    assert used.model.name == "a"
    assert_all_equal(
        [
            create(config),
            used,
            create(dict(reversed(config.items()))),
            pickle.loads(pickle.dumps(used)),
        ]
    )
    assert_all_differ(
        [
            create(config),
            create({**config, "rate": 1}),
            create({**config, "rate": 1.0}),
            create({**config, "layers": [2, 1]}),
            readonly,
            config,
            create([1, 2]),
            [1, 2],
        ]
    )


def test_interpolations_count_by_what_they_resolve_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_all_differ(
        [
            create({"a": 1, "model": {"b": "${a}"}}).model,
            create({"a": 2, "model": {"b": "${a}"}}).model,
        ]
    )
    config = create({"user": "${oc.env:SWEEP_USER}"})
    monkeypatch.setenv("SWEEP_USER", "one")
    first = hash_value(config)
    monkeypatch.setenv("SWEEP_USER", "two")
    assert hash_value(config) != first


def test_interpolation_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(UnhashableArgumentError, match="missing"):
        hash_value(create({"a": "${missing}"}))
    assert hash_value(create({"a": "???"})) != hash_value(create({"a": None}))


def test_composed_configuration_is_a_hit_in_the_next_second(tmp_path: Path, cache: Path) -> None:
    hydra = pytest.importorskip("hydra")
    (tmp_path / "config.yaml").write_text("rate: 0.5\ndepth: 2\n")

    @memorious
    def train(config: Any) -> float:
        return float(config.rate * config.depth)

    with hydra.initialize_config_dir(version_base=None, config_dir=str(tmp_path)):
        first = hydra.compose("config", overrides=["depth=3"])
        time.sleep(1.1)
        second = hydra.compose("config", overrides=["depth=3"])
    assert train(first) == 1.5
    assert train.is_cached(second)
    assert not train.is_cached(hydra_free(2))


def hydra_free(depth: int) -> Any:
    return create({"rate": 0.5, "depth": depth})
