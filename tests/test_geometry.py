"""lib.geometry: the programme against enumeration, autograd, scipy; thresholds against exact derivatives; refusals."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate, optimize

from lib import geometry

SHARES = np.array([0.45, 0.3, 0.15, 0.1])
KINDS = [("infonce", 1), ("infonce", 3), ("infonce", math.inf), ("triplet", 1), ("linear", 4), ("exponential", 2)]


def law_of(shares, law):
    """q_kj, term by term."""
    k = len(shares)
    if law == "iid":
        return [list(shares) for _ in range(k)]
    return [[0.0 if j == i else shares[j] / (1 - shares[i]) for j in range(k)] for i in range(k)]


def enumerated(g, shares, tau, negatives, law):
    """The InfoNCE programme by the sum over all tuples of negatives."""
    q, total = law_of(shares, law), 0.0
    for k in range(len(shares)):
        for drawn in itertools.product(range(len(shares)), repeat=negatives):
            chance = math.prod(q[k][j] for j in drawn)
            total += shares[k] * chance * math.log1p(sum(math.exp((g[k][j] - 1) / tau) for j in drawn))
    return total


def some_gram(k, seed=0):
    return torch.corrcoef(torch.randn(k, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives, tau", [(1, 0.5), (2, 0.1), (5, 0.07), (5, 1.0)])
def test_finite_numbers_of_negatives_equal_their_enumeration(law, negatives, tau):
    g = some_gram(4)
    found = float(geometry.programme(SHARES, tau, negatives, law).loss(g))
    assert found == pytest.approx(enumerated(g.numpy(), SHARES, tau, negatives, law), abs=1e-13)


@pytest.mark.parametrize("law", geometry.LAWS)
def test_many_negatives_tend_to_the_limit_and_one_to_the_integral(law):
    g = some_gram(4)
    limit = float(geometry.programme(SHARES, 0.5, math.inf, law).loss(g))
    gaps = [float(geometry.programme(SHARES, 0.5, m, law).loss(g)) - math.log(m) - limit for m in (10**4, 10**6)]
    assert abs(gaps[1]) < 1e-5 and gaps[0] / gaps[1] == pytest.approx(100, rel=0.01)
    two = geometry.programme(SHARES, 0.5, 2, law)
    x, q, total = np.exp((g.numpy() - 1) / 0.5), law_of(SHARES, law), 0.0
    for k in range(4):
        value = integrate.quad(
            lambda s, k=k: math.exp(-s) * (1 - sum(q[k][j] * math.exp(-s * x[k, j]) for j in range(4)) ** 2) / s, 0, 60
        )[0]
        total += SHARES[k] * value
    assert float(two.loss(g)) == pytest.approx(total, abs=1e-8)


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("kind, negatives", KINDS)
def test_slope_and_change_are_the_derivatives(kind, negatives, law):
    problem = geometry.programme(SHARES, 0.4, negatives, law, kind)
    g = (some_gram(4, 1) * 0.7).requires_grad_()
    if kind == "infonce" and math.isinf(negatives):  # autograd of log 0: leave out the anchor's own class by hand
        q = torch.tensor(law_of(SHARES, law))
        loss = (problem.p * (q * ((g - 1) / 0.4).exp()).sum(-1).log()).sum()
    else:
        loss = problem.loss(g)
    assert float(problem.loss(g.detach())) == pytest.approx(float(loss.detach()), abs=1e-12)
    (d,) = torch.autograd.grad(loss, g)
    assert torch.allclose(problem.slope(g.detach()), d + d.mT, atol=1e-11)
    dg = torch.randn(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for direction in dg:
        _, change = torch.autograd.functional.jvp(problem.slope, g.detach(), direction)
        assert torch.allclose(problem.change(g.detach(), dg), problem.change(g.detach(), dg))
        assert torch.allclose(problem.change(g.detach(), direction), change, atol=1e-9)


@pytest.mark.parametrize("kind, negatives", [("infonce", 3), ("exponential", 1), ("triplet", 1)])
def test_the_optimum_is_scipys(kind, negatives):
    problem = geometry.programme(SHARES, 0.5, negatives, "label_aware", kind)
    found = geometry.optimum(SHARES, 0.5, negatives, "label_aware", kind)

    def loss(flat):
        v = torch.nn.functional.normalize(torch.tensor(flat.reshape(4, 4)), dim=1)
        return float(problem.loss(v @ v.mT))

    generator = np.random.default_rng(0)
    best = min(optimize.minimize(loss, generator.normal(size=16), method="L-BFGS-B").fun for _ in range(3))
    assert found.certificate.converged and -1e-8 < best - float(found.loss) < 1e-5


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives", [1, 7, math.inf])
def test_equal_shares_give_the_simplex(law, negatives):
    for k in (2, 3, 5):
        g = geometry.optimal_gram([1 / k] * k, 0.5, negatives, law)
        off = g[~torch.eye(k, dtype=torch.bool)]
        assert g.shape == (k, k) and (off + 1 / (k - 1)).abs().max() < 1e-6


def test_two_classes_are_antipodal_and_a_grid_equals_its_points():
    shares = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.99, 0.01]], dtype=torch.float64)
    grid = geometry.optimum(shares[:, None], [0.2, 1.0], 4, "iid")
    assert grid.cosines.shape == (3, 2, 2, 2) and (grid.cosines[..., 0, 1] + 1).abs().max() < 1e-9
    one = geometry.optimum(shares[1], 0.2, 4, "iid")
    assert float(one.loss) == pytest.approx(float(grid.loss[1, 0]), abs=1e-12)


def test_a_wrong_point_is_not_certified():
    problem = geometry.programme([[0.4, 0.3, 0.3]], 0.5, 1)
    from lib.geometry.newton import certify

    together = torch.ones(1, 3, 1, dtype=torch.float64) * torch.eye(1, 3, dtype=torch.float64)
    found = certify(problem, together)
    truth = float(
        problem.loss(torch.ones(1, 3, 3, dtype=torch.float64)) - geometry.optimum([0.4, 0.3, 0.3], 0.5, 1).loss
    )
    assert float(found.gradient) < 1e-12 and not found.converged and 0 < truth <= float(found.gap)


def exact_threshold(b, tau, negatives, law):
    """R* as the root of the derivative along c(b) at b = 1, by mpmath's numerical differentiation of exact sums."""
    tau = mpmath.mpf(tau)

    def psi(values, weights):  # E log(1 + Σ) over M draws of a law with few values, or the limit of many
        if math.isinf(negatives):
            return mpmath.log(sum(w * mpmath.exp(v / tau) for v, w in zip(values, weights, strict=True)))
        total = mpmath.mpf(0)
        for n in itertools.product(range(negatives + 1), repeat=len(values)):
            if sum(n) != negatives:
                continue
            ways = mpmath.factorial(negatives) / mpmath.fprod(mpmath.factorial(i) for i in n)
            chance = ways * mpmath.fprod(w**i for w, i in zip(weights, n, strict=True))
            total += chance * mpmath.log(1 + sum(i * mpmath.exp(v / tau) for v, i in zip(values, n, strict=True)))
        return total

    def derivative(log_r):
        r = mpmath.exp(log_r)

        def loss(x):
            c = -mpmath.sqrt((1 + (b - 1) * x) / b)
            if law == "iid":
                large = psi([0, c - 1], [r / (r + b), b / (r + b)])
                small = psi([0, x - 1, c - 1], [1 / (r + b), (b - 1) / (r + b), r / (r + b)])
            else:
                large = psi([c - 1], [mpmath.mpf(1)])
                small = psi([x - 1, c - 1], [(b - 1) / (r + b - 1), r / (r + b - 1)])
            return r * large + b * small

        return mpmath.diff(loss, 1) / r

    with mpmath.workdps(30):
        start = mpmath.log(geometry.collapse_threshold(b, float(tau), negatives, law))
        return float(mpmath.exp(mpmath.findroot(derivative, (start * 0.98, start * 1.02), solver="secant", tol=1e-16)))


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives", [1, 2, 6, math.inf])
@pytest.mark.parametrize("b, tau", [(2, 1.0), (5, 0.5), (9, 0.25)])
def test_thresholds_are_the_roots_of_the_exact_derivative(b, tau, negatives, law):
    assert geometry.collapse_threshold(b, tau, negatives, law) == pytest.approx(
        exact_threshold(b, tau, negatives, law), rel=1e-8
    )


def test_thresholds_of_other_losses_and_their_ends():
    for law in geometry.LAWS:
        assert geometry.collapse_threshold(3, 0.5, 1, law, "triplet") == math.inf
        assert geometry.collapse_threshold(4, 0.5, 9, law, "linear") == geometry.collapse_threshold(
            4, 2, 1, law, "linear"
        )
        many = geometry.collapse_threshold(4, 0.5, 10**6, law)
        assert many == pytest.approx(geometry.collapse_threshold(4, 0.5, math.inf, law), rel=1e-3)
    r = geometry.collapse_threshold(3, 0.5, 1, "label_aware", "exponential")
    assert r * (r + 5) * math.exp(-4) == pytest.approx(18)
    assert geometry.collapse_threshold(9, 1.0, math.inf, "iid") == pytest.approx(109, abs=0.5)
    assert geometry.collapse_threshold(9, 0.5, math.inf, "label_aware") == pytest.approx(19.0, abs=0.05)


@pytest.mark.parametrize("loss", ["linear", "exponential"])
def test_other_losses_collapse_at_their_thresholds(loss):
    for law in geometry.LAWS:
        r = geometry.collapse_threshold(3, 1.0, 1, law, loss)
        shares = torch.tensor([[f * r, 1, 1, 1] for f in (0.95, 1.05)], dtype=torch.float64)
        b = geometry.optimal_gram(shares / shares.sum(-1, keepdim=True), 1.0, 1, law, loss)[:, 1, 2]
        assert b[0] < 0.99 and b[1] > 1 - 1e-6


@pytest.mark.parametrize(
    "change, message",
    [
        ({"shares": [0.5, 0.4, 0.2]}, "sum to 1"),
        ({"shares": [0.0, 0.5, 0.5]}, "must be positive"),
        ({"shares": [1.0]}, "at least two classes"),
        ({"tau": 0.0}, "tau=0.0 must be positive"),
        ({"negatives": 0}, "negatives=0"),
        ({"negatives": 1.5}, "negatives=1.5"),
        ({"law": "sup"}, "law='sup' is unknown; known are label_aware"),
        ({"loss": "hinge"}, "loss='hinge' is unknown"),
        ({"dim": 0}, "dim=0"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        geometry.optimum(**{"shares": [0.2, 0.4, 0.4], "tau": 0.5} | change)
    if not change.keys() & {"shares", "dim"}:
        with pytest.raises(ValueError, match=message):
            geometry.collapse_threshold(**{"minorities": 3, "tau": 0.5, "negatives": 1} | change)


def test_one_minority_has_no_threshold_and_no_certificate_is_an_error(monkeypatch):
    with pytest.raises(ValueError, match="minorities=1"):
        geometry.collapse_threshold(1, 0.5, 1)
    monkeypatch.setattr("lib.geometry.newton.GAP", -1.0)
    with pytest.raises(RuntimeError, match="certified only to"):
        geometry.optimal_gram([0.5, 0.5])
