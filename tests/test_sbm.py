"""lib.sbm: optima against brute force, published figures and limits; certificates that can fail; clear refusals."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import optimize

from lib import sbm
from lib.geometry import newton
from lib.hashing import ROOT

ALPHA = np.array([[0.95, 0.4, 0.0], [0.4, 0.95, 0.0], [0.0, 0.0, 0.95]])


def plain_loss(g, pi, alpha, tau):
    """The population loss term by term, from the formula."""
    total = 0.0
    for k in range(len(pi)):
        w = sum(alpha[k][j] * pi[j] for j in range(len(pi)))
        total -= pi[k] * sum(alpha[k][j] * pi[j] / w * g[k][j] for j in range(len(pi))) / tau
        total += pi[k] * np.log(sum(pi[j] * np.exp(g[k][j] / tau) for j in range(len(pi))))
    return total


def random_problem(k, seed):
    generator = np.random.default_rng(seed)
    pi, alpha = generator.dirichlet(np.full(k, 2.0)), generator.random((k, k))
    return pi, (alpha + alpha.T) / 2


@pytest.mark.parametrize("k, tau", [(2, 0.3), (3, 1.0), (5, 0.5)])
def test_the_optimum_is_scipys(k, tau):
    pi, alpha = random_problem(k, k)
    found = sbm.population_optimum(pi, alpha, tau)

    def loss(flat):
        v = flat.reshape(k, k) / np.linalg.norm(flat.reshape(k, k), axis=1, keepdims=True)
        return plain_loss(v @ v.T, pi, alpha, tau)

    generator = np.random.default_rng(0)
    options = {"ftol": 1e-15, "gtol": 1e-10}
    best = min(
        optimize.minimize(loss, generator.normal(size=k * k), options=options, method="L-BFGS-B").fun for _ in range(4)
    )
    assert float(found.loss) == pytest.approx(plain_loss(found.cosines.numpy(), pi, alpha, tau), abs=1e-12)
    assert -1e-7 < best - float(found.loss) < 1e-6
    assert found.certificate.converged and float(found.certificate.gap) < 1e-8


def test_as_coded_and_the_weightings_are_what_their_formulas_say():
    pi, alpha, tau = np.array([0.2, 0.5, 0.3]), ALPHA, 0.7
    g = torch.corrcoef(torch.randn(3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    w = alpha @ pi
    coded = -(pi**2 / w * (alpha * g.numpy()).sum(1)).sum() / tau + (pi * np.log(np.exp(g.numpy() / tau).sum(1))).sum()
    assert float(sbm.terms(pi, alpha, tau, "as_coded").loss(g)) == pytest.approx(coded, abs=1e-12)
    equal = np.full(3, 1 / 3)
    assert float(sbm.terms(pi, alpha, tau, "groups").loss(g)) == pytest.approx(plain_loss(g.numpy(), equal, alpha, tau))
    by_anchor = [plain_loss(g.numpy(), pi, alpha, tau)]
    near, far = (alpha * pi / w[:, None] * g.numpy()).sum(1) / tau, np.log((pi * np.exp(g.numpy() / tau)).sum(1))
    assert by_anchor[0] == pytest.approx((pi * (far - near)).sum())
    assert float(sbm.terms(pi, alpha, tau, "anchors").loss(g)) == pytest.approx((far - near).mean())


def test_slope_and_change_are_the_derivatives():
    problem = sbm.terms([0.2, 0.5, 0.3], ALPHA, 0.7)
    g = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (d,) = torch.autograd.grad(problem.loss(g), g)
    assert torch.allclose(problem.slope(g.detach()), d + d.mT, atol=1e-12)
    dg = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    _, change = torch.autograd.functional.jvp(problem.slope, g.detach(), dg)
    assert torch.allclose(problem.change(g.detach(), dg), change, atol=1e-12)


def test_a_grid_equals_its_points_and_a_wrong_point_is_not_certified():
    shares = torch.tensor([[0.1, 0.45, 0.45], [0.3, 0.3, 0.4]], dtype=torch.float64)
    taus = torch.tensor([0.5, 2.0], dtype=torch.float64)
    grid = sbm.population_optimum(shares[:, None], ALPHA, taus)
    assert grid.cosines.shape == (2, 2, 3, 3) and grid.certificate.converged.all()
    for i in range(2):
        for j in range(2):
            one = sbm.population_optimum(shares[i], ALPHA, taus[j])
            assert torch.allclose(grid.cosines[i, j], one.cosines, atol=1e-6)
    problem = sbm.terms(shares[0], ALPHA, 1.0)
    flat = problem.__class__(problem.p[None], problem.a[None], problem.q[None], problem.tau[None])
    together = torch.ones(1, 3, 1, dtype=torch.float64) * torch.eye(1, 3, dtype=torch.float64)  # all three at one point
    found = newton.certify(flat, together)
    assert float(found.gradient) < 1e-12 and not found.converged  # a critical point, and no optimum
    truth = float(problem.loss(torch.ones(3, 3, dtype=torch.float64)) - sbm.population_optimum(shares[0], ALPHA).loss)
    assert 0 < truth <= float(found.gap), "the bound is below the true gap"
    assert float(found.curvature) < 0


def test_dimensions_above_k_gain_nothing_and_lower_ones_lose():
    pi, alpha = [0.25] * 4, np.eye(4)
    losses = [float(sbm.population_optimum(pi, alpha, 0.5, dim=d).loss) for d in (1, 2, 3, 4, 7)]
    assert losses[0] > losses[1] > losses[2] + 1e-6
    assert losses[2] == pytest.approx(losses[3], abs=1e-9) == pytest.approx(losses[4], abs=1e-9)
    simplex = sbm.population_optimum(pi, alpha, 0.5).cosines
    assert torch.allclose(simplex, torch.eye(4, dtype=torch.float64) * 4 / 3 - 1 / 3, atol=1e-6)


def test_the_shipped_figures_are_met_each_by_its_objective():
    table = pd.read_csv(ROOT / "results/reported/sbm_shipped_heatmaps.csv")
    cells = [(0, 1), (0, 2), (1, 2)]
    columns = ["cos12", "cos13", "cos23"]
    for (_, row), small in zip(table.iloc[:3].iterrows(), (256, 32, 4), strict=True):
        sizes = torch.tensor([small, 256, 256], dtype=torch.float64)
        c = sbm.population_optimum(sizes / sizes.sum(), ALPHA).cosines
        allowed = [row[f"pm{name[3:]}"] + 0.005 for name in columns]  # the figure prints two digits
        assert all(abs(float(c[cell]) - row[name]) <= a for cell, name, a in zip(cells, columns, allowed, strict=True))
    for (_, row), share in zip(table.iloc[3:].iterrows(), (1 / 4, 1 / 16, 1 / 64), strict=True):
        pi = [share, (1 - share) / 2, (1 - share) / 2]
        coded, right = (sbm.population_optimum(pi, ALPHA, objective=o).cosines for o in ("as_coded", "population"))
        if share > 1 / 64:  # the last panel had not converged
            assert all(abs(float(coded[cell]) - row[name]) <= 0.006 for cell, name in zip(cells, columns, strict=True))
        assert any(abs(float(right[cell]) - row[name]) > 0.015 for cell, name in zip(cells, columns, strict=True))


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("alpha12", [0.05, 0.4, 0.9])
def test_the_limit_is_what_the_solver_tends_to(alpha12, tau):
    alpha = ALPHA.copy()
    alpha[0, 1] = alpha[1, 0] = alpha12
    limit = float(sbm.vanishing_share_cosine(alpha12 / 0.95, tau))
    gaps = []
    for share in (1e-3, 1e-4, 1e-5):
        pi = torch.tensor([share, (1 - share) / 2, (1 - share) / 2], dtype=torch.float64)
        gaps.append(abs(float(sbm.population_optimum(pi, alpha, tau).cosines[0, 1]) - limit))
    assert gaps[-1] < 1e-3 and all(b < a / 5 or b < 1e-7 for a, b in itertools.pairwise(gaps))


def test_the_limit_jumps_at_no_connectivity_and_saturates_at_the_threshold():
    assert sbm.vanishing_share_cosine(0.0) == 0 and sbm.vanishing_share_cosine(1e-12) > 0.5
    for tau in (0.3, 0.5, 1.0):
        r = float(sbm.full_collapse_ratio(tau))
        assert sbm.vanishing_share_cosine(r + 1e-9, tau) == 1 > sbm.vanishing_share_cosine(r - 1e-6, tau)
    assert sbm.full_collapse_ratio(2.0) == 0 and sbm.vanishing_share_cosine(0.01, 2.0) == 1
    assert np.isfinite(sbm.vanishing_share_cosine(0.3, 0.001))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"shares": [0.5, 0.4, 0.2]}, "sum to 1"),
        ({"shares": [0.0, 0.5, 0.5]}, "must be positive"),
        ({"connectivity": ALPHA + np.triu(ALPHA)}, "must be symmetric"),
        ({"connectivity": ALPHA * 2}, r"must lie in \[0, 1\]"),
        ({"connectivity": np.eye(2)}, "one row a block"),
        ({"connectivity": np.zeros((3, 3))}, "no edge to any block"),
        ({"tau": 0.0}, r"tau=0.0 must be positive"),
        ({"objective": "spectral"}, "'spectral' is unknown"),
        ({"dim": 0}, "dim=0"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        sbm.population_optimum(**{"shares": [0.2, 0.4, 0.4], "connectivity": ALPHA} | change)
    if "tau" in change:
        with pytest.raises(ValueError, match="above 0"):
            sbm.vanishing_share_cosine(0.4, 0.0)


def test_plain_steps_reach_the_optimum():
    problem = sbm.terms([0.2, 0.4, 0.4], ALPHA)
    start = torch.nn.functional.normalize(
        torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), dim=1
    )
    v = sbm.descend(lambda v: problem.slope(v @ v.mT) @ v, start, 3000, 0.5, 0.1)
    assert torch.allclose(v @ v.mT, sbm.population_optimum([0.2, 0.4, 0.4], ALPHA).cosines, atol=1e-3)
