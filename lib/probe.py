"""The downstream head: multinomial logistic regression on unit features, as the public code of Maity et al. (2024)."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import normalize

GRID = (1.0, 0.1, 0.01)  # inverse strengths C of the L2 penalty
TEST_SHARE = 0.25
FOLDS = 3


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the 75 % that train a head and of the 25 % that score it: random, not stratified."""
    return train_test_split(np.arange(n), test_size=TEST_SHARE, random_state=seed)


def fit(z, y, c_grid: tuple[float, ...] = GRID, iterations: int = 1000) -> GridSearchCV:
    """The head on features z (n, d) and codes y (n,): C by three-fold cross-validated accuracy, then refitted.

    Features are divided by their length.  No class weights.  The public code stops at 100 iterations; the default here
    lets every fit converge.  RuntimeError: the fit did not converge.
    """
    head = LogisticRegression(max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            return GridSearchCV(head, {"C": list(c_grid)}, cv=FOLDS, error_score="raise").fit(
                normalize(np.asarray(z)), np.asarray(y)
            )
        except ConvergenceWarning as warning:
            raise RuntimeError(f"a head did not converge in {iterations} iterations; raise iterations") from warning


def predict(z, y, seed: int, c_grid: tuple[float, ...] = GRID) -> tuple[np.ndarray, np.ndarray]:
    """Fit on the 75 % of ``split(n, seed)`` and predict the rest: (true codes, predicted codes)."""
    z, y = np.asarray(z), np.asarray(y)
    train, test = split(len(y), seed)
    return y[test], fit(z[train], y[train], c_grid).predict(normalize(z[test]))


def balanced_accuracy(y_true, y_pred, num_classes: int) -> float:
    """Mean recall over the classes."""
    return float(np.mean([np.mean(y_pred[y_true == k] == k) for k in range(num_classes)]))
