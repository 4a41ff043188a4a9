"""scikit-learn: estimators count by class, parameters and fitted state."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from funes import hash_value
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

GENERATOR = np.random.RandomState(0)
DATA = GENERATOR.normal(size=(40, 3))
KNOWN = (DATA[:, 0] + DATA[:, 1] > 0).astype(int)

ESTIMATORS: list[Callable[[], Any]] = [
    LogisticRegression,
    lambda: SGDClassifier(random_state=0),
    lambda: DecisionTreeClassifier(random_state=0),
    lambda: RandomForestClassifier(n_estimators=3, random_state=0),
    lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0),
    KNeighborsClassifier,
    lambda: KNeighborsClassifier(algorithm="kd_tree"),
    SVC,
    GaussianNB,
    lambda: GaussianProcessClassifier(RBF(), random_state=0),
    lambda: MLPClassifier((3,), max_iter=5, random_state=0, solver="lbfgs"),
    lambda: KMeans(2, n_init=1, random_state=0),
    lambda: PCA(2),
    StandardScaler,
    lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    lambda: make_pipeline(StandardScaler(with_mean=False), LogisticRegression()),
    lambda: ColumnTransformer([("a", StandardScaler(), [0]), ("b", OneHotEncoder(), [1])]),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("make", ESTIMATORS)
def test_estimator_counts_by_parameters_and_fitted_state(make: Callable[[], Any]) -> None:
    fresh, fitted, again = make(), make().fit(DATA, KNOWN), make().fit(DATA.copy(), KNOWN.copy())
    other = make().fit(DATA[::-1] * 2 + 1, KNOWN)
    assert_all_equal([fresh, make(), clone(fitted), pickle.loads(pickle.dumps(fresh))])
    assert_all_equal([fitted, again, pickle.loads(pickle.dumps(fitted))])
    assert_all_differ([fresh, fitted, other])
    before = hash_value(fitted)
    getattr(fitted, "predict", fitted.fit)(DATA)
    repr(fitted)
    if hasattr(fitted, "predict"):
        assert hash_value(fitted) == before


def test_classes_and_parameters_differ() -> None:
    assert_all_differ(make() for make in ESTIMATORS)
    assert_all_differ(
        [
            LogisticRegression(),
            LogisticRegression(C=2),
            LogisticRegression(C=2.0),
            LogisticRegression(random_state=0),
            Pipeline([("a", StandardScaler()), ("b", PCA(2))]),
            Pipeline([("b", PCA(2)), ("a", StandardScaler())]),
            GridSearchCV(LogisticRegression(), {"C": [1, 2]}),
            GridSearchCV(LogisticRegression(), {"C": [1, 3]}),
            FunctionTransformer(np.log),
            FunctionTransformer(np.exp),
            TfidfVectorizer(),
            TfidfVectorizer(ngram_range=(1, 2)),
            KFold(3),
            KFold(4),
            StratifiedKFold(3),
            RBF(1.0),
            RBF(2.0),
        ]
    )


def test_library_version_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = hash_value(LogisticRegression())
    monkeypatch.setattr("sklearn.base.__version__", "0.0")
    assert hash_value(LogisticRegression()) == before


class Majority(ClassifierMixin, BaseEstimator):
    def __init__(self, factor: float = 1) -> None:
        self.factor = factor

    def fit(self, data: Any, known: Any) -> Majority:
        self.majority_ = np.bincount(known).argmax()
        return self


class Minority(ClassifierMixin, BaseEstimator):
    def __init__(self, factor: float = 1) -> None:
        self.factor = factor

    def fit(self, data: Any, known: Any) -> Minority:
        self.majority_ = np.bincount(known).argmin()
        return self


def test_user_defined_estimator() -> None:
    fitted = Majority().fit(DATA, KNOWN)
    assert_all_equal([fitted, Majority().fit(DATA, KNOWN), pickle.loads(pickle.dumps(fitted))])
    assert_all_differ([fitted, Majority(), Majority(2), Minority(), make_pipeline(Majority())])


@pytest.mark.slow
def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
data = np.arange(40.0).reshape(20, 2) % 7
known = np.arange(20) % 3
values = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    RandomForestClassifier(3, random_state=0).fit(data, known),
    TfidfVectorizer(stop_words=["the", "a"]).fit(["the cat sat", "a dog sat", "on a mat"]),
]
""",
    )
