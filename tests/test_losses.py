"""lib.losses against lightly, pytorch-metric-learning, closed forms and the definition written as a loop."""

import math

import lightly.loss as lightly
import pytest
import pytorch_metric_learning.losses as metric
import torch
from torch import Tensor

from lib.losses import nt_xent


def views(n: int, d: int, seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def value_and_gradient(loss, z1, z2) -> tuple[Tensor, ...]:
    value = loss(z1, z2)
    return value.detach(), *torch.autograd.grad(value, (z1, z2))


def by_the_definition(z1: Tensor, z2: Tensor, temperature: float, clamp: float | None) -> Tensor:
    """The double sum over anchors and other views, in plain Python."""
    n, z, terms = len(z1), [*z1, *z2], []
    for i in range(2 * n):
        others = {}
        for m in range(2 * n):
            if m != i:
                s = z[i] @ z[m] / (z[i].norm() * z[m].norm())
                others[m] = torch.tensor(clamp, dtype=s.dtype) if clamp is not None and s < clamp else s
        partner = (i + n) % (2 * n)
        terms.append(-others[partner] / temperature + sum(math.e ** (s / temperature) for s in others.values()).log())
    return sum(terms) / (2 * n)


@pytest.mark.parametrize("n, d", [(2, 3), (16, 8), (64, 128)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
def test_equals_lightly(n, d, temperature):
    z1, z2 = views(n, d, seed=n)
    other = lightly.NTXentLoss(temperature=temperature)
    ours = value_and_gradient(lambda a, b: nt_xent(a, b, temperature), z1, z2)
    for mine, theirs in zip(ours, value_and_gradient(other, z1, z2), strict=True):
        assert (mine - theirs).abs().max() < 1e-10


@pytest.mark.parametrize("n, d", [(2, 3), (16, 8), (64, 128)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
def test_equals_pytorch_metric_learning(n, d, temperature):
    z1, z2 = views(n, d, seed=n + 1)
    other = metric.SelfSupervisedLoss(metric.NTXentLoss(temperature=temperature))
    ours = value_and_gradient(lambda a, b: nt_xent(a, b, temperature), z1, z2)
    for mine, theirs in zip(ours, value_and_gradient(other, z1, z2), strict=True):
        assert (mine - theirs).abs().max() < 1e-10


@pytest.mark.parametrize("clamp", [None, 1e-7, 0.2])
def test_equals_the_definition(clamp):
    z1, z2 = views(5, 4, seed=3)
    ours = value_and_gradient(lambda a, b: nt_xent(a, b, 0.5, clamp), z1, z2)
    for mine, theirs in zip(
        ours, value_and_gradient(lambda a, b: by_the_definition(a, b, 0.5, clamp), z1, z2), strict=True
    ):
        assert (mine - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("n", [1, 2, 8])
@pytest.mark.parametrize("t", [0.1, 0.5, 2.0])
def test_closed_forms_of_orthogonal_images(n, t):
    eye = 3 * torch.eye(n, dtype=torch.float64)  # lengths do not count
    same, opposite = float(nt_xent(eye, eye / 7, t)), float(nt_xent(eye, -eye, t))
    assert same == pytest.approx(math.log1p((2 * n - 2) * math.exp(-1 / t)), abs=1e-12)
    assert opposite == pytest.approx(math.log1p((2 * n - 2) * math.exp(1 / t)), abs=1e-12)


def test_all_views_in_one_point_give_the_log_of_their_number():
    z = torch.ones(6, 4, dtype=torch.float64)
    assert float(nt_xent(z, z)) == pytest.approx(math.log(11), abs=1e-12)


def test_clamped_pairs_at_90_degrees_or_more_give_no_gradient():
    # the corners of a regular simplex: every cosine is -1/7
    corners = (torch.eye(8, dtype=torch.float64) - 1 / 8).requires_grad_()
    free = torch.autograd.grad(nt_xent(corners[:4], corners[4:]), corners)[0]
    held = nt_xent(corners[:4], corners[4:], clamp=1e-7)
    assert torch.autograd.grad(held, corners)[0].abs().max() == 0 and free.abs().max() > 0.01
    assert held.item() == pytest.approx(math.log(7), abs=1e-12)


def test_clamp_does_nothing_where_every_angle_is_below_90_degrees():
    z1, z2 = (v.detach().abs() for v in views(8, 5, seed=4))
    assert nt_xent(z1, z2, clamp=1e-7) == nt_xent(z1, z2)


@pytest.mark.parametrize(
    "a, b, temperature, message",
    [
        ((3, 2), (4, 2), 0.5, r"\(3, 2\), \(4, 2\)"),
        ((3, 2), (3, 4), 0.5, r"\(3, 2\), \(3, 4\)"),
        ((3,), (3,), 0.5, r"\(3,\), \(3,\)"),
        ((0, 2), (0, 2), 0.5, r"\(0, 2\)"),
        ((3, 2), (3, 2), 0.0, "temperature=0.0 must be above 0"),
        ((3, 2), (3, 2), -1.0, "temperature=-1.0 must be above 0"),
        ((3, 2), (3, 2), float("nan"), "temperature=nan must be above 0"),
    ],
)
def test_bad_input_is_named(a, b, temperature, message):
    with pytest.raises(ValueError, match=message):
        nt_xent(torch.zeros(a), torch.zeros(b), temperature)
