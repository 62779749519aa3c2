"""lib.geometry.discrepancy against Stolarsky's caps, mpmath and points; what the study seeks on the sphere."""

import math

import mpmath
import pytest
import torch

from lib.geometry import discrepancy as d
from lib.studies.shared import sphere


@pytest.mark.parametrize("dim", [1, 2, 3, 8])
def test_the_mean_distance_is_an_integral_over_the_cosine(dim):
    density = 1 if dim == 1 else mpmath.quad(lambda c: (1 - c * c) ** (mpmath.mpf(dim - 3) / 2), [-1, 0, 1])
    if dim == 1:
        exact = 1  # 0 or 2, each with probability 1/2
    else:
        exact = mpmath.quad(lambda c: mpmath.sqrt(2 - 2 * c) * (1 - c * c) ** (mpmath.mpf(dim - 3) / 2), [-1, 0, 1])
    assert d.mean_distance(dim) == pytest.approx(float(exact / density), rel=1e-6)


def drawn(n, dim, seed=0):
    x = torch.randn(n, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=1)


def test_the_energy_distance_is_the_mean_square_error_over_caps():
    """Stolarsky: 4 times the integral over heights of the squared error of a cap, its centre uniform."""
    x, z = drawn(12, 3), drawn(2000, 3, seed=1)
    heights = torch.linspace(-1, 1, 101, dtype=torch.float64)
    share = ((x @ z.T)[..., None] >= heights).double().mean(0)  # (centres, heights)
    error = (share - (1 - heights) / 2).square().mean(0)
    assert d.energy_distance(x) ** 2 == pytest.approx(4 * float(torch.trapezoid(error, heights)), rel=0.03)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_a_polygon_is_the_points_of_one(n):
    turn = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    assert d.of_polygon(n) == pytest.approx(d.energy_distance(torch.stack([turn.cos(), turn.sin()], 1)), abs=1e-7)
    assert d.of_polygon(1000 * n) * 1000 * n == pytest.approx(math.sqrt(math.pi / 3), rel=1e-5)


def test_random_points_have_the_distance_that_is_expected():
    squares = [d.energy_distance(drawn(40, 3, seed)) ** 2 for seed in range(200)]
    assert sum(squares) / 200 == pytest.approx(d.of_random(40, 3) ** 2, rel=0.1)


def test_points_that_are_sought_are_nearer_than_random_ones_and_more_of_them_are_nearer():
    found = sphere.distances(64, 100, range(2))
    assert found.pop("n").tolist() == [16, 64]
    for rows in found.values():
        assert (rows[:, 1] < 0.7 * rows[:, 0]).all() and (rows[:, 1] < 0.6 * d.of_random(64, 3)).all()


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: d.mean_distance(0), "dim=0"),
        (lambda: d.of_polygon(0), "n=0"),
        (lambda: d.of_random(2.5, 3), "n=2.5"),
        (lambda: d.energy_distance(torch.ones(3)), "x is float32"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
