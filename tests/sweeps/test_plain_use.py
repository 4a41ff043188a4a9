"""Engines and libraries that call memorious functions themselves."""

from __future__ import annotations

import copy
import functools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from local_dask import dask_client
from sweep_functions import product, square

from funes import memorious

Lines = Callable[[], list[str]]

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))


def expect_stored(log: str, lines: Lines) -> None:
    assert sorted(lines()) == ["1", "2", "3"]
    assert [square.is_cached(x) for x in range(1, 4)] == [True] * 3
    assert list(square.map([1, 2, 3], [log] * 3)) == [1, 4, 9]
    assert sorted(lines()) == ["1", "2", "3"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_process_pool(method: str, log: str, lines: Lines) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        assert list(pool.map(square, [1, 2, 3, 1], [log] * 4)) == [1, 4, 9, 1]
    expect_stored(log, lines)


def test_joblib(log: str, lines: Lines) -> None:
    joblib = pytest.importorskip("joblib")
    found = joblib.Parallel(2)(joblib.delayed(square)(x, log) for x in [1, 2, 3])
    assert found == [1, 4, 9]
    expect_stored(log, lines)


def test_dask(log: str, lines: Lines) -> None:
    with dask_client(1) as client:
        assert client.gather(client.map(square, [1, 2, 3], [log] * 3)) == [1, 4, 9]
    expect_stored(log, lines)


def test_submitit(log: str, lines: Lines) -> None:
    submitit = pytest.importorskip("submitit")
    executor = submitit.AutoExecutor(folder="jobs", cluster="local")
    jobs = executor.map_array(square, [1, 2, 3], [log] * 3)
    assert [job.result() for job in jobs] == [1, 4, 9]
    expect_stored(log, lines)


class MemoryAdapter:
    """Lets scikit-learn cache the steps of a pipeline with funes: ``Pipeline(..., memory=MemoryAdapter())``."""

    def cache(self, function: Any, ignore: Any = ()) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            # scikit-learn fits the estimator that is passed, and a cached call must not change its arguments.
            return function(*copy.deepcopy(args), **copy.deepcopy(kwargs))

        return memorious(ignore=tuple(ignore or ()))(call)


@pytest.fixture
def iris() -> Any:
    datasets = pytest.importorskip("sklearn.datasets")
    return datasets.load_iris(return_X_y=True)


def test_pipeline_of_scikit_learn(iris: Any, cache: Path) -> None:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    steps = [("reduce", PCA(random_state=0)), ("classify", LogisticRegression(max_iter=500))]
    axes = {"reduce__n_components": [2, 3], "classify__C": [0.1, 1.0]}
    plain = GridSearchCV(Pipeline(steps), axes, cv=3).fit(*iris)
    cached = GridSearchCV(Pipeline(steps, memory=MemoryAdapter()), axes, cv=3).fit(*iris)
    assert (
        cached.cv_results_["mean_test_score"].tolist()
        == plain.cv_results_["mean_test_score"].tolist()
    )
    # A fit of the reduction for each number of components and fold, and one for the best; not one for each C.
    assert len(list(cache.glob("_fit_transform_one*/*/*.dill"))) == 2 * 3 + 1


def test_objective_of_optuna(log: str, lines: Lines) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        rate = trial.suggest_categorical("rate", [0.1, 0.2])
        depth = trial.suggest_int("depth", 1, 2)
        return product(rate, depth, log=log)

    for _ in range(2):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        study.optimize(objective, n_trials=20)
        assert study.best_value == pytest.approx(0.1)
    assert len(lines()) == len(set(lines())) == 4


def test_config_of_hydra(log: str, lines: Lines, tmp_path: Path) -> None:
    pytest.importorskip("hydra")
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    (tmp_path / "config.yaml").write_text("rate: 0.5\ndepth: 2\n")
    with initialize_config_dir(version_base=None, config_dir=str(tmp_path)):
        configs = [compose("config", overrides=[f"depth={depth}"]) for depth in (2, 3, 2)]
    found = [product(**OmegaConf.to_container(config), log=log) for config in configs]
    assert found == [1.0, 1.5, 1.0]
    assert len(lines()) == 2

    @memorious
    def train(config: Any) -> float:
        return float(config.rate * config.depth)

    assert list(train.map(configs, executor=2)) == [1.0, 1.5, 1.0]
    assert train.map(configs).status() == (3, 1, 2, 0)
