"""lib.probe against scikit-learn put together by hand."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from lib import probe


@pytest.fixture(scope="module")
def digits():
    z, y = load_digits(return_X_y=True)
    return z[:400], y[:400]


def test_split_is_the_papers(digits):
    train, test = probe.split(400, seed=1)
    assert len(train) == 300 and sorted([*train, *test]) == list(range(400))
    z, y = digits
    theirs = train_test_split(z, y, test_size=0.25, random_state=1)
    for ours, other in zip((z[train], z[test], y[train], y[test]), theirs, strict=True):
        assert np.array_equal(ours, other)
    assert not np.array_equal(probe.split(400, seed=0)[1], test)


def test_fit_equals_a_pipeline_of_sklearn(digits):
    z, y = digits
    ours = probe.fit(z, y)
    pipeline = make_pipeline(Normalizer(), LogisticRegression(max_iter=1000))
    theirs = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 0.1, 0.01]}, cv=3, scoring="accuracy").fit(z, y)
    assert ours.best_params_["C"] == theirs.best_params_["logisticregression__C"]
    assert np.allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    head = theirs.best_estimator_[-1]
    assert np.allclose(ours.best_estimator_.coef_, head.coef_) and head.class_weight is None


def test_predict_scores_the_quarter_that_was_not_fitted(digits):
    z, y = digits
    true, predicted = probe.predict(z, y, seed=0)
    train, test = probe.split(400, 0)
    pipeline = make_pipeline(Normalizer(), LogisticRegression(max_iter=1000))
    theirs = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 0.1, 0.01]}, cv=3).fit(z[train], y[train])
    assert np.array_equal(true, y[test]) and np.array_equal(predicted, theirs.predict(z[test]))
    assert np.mean(true == predicted) > 0.9


def test_features_count_by_direction_alone(digits):
    z, y = digits
    lengths = np.random.default_rng(0).uniform(0.1, 10, (400, 1))
    assert np.array_equal(probe.predict(z * lengths, y, 0, (1.0,))[1], probe.predict(z, y, 0, (1.0,))[1])


@pytest.mark.parametrize("iterations", [2, 15], ids=["no fit converges", "the larger C do not"])
def test_a_head_that_does_not_converge_is_an_error(digits, iterations):
    """Also where some C converge: else the search would silently choose among those."""
    with pytest.raises(RuntimeError, match=f"did not converge in {iterations} iterations; raise iterations"):
        probe.fit(*digits, iterations=iterations)


def test_balanced_accuracy_equals_sklearns():
    rng = np.random.default_rng(0)
    true, predicted = rng.choice(4, 300, p=[0.7, 0.1, 0.1, 0.1]), rng.integers(0, 4, 300)
    assert probe.balanced_accuracy(true, predicted, 4) == pytest.approx(
        balanced_accuracy_score(true, predicted), abs=1e-12
    )
