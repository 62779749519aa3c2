"""lib.geometry.uniformity against mpmath, Monte Carlo, enumeration, scipy's integration and the definition."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate

from lib.geometry import uniformity as u
from lib.losses.self_supervised import alignment, uniformity


@pytest.mark.parametrize("t", [0.01, 2, 100])
@pytest.mark.parametrize("dim", [1, 2, 3, 8, 128, 512, 10**6])
def test_the_sphere_is_mpmaths(dim, t):
    with mpmath.workdps(40):
        exact = mpmath.log(mpmath.hyp0f1(mpmath.mpf(dim) / 2, mpmath.mpf(t) ** 2)) - 2 * mpmath.mpf(t)
    assert u.uniformity_of_sphere(dim, t) == pytest.approx(float(exact), abs=1e-11)


@pytest.mark.parametrize("dim", [2, 5, 40])
def test_the_sphere_is_what_random_points_give(dim):
    x = torch.randn(4000, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(dim))
    x = torch.nn.functional.normalize(x, dim=1)
    for t in (0.5, 2.0):
        assert u.uniformity_of_sphere(dim, t) == pytest.approx(float(uniformity(x, t)), abs=2e-3)


def test_two_points_are_the_sphere_of_one_dimension():
    assert u.uniformity_of_sphere(1, 0.7) == pytest.approx(math.log((1 + math.exp(-4 * 0.7)) / 2), abs=1e-14)


def corners(n: int) -> torch.Tensor:
    """A regular simplex: n unit vectors of R^n."""
    return torch.nn.functional.normalize(torch.eye(n, dtype=torch.float64) - 1 / n, dim=1)


@pytest.mark.parametrize("n, t", [(2, 1.0), (5, 2.0), (64, 3.0)])
def test_the_simplex_is_the_measure_of_its_corners(n, t):
    assert u.uniformity_of_simplex(n, t) == pytest.approx(float(uniformity(corners(n), t)), abs=1e-10)


@pytest.mark.parametrize("per_class", [1, 2, 30])
def test_collapsed_classes_are_the_measure_of_repeated_corners(per_class):
    points = corners(10).repeat_interleave(per_class, 0)
    assert u.uniformity_of_classes(10, 2.0, per_class) == pytest.approx(float(uniformity(points, 2.0)), abs=1e-9)


def test_many_points_a_class_tend_to_the_published_value():
    assert u.uniformity_of_classes(10) == pytest.approx(math.log(0.1 + 0.9 * math.exp(-40 / 9)), abs=1e-12)
    assert u.uniformity_of_classes(10, 2.0, 10**7) == pytest.approx(u.uniformity_of_classes(10), abs=1e-5)


@pytest.mark.parametrize("n, t", [(1, 2.0), (4, 2.0), (10, 2.0), (10, 32.0), (3, 0.1)])
def test_spikes_by_enumeration_and_their_gap_in_high_precision(n, t):
    points = [complex(math.cos(2 * math.pi * k / n), math.sin(2 * math.pi * k / n)) for k in range(n)]
    mean = np.mean([math.exp(-t * abs(a - b) ** 2) for a in points for b in points])
    assert u.uniformity_of_spikes(n, t) == pytest.approx(math.log(mean), abs=1e-12)
    with mpmath.workdps(50):
        terms = [mpmath.exp(-2 * t * (1 - mpmath.cos(2 * mpmath.pi * k / n))) for k in range(n)]
        exact = mpmath.log(sum(terms) / n) - mpmath.log(mpmath.besseli(0, 2 * t)) + 2 * t
    assert u.spikes_gap(n, t) == pytest.approx(float(exact), rel=1e-10)


def test_no_measure_below_the_spikes_of_many():
    assert 0 < u.spikes_gap(40, 2.0) < 1e-30


@pytest.mark.parametrize("values", [(0.3, 2.0), (0.1, 1.0, 7.0)])
@pytest.mark.parametrize("extra, m", [(0.0, 1), (1.5, 4), (20.0, 6)])
def test_the_mean_of_the_logarithm_by_enumeration(values, extra, m):
    weights = np.arange(1, len(values) + 1) / sum(range(1, len(values) + 1))
    exact = sum(
        math.prod(weights[i] for i in chosen) * math.log((extra + sum(values[i] for i in chosen)) / m)
        for chosen in itertools.product(range(len(values)), repeat=m)
    )
    assert u.mean_log_sum(values, weights, extra, m) == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("dim, tau", [(2, 0.5), (3, 0.2), (16, 0.5)])
def test_one_negative_by_scipys_integration(dim, tau):
    def over(f) -> float:
        return integrate.quad(lambda a: f(math.cos(a)) * math.sin(a) ** (dim - 2), 0, math.pi)[0]

    mean = over(lambda c: math.log(math.exp(0.4 / tau) + math.exp(c / tau))) / over(lambda c: 1.0)
    assert u.contrastive(dim, tau, 1, 0.4) == pytest.approx(mean - 0.4 / tau, abs=1e-9)


@pytest.mark.parametrize("dim, tau, positive", [(2, 0.5, 1.0), (8, 0.5, 0.3), (128, 1.0, 1.0)])
def test_the_limit_and_the_constant_of_its_rate(dim, tau, positive):
    gap = [u.contrastive(dim, tau, m, positive) - u.limit(dim, tau, positive) for m in (10**5, 10**6)]
    assert abs(gap[1]) < 1e-4
    extrapolated = (10**12 * gap[1] - 10**10 * gap[0]) / (10**6 - 10**5)  # removes the next order, 1 / M^2
    assert u.first_order(dim, tau, positive) == pytest.approx(extrapolated, rel=1e-3)


def test_the_measured_gap_is_the_exact_one_of_each_anchor():
    x, y = (
        torch.nn.functional.normalize(torch.randn(7, 3, dtype=torch.float64, generator=g), dim=1)
        for g in map(torch.Generator().manual_seed, (1, 2))
    )
    gap, off = u.measured(x, y, 0.5, [4, 16, 64], draws=20_000)
    for m, value in zip((4, 16, 64), gap, strict=True):
        e = (y @ x.T / 0.5).exp().numpy()
        exact = [u.mean_log_sum(row, np.full(7, 1 / 7), row[i], m) - math.log(row.mean()) for i, row in enumerate(e)]
        assert float(value) == pytest.approx(np.mean(exact), rel=0.02)
    assert off[0] > off[1] > off[2] > gap.abs()[2]


@pytest.mark.parametrize("rho, t", [(0.0, 2.0), (0.6, 2.0), (0.3, 5.0)])
def test_collapse_turns_unstable_at_the_threshold(rho, t):
    g = torch.Generator().manual_seed(0)
    first, other = torch.randn(2, 1500, dtype=torch.float64, generator=g)
    first, other = (v - v.mean() for v in (first, other))
    other = other - first * (first @ other) / (first @ first)  # exactly uncorrelated
    angles = 1e-3 * first, 1e-3 * (rho * first + (1 - rho**2) ** 0.5 * other * first.norm() / other.norm())
    x, y = (torch.stack([a.cos(), a.sin()], 1) for a in angles)
    for factor in (0.98, 1.02):
        w = factor * u.stable_share(rho, t)
        loss = (1 - w) * float(alignment(x, y)) + w * float(uniformity(x, t) + uniformity(y, t)) / 2
        assert (loss > 0) == (factor < 1)  # collapsed features have loss 0


def test_the_linear_correlation_is_the_largest_of_mixed_signals():
    g = torch.Generator().manual_seed(0)
    signal, *noise = torch.randn(3, 40_000, 3, dtype=torch.float64, generator=g)
    strength = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    mix = torch.randn(3, 3, dtype=torch.float64, generator=g)
    x, y = ((strength * signal + e) @ mix for e in noise)
    assert u.linear_correlation(x, y) == pytest.approx(4 / 5, abs=0.01)
    assert u.linear_correlation(x, x) == pytest.approx(1, abs=1e-4)
    assert abs(u.linear_correlation(noise[0], noise[1])) < 0.02


def test_between_is_its_definition():
    x, y = corners(4)[:3], -corners(4)
    mean = np.mean([math.exp(-1.5 * float(((a - b) ** 2).sum())) for a in x for b in y])
    assert float(u.between(x, y, 1.5)) == pytest.approx(math.log(mean), abs=1e-10)


@pytest.mark.parametrize("n, dim", [(2, 3), (5, 4), (9, 16)])
def test_the_best_few_points_are_a_simplex(n, dim):
    found = u.optimal_points(n, dim)
    assert found.certificate.converged and abs(float(found.certificate.gap)) < 1e-9
    cosines = found.cosines[~torch.eye(n, dtype=torch.bool)]
    assert float((cosines + 1 / (n - 1)).abs().max()) < 1e-4


def test_the_best_points_of_the_circle_are_evenly_spaced_and_a_short_search_says_so():
    n = 12
    turn = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    even = torch.stack([turn.cos(), turn.sin()], 1)
    assert float(u.optimal_points(n, 2).loss) == pytest.approx(float(uniformity(even)), abs=1e-8)
    assert not u.optimal_points(n, 2, steps=2).certificate.converged


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: u.uniformity_of_sphere(0), "dim=0"),
        (lambda: u.uniformity_of_sphere(3, 0), "t=0"),
        (lambda: u.uniformity_of_sphere(3, -1), "t=-1"),
        (lambda: u.uniformity_of_simplex(1), "n=1"),
        (lambda: u.uniformity_of_classes(10, 2, 0), "per_class=0"),
        (lambda: u.uniformity_of_spikes(2.5), "n=2.5"),
        (lambda: u.limit(3, 0), "tau=0"),
        (lambda: u.stable_share(0.5, 0), "t=0"),
        (lambda: u.stable_share(1.5), "correlation=1.5"),
        (lambda: u.limit(3, 1, 2), "positive=2"),
        (lambda: u.contrastive(1, 0.5, 8), "dim=1"),
        (lambda: u.contrastive(3, 0.5, 0), "m=0"),
        (lambda: u.mean_log_sum([1.0, 2.0], [0.5, 0.6], 0, 3), "weights sum"),
        (lambda: u.mean_log_sum([-1.0, 2.0], [0.5, 0.5], 0, 3), "above 0"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
