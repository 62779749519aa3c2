"""lib.strata.collapse against automatic differentiation, enumeration of batches and limits known by hand."""

import itertools
import math

import pytest
import torch

from lib.geometry.free_vectors import Objective, simplex, stability_root
from lib.losses.supervised import attract, repel
from lib.strata.collapse import clamped_alpha, collapse_alpha, collapse_alpha_of_batches, positive_share

SETTINGS = [
    (2, 4, 0.5, 2),
    (2, 6, 0.3, 3),
    (3, 3, 0.5, 3),
    (3, 4, 1.0, 5),
    (4, 3, 0.5, 4),
    (4, 2, 0.8, 5),
    (5, 2, 0.4, 5),
]


@pytest.mark.parametrize("classes, n, tau, dim", SETTINGS)
def test_the_finite_form_is_where_the_exact_hessian_changes_sign(classes, n, tau, dim):
    star = float(collapse_alpha(classes, 2 * n * (classes - 1), tau, n))
    assert stability_root(Objective.of(tau), classes, n, dim) == pytest.approx(star, rel=1e-7)


@pytest.mark.parametrize("classes, n, tau", [(3, 3, 0.5), (4, 3, 0.5)])
def test_the_form_without_room_beside_the_simplex(classes, n, tau):
    star = float(collapse_alpha(classes, 2 * n * (classes - 1), tau, n, dimension=classes - 1))
    assert star < float(collapse_alpha(classes, 2 * n * (classes - 1), tau, n)) - 0.05
    assert stability_root(Objective.of(tau), classes, n, classes - 1) == pytest.approx(star, rel=1e-7)


def test_one_view_is_the_large_sample_form_at_any_size():
    root = stability_root(Objective.of(0.5, views=1), 3, 3, 3)
    assert root == pytest.approx(float(collapse_alpha(3, 6, 0.5)), rel=1e-7)


@pytest.mark.parametrize("classes, n, tau, dim", [(4, 4, 0.7, 5), (3, 5, 0.9, 3), (2, 3, 0.5, 2)])
def test_the_clamped_form(classes, n, tau, dim):
    star = float(clamped_alpha(classes, 2 * n * (classes - 1), tau, n))
    plain = float(collapse_alpha(classes, 2 * n * (classes - 1), tau, n))
    root = stability_root(Objective.of(tau, clamp=1.0), classes, n, dim)
    assert root == pytest.approx(star, rel=1e-7)
    assert star == pytest.approx(plain / (1 - plain)) if math.isfinite(star) else plain > 0.5


def _expected_loss_hessian(alpha: float, batch: int, tau: float) -> torch.Tensor:
    """Of the loss averaged over all batches of i.i.d. draws from 2 classes of 2 images, at the collapse, in 2-d."""
    classes = torch.tensor([0, 0, 1, 1])
    v = simplex(2, 2)[classes]
    turn = torch.stack([-v[:, 1], v[:, 0]], 1)

    def mean_loss(u):
        total = 0.0
        for rows in itertools.product(range(4), repeat=batch):
            rows = torch.tensor(rows)
            z = torch.nn.functional.normalize(v + u[:, None] * turn, dim=1)[rows]
            y = classes[rows]
            alone = alpha * attract(z, z, y, tau) if (y != y[0]).any() else z.sum() * 0
            total = total + alone + (1 - alpha) * repel(z, z, y, tau)
        return total / 4**batch

    return torch.autograd.functional.hessian(mean_loss, torch.zeros(4, dtype=torch.float64))


def test_random_batches_by_enumeration():
    star = collapse_alpha_of_batches(2, 2, 0.7)
    below, above = (torch.linalg.eigvalsh(_expected_loss_hessian(star + d, 2, 0.7))[0] for d in (-0.01, 0.01))
    assert below < -1e-4
    assert above > -1e-9


def test_random_batches_tend_to_the_large_sample_form():
    wide = float(collapse_alpha(2, 2**15, 0.5))
    assert collapse_alpha_of_batches(2, 2**15, 0.5) == pytest.approx(wide, rel=1e-3)


def test_limits_and_the_half():
    assert float(collapse_alpha(2, 1e12, 0.5)) == pytest.approx(1 / 3, abs=1e-9)
    assert float(collapse_alpha(10, 1e12, 0.5)) == pytest.approx(9 / 19, abs=1e-9)
    assert float(collapse_alpha(2, 1, 0.01)) == pytest.approx(1.0)
    edge = 3 * math.exp(4 / (3 * 0.5))  # w = 1/K
    assert float(positive_share(4, edge, 0.5)) == pytest.approx(0.25)
    assert float(collapse_alpha(4, edge, 0.5)) == pytest.approx(0.5)


def test_large_n_form_is_off_by_more_than_three_percent_at_small_n():
    assert float(collapse_alpha(2, 4, 5.0, 2) / collapse_alpha(2, 4, 5.0)) > 1.03
    assert collapse_alpha(5, torch.tensor([16.0, 32.0]), 1.0).shape == (2,)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((1, 8, 0.5), "classes=1"),
        ((2.5, 8, 0.5), "classes=2.5"),
        ((2, 0, 0.5), "negatives=0"),
        ((2, float("nan"), 0.5), "negatives"),
        ((2, 8, 0.0), "temperature=0.0"),
        ((2, 8, -1.0), "temperature=-1.0"),
        ((2, 8, 0.5, 1), "per_class=1"),
        ((4, 8, 0.5, None, 2), "dimension=2"),
        ((2, 8, 0.5, None, 1), "dimension=1"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        collapse_alpha(*arguments)


def test_bad_input_of_the_relatives():
    with pytest.raises(ValueError, match="below 1"):
        clamped_alpha(2, 8, 1.0)
    with pytest.raises(ValueError, match="batch=1"):
        collapse_alpha_of_batches(2, 1, 0.5)
