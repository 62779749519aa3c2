"""lib.geometry.convex: cvxpy against the free vectors,
the layer-peeled model against gradient descent on it, refusals.
"""

import math

import numpy as np
import pytest
import torch

from lib import geometry
from lib.geometry import convex

SHARES = np.array([0.45, 0.3, 0.15, 0.1])


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives, tau", [(1, 0.3), (1, 1.0), (math.inf, 0.5), (math.inf, 1.0)])
def test_free_vectors_and_cvxpy_agree_for_unequal_shares(negatives, tau, law):
    matrix, value = convex.gram(SHARES, tau, negatives, law)
    found = geometry.optimum(SHARES, tau, negatives, law)
    assert value == pytest.approx(float(found.loss), abs=1e-9)
    assert np.abs(matrix - found.cosines.numpy()).max() < 1e-6


def test_the_other_losses_agree():
    matrix, value = convex.gram(SHARES, 0.5, 9, "iid", "exponential")
    found = geometry.optimum(SHARES, 0.5, 9, "iid", "exponential")
    assert value == pytest.approx(float(found.loss), abs=1e-9) and np.abs(matrix - found.cosines.numpy()).max() < 1e-6
    for loss, moved in (("linear", 1e-8), ("triplet", geometry.ROUNDING * math.log(2))):
        value, found = convex.gram(SHARES, 0.5, 1, "iid", loss)[1], geometry.optimum(SHARES, 0.5, 1, "iid", loss)
        assert -1e-8 <= float(found.loss) - value <= moved


def test_non_negative_features_are_an_orthogonal_frame():
    for ratio in (1, 10, 1000):
        shares = np.array([ratio, 1, 1, 1]) / (ratio + 3)
        matrix, value = convex.gram(shares, 0.5, 1, nonnegative=True)
        assert np.abs(matrix - np.eye(4)).max() < 1e-4
        frame = geometry.programme(shares, 0.5, 1).loss(torch.eye(4, dtype=torch.float64))  # it is attained
        assert value == pytest.approx(float(frame), abs=1e-8)


def test_the_layer_peeled_model_is_what_descent_finds():
    shares, budget = np.array([0.7, 0.1, 0.1, 0.1]), 3.0
    features, classifiers, value = convex.layer_peeled(shares, budget, budget)
    p, best = torch.tensor(shares), math.inf
    for seed in range(3):
        x = torch.randn(2, 4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        solver = torch.optim.LBFGS([x], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

        def layers(x=x):
            return [y * (4 * budget / y.square().sum()).sqrt() for y in x]

        def loss(x=x, solver=solver, layers=layers):
            solver.zero_grad()
            h, w = layers()
            total = -(p * (h @ w.T).log_softmax(1).diagonal()).sum()
            total.backward()
            return total

        solver.step(loss)
        h, w = (torch.nn.functional.normalize(y.detach(), dim=1).numpy() for y in layers())
        if (reached := float(loss().detach())) < best:
            best, found = reached, (h @ h.T, w @ w.T)
    assert value == pytest.approx(best, abs=1e-6)
    assert np.abs(features - found[0]).max() < 1e-3 and np.abs(classifiers - found[1]).max() < 1e-3


def test_balanced_layers_are_simplices():
    features, classifiers, _ = convex.layer_peeled([1 / 3] * 3, 2.0, 5.0)
    for cosines in (features, classifiers):
        assert np.abs(cosines - (1.5 * np.eye(3) - 0.5)).max() < 1e-5


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: convex.gram(SHARES, 0.5, 3), "negatives=3: cvxpy has InfoNCE"),
        (lambda: convex.gram(SHARES * 2, 0.5, 1), "sum to 1"),
        (lambda: convex.layer_peeled(SHARES * 2, 1.0, 1.0), "sum to 1"),
        (lambda: convex.layer_peeled(SHARES, 0.0, 1.0), "both budgets must be positive"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_programme_that_is_not_solved_is_an_error(monkeypatch):
    monkeypatch.setitem(convex.TOLERANCES, "max_iter", 1)
    with pytest.raises(RuntimeError, match="not solved"):
        convex.gram(SHARES, 0.5, 1)


def test_simplex_encoded_labels_are_the_logits_of_least_nuclear_norm_with_margins_of_one():
    import cvxpy as cp

    counts = [4, 2, 1]
    y, n = np.repeat(range(3), counts), sum(counts)
    z = cp.Variable((3, n))
    margins = [z[y[i], i] - z[c, i] >= 1 for i in range(n) for c in range(3) if c != y[i]]
    cp.Problem(cp.Minimize(cp.normNuc(z)), margins).solve(solver=cp.SCS, eps=1e-7)
    assert np.abs(z.value - (np.eye(3)[:, y] - 1 / 3)).max() < 1e-3
    u, size, v = np.linalg.svd(z.value, full_matrices=False)
    h, w = (v.T * size) @ v, (u * size) @ u.T
    first = [0, 4, 6]  # a point of each class
    found = convex.seli(np.array(counts) / n)
    for gram, cosines in zip((h[np.ix_(first, first)], w), found, strict=True):
        length = np.sqrt(np.diag(gram))
        assert gram / np.outer(length, length) == pytest.approx(cosines, abs=5e-3)


def test_equal_classes_are_a_simplex_there_too_and_bad_shares_are_named():
    for part in convex.seli([0.25] * 4):
        assert part == pytest.approx(np.eye(4) - (1 - np.eye(4)) / 3, abs=1e-9)
    with pytest.raises(ValueError, match="must be positive and sum to 1"):
        convex.seli([0.5, 0.6])
