"""Robust training over groups against a plain loop and a saddle point known in closed form."""

import math

import numpy as np
import pytest
import torch

from lib.losses import group_dro


def test_a_training_is_that_of_a_plain_loop():
    """Logistic regression on two features, batches with a group missing now and then, margins; numpy, no torch."""
    rng = np.random.default_rng(0)
    x, y, group = rng.normal(size=(90, 2)), rng.integers(0, 2, 90) * 2 - 1, rng.choice(3, 90, p=[0.8, 0.15, 0.05])
    sizes = np.bincount(group)
    batches = [rng.choice(90, 8, replace=False) for _ in range(30)]
    w, q = np.zeros(2), np.ones(3) / 3
    for batch in batches:
        gradient, loss = np.zeros((3, 2)), np.zeros(3)
        present = []
        for g in range(3):
            mine = [i for i in batch if group[i] == g]
            for i in mine:
                s = y[i] * (x[i] @ w)
                loss[g] += np.log1p(np.exp(-s)) / len(mine)
                gradient[g] += -y[i] * x[i] / (1 + np.exp(s)) / len(mine)
            present += [len(mine) > 0]
        raised = [loss[g] + 2 / np.sqrt(sizes[g]) if present[g] else 0.0 for g in range(3)]
        q = q * np.exp(0.3 * np.array(raised))
        q = q / q.sum()
        w = w - 0.5 * q @ gradient

    t = {"x": torch.tensor(x), "y": torch.tensor(y), "group": torch.tensor(group)}
    weight, p = torch.zeros(2, dtype=torch.float64, requires_grad=True), torch.full((3,), 1 / 3, dtype=torch.float64)
    margin = group_dro.margins(torch.bincount(t["group"]), 2.0)
    for batch in batches:
        b = torch.tensor(batch)
        each = torch.nn.functional.softplus(-t["y"][b] * (t["x"][b] @ weight))
        loss, p = group_dro.group_dro(each, t["group"][b], p, 0.3, margin)
        (gradient,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.5 * gradient).detach().requires_grad_()
    assert np.allclose(weight.detach().numpy(), w, atol=1e-6) and np.allclose(p.numpy(), q, atol=1e-6)


@pytest.mark.parametrize("margin", [(0.0, 0.0), (1.0, 0.0)])
def test_it_finds_the_minimax_point_of_two_parabolas(margin):
    """min over t of max(a (t - 0)^2 + m_1, b (1 - t)^2 + m_2): where both are equal; weights where slopes cancel."""
    a, b = 1.0, 4.0
    difference = margin[0] - margin[1]  # a t^2 - b (1 - t)^2 + difference = 0, the root in [0, 1]
    root = (-b + math.sqrt(b * b - (a - b) * (difference - b))) / (a - b)
    share = b * (1 - root) / (a * root + b * (1 - root))
    t, q = torch.tensor(0.9, dtype=torch.float64, requires_grad=True), torch.full((2,), 0.5, dtype=torch.float64)
    places, weights = [], []
    for i in range(1500):
        each = torch.stack([a * t**2, b * (1 - t) ** 2])
        loss, q = group_dro.group_dro(each, torch.arange(2), q, 0.05, torch.tensor(margin))
        (slope,) = torch.autograd.grad(loss, t)
        t = (t - 0.05 * slope).detach().requires_grad_()
        if i >= 500:
            places.append(t.item())
            weights.append(q[0].item())
    assert np.mean(places) == pytest.approx(root, abs=1e-3) and np.mean(weights) == pytest.approx(share, abs=1e-3)


def test_no_gradient_passes_the_weights_and_large_steps_do_not_overflow():
    each = torch.tensor([1.0, 5.0], requires_grad=True)
    loss, q = group_dro.group_dro(each, torch.arange(2), torch.full((2,), 0.5), 1000.0)
    loss.backward()
    assert torch.equal(q, torch.tensor([0.0, 1.0])) and torch.equal(each.grad, q) and float(loss.detach()) == 5


def test_margins_are_as_written():
    assert group_dro.margins(torch.tensor([4, 100]), 2.0).tolist() == pytest.approx([1.0, 0.2])


def test_even_draws_meet_every_group_equally_often():
    group = torch.tensor([0] * 95 + [2] * 5)
    drawn = torch.cat(group_dro.evenly(group, 100, 40, torch.Generator().manual_seed(0)))
    assert len(drawn) == 4000 and abs(float((group[drawn] == 2).float().mean()) - 0.5) < 4 * 0.5 / 4000**0.5
    counts = torch.bincount(drawn, minlength=100)[95:]
    assert (counts > 300).all()


def test_accuracies_are_shares_of_each_group():
    correct = torch.tensor([[1, 1, 0, 1, 0], [0, 1, 0, 1, 1]]).bool()
    group = torch.tensor([7, 7, 7, 2, 2])
    found = group_dro.accuracies(correct, group)
    assert torch.allclose(found, torch.tensor([[1 / 2, 2 / 3], [1, 1 / 3]], dtype=torch.float64))
    assert torch.allclose(group_dro.worst_group(correct, group), torch.tensor([1 / 2, 1 / 3], dtype=torch.float64))
    assert float(group_dro.average(correct, group, torch.tensor([0.9, 0.1]))[0]) == pytest.approx(0.45 + 0.2 / 3)


def test_bad_input_is_refused_with_the_value():
    q = torch.full((2,), 0.5)
    for call, words in (
        (lambda: group_dro.group_dro(torch.ones(2), torch.tensor([0, 2]), q), r"codes 0\.\.1 .* run from 0\.0 to 2\.0"),
        (lambda: group_dro.group_dro(torch.ones(2), torch.tensor([0, -1]), q), "run from -1.0 to 0.0"),
        (lambda: group_dro.group_dro(torch.ones(2), torch.tensor([0]), q), "group is int64 of shape .* n = 2"),
        (lambda: group_dro.group_dro(torch.ones(0), torch.tensor([]).long(), q), "loss is float32 of shape"),
        (
            lambda: group_dro.group_dro(torch.ones(2), torch.tensor([0, 1]), q, 0.0),
            "step=0.0: a number strictly",
        ),
        (lambda: group_dro.margins(torch.tensor([0, 3]), 1.0), r"sizes=\[0, 3\]"),
        (lambda: group_dro.margins(torch.tensor([2, 3]), -1.0), "adjustment=-1.0"),
        (lambda: group_dro.accuracies(torch.ones(3).bool(), torch.tensor([0, 1])), "one code a point"),
        (lambda: group_dro.worst_group(torch.ones(0).bool(), torch.tensor([]).long()), "one code a point"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_does_not_reach_the_weights(bad):
    with pytest.raises(ValueError, match=r"loss is float32 .* finite"):
        group_dro.group_dro(torch.tensor([1.0, bad]), torch.tensor([0, 1]), torch.full((2,), 0.5))
