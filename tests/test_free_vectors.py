"""lib.geometry.free_vectors and lib.strata.spread_optimum against the losses of the library, plain loops, and cvxpy."""

import math

import cvxpy as cp
import numpy as np
import pytest
import torch

from lib.geometry import free_vectors as fv
from lib.losses import supervised
from lib.strata import spread_optimum

Y = torch.arange(3).repeat_interleave(4)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("clamp", [None, 1.0])
def test_losses_are_those_of_equal_views(views, clamp):
    z = fv.scattered(3, 4, 6, seed=1)
    flat, switches = z.flatten(0, 1), {"one_view": views == 1, "clamp": clamp}
    attract, repel, sup_con = fv.Objective.of(0.4, views=views, clamp=clamp or math.inf).parts(z[None])
    assert float(attract) == pytest.approx(float(supervised.attract(flat, flat, Y, 0.4, **switches)))
    assert float(repel) == pytest.approx(float(supervised.repel(flat, flat, Y, 0.4, one_view=views == 1)))
    assert float(sup_con) == pytest.approx(float(supervised.sup_con(flat, flat, Y, 0.4, **switches)))


def test_settings_of_a_batch_are_what_they_are_alone():
    z = torch.stack([fv.scattered(3, 4, 6, seed=s) for s in range(3)])
    both = fv.Objective.of([0.3, 0.5, 0.9], [0.2, 0.5, 1.0], [False, False, True], [1, 2, 2], [math.inf, 1.0, 1.0])
    alone = [
        fv.Objective.of(0.3, 0.2, views=1),
        fv.Objective.of(0.5, 0.5, clamp=1.0),
        fv.Objective.of(0.9, 1.0, True, clamp=1.0),
    ]
    assert torch.allclose(both.loss(z), torch.cat([o.loss(z[i : i + 1]) for i, o in enumerate(alone)]))


def test_the_simplex_and_the_starts():
    v = fv.simplex(4, 6)
    assert torch.allclose(v @ v.T, torch.eye(4).double() * (4 / 3) - 1 / 3)
    z = fv.collapsed(3, 5, 4)
    assert torch.allclose(fv.within(z), torch.ones(()).double())
    z = fv.scattered(2, 5, 4)
    pairs = [float(z[k, i] @ z[k, j]) for k in range(2) for i in range(5) for j in range(5) if i != j]
    assert float(fv.within(z)) == pytest.approx(np.mean(pairs))
    with pytest.raises(ValueError, match="holds no simplex"):
        fv.simplex(4, 2)


def test_descent_finds_the_optimum_from_both_starts():
    alpha = torch.tensor([0.45, 0.9, 0.45, 0.9], dtype=torch.float64)
    start = torch.stack([fv.collapsed(2, 3, 6, 0.05)] * 2 + [fv.scattered(2, 3, 6)] * 2)
    objective = fv.Objective.of(0.5, alpha)
    z, length = fv.descend(objective, start, 400)
    best = spread_optimum.optimal_within(objective, 2, 3)
    assert torch.allclose(fv.within(z), best, atol=1e-4)
    assert float(length.max()) < 1e-4
    assert float(best[0]) < 0.9
    assert float(best[1]) == pytest.approx(1.0)


def test_hessian_against_differences_along_great_circles():
    objective, v = fv.Objective.of(0.5, 0.7), fv.collapsed(2, 2, 3)
    attract, repel, _ = fv.hessians(objective, 2, 2, 3)
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.svd(v.flatten(0, 1)[:, None])[2][:, 1:]
    u = torch.randn(8, generator=generator, dtype=torch.float64)
    move = (u.view(4, 1, 2) @ basis)[:, 0].view(2, 2, 3)
    angle = move.norm(dim=-1, keepdim=True)

    def at(t):
        return float(objective.loss((v * (t * angle).cos() + move / angle * (t * angle).sin())[None])) * 4

    second = (at(1e-3) - 2 * at(0.0) + at(-1e-3)) / 1e-6
    assert float(u @ (0.7 * attract + 0.3 * repel) @ u) == pytest.approx(second, rel=1e-4)


def _by_cvxpy(n: int, tau: float, alpha: float, clamp: float) -> float:
    """The least L_spread of two classes of n images over all cosine matrices."""
    g, m = cp.Variable((2 * n, 2 * n), PSD=True), 2 * n - 1
    terms = []
    for i in range(2 * n):
        own = [j for j in range(2 * n) if j // n == i // n and j != i]
        away = cp.hstack([g[i, j] / tau + math.log(2) for j in range(2 * n) if j // n != i // n])
        alike = cp.hstack([1 / tau] + [g[i, j] / tau + math.log(2) for j in own])
        repel = cp.log_sum_exp(alike) - 1 / tau
        attract = cp.log_sum_exp(cp.hstack([1 / tau, away])) - min(1 / tau, clamp)
        for j in own:
            pull = g[i, j] / tau if math.isinf(clamp) else cp.minimum(g[i, j] / tau, clamp)
            attract += 2 * (cp.log_sum_exp(cp.hstack([g[i, j] / tau, away])) - pull)
        terms.append(alpha * attract / m + (1 - alpha) * repel)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.hstack(terms)) / (2 * n)), [cp.diag(g) == 1])
    problem.solve(solver=cp.CLARABEL)
    return float(problem.value)


@pytest.mark.parametrize("alpha, clamp", [(0.45, math.inf), (0.95, math.inf), (0.8, 1.0)])
def test_one_number_is_enough(alpha, clamp):
    objective = fv.Objective.of(0.5, alpha, clamp=clamp)
    b = spread_optimum.optimal_within(objective, 2, 3)
    assert float(spread_optimum.loss(objective, 2, 3, b)) == pytest.approx(_by_cvxpy(3, 0.5, alpha, clamp), abs=1e-6)


def test_the_one_number_has_the_loss_of_vectors():
    objective = fv.Objective.of(0.5, torch.tensor([0.6, 1.0]), torch.tensor([False, True]), clamp=1.0)
    z = fv.collapsed(3, 4, 5)
    assert torch.allclose(
        spread_optimum.loss(objective, 3, 4, torch.ones(2).double()), objective.loss(torch.stack([z, z]))
    )


@pytest.mark.parametrize(
    "options, words",
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": 0.5, "alpha": 1.5}, "alpha"),
        ({"temperature": 0.5, "alpha": -0.1}, "alpha"),
        ({"temperature": 0.5, "views": 3}, "views"),
    ],
)
def test_bad_input(options, words):
    with pytest.raises(ValueError, match=words):
        fv.Objective.of(**options)


def test_an_optimum_needs_pairs():
    with pytest.raises(ValueError, match="per_class=1"):
        spread_optimum.optimal_within(fv.Objective.of(0.5), 2, 1)
