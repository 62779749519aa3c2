"""lib.geometry.peeled: the budget of collapse against gradient descent on the logits, and its limits."""

import math

import numpy as np
import pytest
import torch

from lib.geometry import convex, peeled


def descended(shares, radius, adjusted):
    """The logits (K, K) of least cross-entropy with this nuclear norm, by descent on two factors."""
    p, k = torch.tensor(shares), len(shares)
    x = torch.randn(2, k, 2 * k, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    solver = torch.optim.LBFGS(
        [x], max_iter=800, tolerance_grad=1e-13, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def logits():
        h, w = (y * (radius / y.square().sum()).sqrt() for y in x)
        return h @ w.T

    def loss():
        solver.zero_grad()
        score = logits() + (p.log() if adjusted else 0)
        total = -(p * score.log_softmax(1).diagonal()).sum()
        total.backward()
        return total

    solver.step(loss)
    return logits().detach()


@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("minorities, ratio", [(2, 3.0), (4, 50.0)])
def test_minorities_part_just_above_the_budget(minorities, ratio, adjusted):
    shares = np.array([ratio, *[1.0] * minorities]) / (ratio + minorities)
    end = peeled.budget(minorities, ratio, adjusted) * (minorities + 1)
    apart = [descended(shares, x * end, adjusted)[1:].std(0).max() for x in (0.97, 1.03)]
    assert apart[0] < 1e-4 and apart[1] > 0.01


def test_the_adjustment_multiplies_the_budget_by_the_root_of_the_minorities_in_the_end():
    """It is slow, of order log log R / log R; so the logarithms of the ratios are each ten times the last."""
    factor = [peeled.budget(4, 10.0**e, True) / peeled.budget(4, 10.0**e) for e in (3, 30, 300)]
    assert factor[0] < factor[1] < factor[2] < 2
    assert factor[2] > 1.9


def test_nearly_equal_classes_collapse_under_tiny_budgets_alone():
    assert max(peeled.budget(3, 1 + 1e-9, adjusted) for adjusted in (False, True)) < 1e-8


def test_equal_shares_need_no_adjustment():
    plain, moved = (convex.layer_peeled([1 / 3] * 3, 2.0, 2.0, adjusted) for adjusted in (False, True))
    assert np.abs(plain[0] - moved[0]).max() < 1e-5 and plain[2] == pytest.approx(moved[2], abs=1e-8)


@pytest.mark.parametrize("minorities, ratio", [(1, 2.0), (2.5, 2.0), (2, 1.0), (2, math.inf), (2, math.nan)])
def test_bad_input_is_refused_by_name(minorities, ratio):
    with pytest.raises(ValueError, match="minorities=" if minorities != 2 else "ratio="):
        peeled.budget(minorities, ratio)
