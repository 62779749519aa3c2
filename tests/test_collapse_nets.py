"""lib.geometry.collapse_nets: the loss against plain sums,
a stacked net against one alone, training against the optimum.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib import geometry
from lib.geometry import collapse, collapse_nets

SMALL = collapse_nets.Training(width=16, features=5, batch=6, steps=40)


def plain_loss(f, p, q, tau, negatives):
    """Term by term, one network."""
    k, n, _ = f.shape
    total = 0.0
    for c in range(k):
        for i in range(n):
            terms = []
            for j in range(k):
                others = [m for m in range(n) if (j, m) != (c, i)]
                logits = [(f[c, i] @ f[j, m] - f[c, i] @ f[c, i - 1]) / tau for m in others]
                terms.append(np.mean([np.log1p(np.exp(t)) if negatives == 1 else np.exp(t) for t in logits]))
            mean = sum(q[c, j] * terms[j] for j in range(k))
            total += p[c] / n * (mean if negatives == 1 else np.log(mean))
    return total


@pytest.mark.parametrize("law", geometry.LAWS)
@pytest.mark.parametrize("negatives", [1, math.inf])
def test_the_loss_is_its_sums_and_at_collapsed_classes_the_programme(negatives, law):
    problem = geometry.programme([[0.6, 0.3, 0.1]], 0.7, negatives, law)
    generator = torch.Generator().manual_seed(0)
    f = torch.nn.functional.normalize(torch.randn(1, 3, 4, 5, dtype=torch.float64, generator=generator), dim=-1)
    found = collapse_nets.loss(f, problem.p, problem.q, 0.7, negatives)
    assert float(found) == pytest.approx(
        plain_loss(f[0].numpy(), problem.p[0].numpy(), problem.q[0].numpy(), 0.7, negatives)
    )
    collapsed = f[:, :, :1].expand(-1, -1, 4, -1)
    v = f[:, :, 0]
    expected = problem.loss(v @ v.mT)
    assert torch.allclose(collapse_nets.loss(collapsed, problem.p, problem.q, 0.7, negatives), expected, atol=1e-12)


def test_a_stacked_network_is_what_it_would_be_alone():
    x = collapse_nets.gaussians(3, [4, 5], 20).double()
    problem = geometry.programme([[0.8, 0.1, 0.1], [0.4, 0.3, 0.3]], 1.0)
    both, seen = collapse_nets.train(collapse_nets.Pool(x), [4, 5], problem.p, problem.q, 1.0, math.inf, SMALL)
    pool = collapse_nets.Pool(x[1:])
    alone, one = collapse_nets.train(pool, [5], problem.p[1:], problem.q[1:], 1.0, math.inf, SMALL)
    assert torch.allclose(both(x)[1], alone(x[1:])[0], atol=1e-10)
    assert torch.allclose(seen[1], one[0], atol=1e-10) and seen.shape == (2, 4) and (seen[:, -1] < seen[:, 0]).all()


def test_mean_cosines_are_means_over_pairs():
    x = collapse_nets.gaussians(3, [1], 7)
    net, _ = collapse_nets.train(
        collapse_nets.Pool(x),
        [1],
        *(torch.ones(1, 3) / 3, torch.ones(1, 3, 3) / 3),
        1.0,
        math.inf,
        replace(SMALL, steps=1),
    )
    f = net(x)[0]
    all_pairs = torch.einsum("knd,jmd->kjnm", f, f)
    found = net.cosines(x)[0]
    assert float(found[0, 2]) == pytest.approx(float(all_pairs[0, 2].mean()), abs=1e-6)
    off = ~torch.eye(7, dtype=torch.bool)
    assert float(found[1, 1]) == pytest.approx(float(all_pairs[1, 1][off].mean()), abs=1e-6)


def test_training_reaches_the_optimum_on_both_sides_of_the_threshold():
    r = geometry.collapse_threshold(2, 1.0, math.inf)
    ratio = torch.tensor([0.5 * r, 2 * r])
    problem = geometry.programme(collapse.shares(1, 2, ratio), torch.ones(2).double())
    x = collapse_nets.gaussians(3, [0], 60)[[0, 0]]
    settings = collapse_nets.Training(steps=500)
    net, _ = collapse_nets.train(collapse_nets.Pool(x), [0, 0], problem.p, problem.q, 1.0, math.inf, settings)
    least = geometry.optimum(problem.p, 1.0).loss
    left = collapse_nets.excess(net, x, problem, least)
    assert ((left > -1e-5) & (left < 2e-3)).all()
    b = net.cosines(x)[:, 1, 2]
    assert float(b[0]) == pytest.approx(float(collapse.two_level(1, 2, ratio[:1]).b), abs=0.05) and b[1] > 0.98


def test_features_through_a_softplus_are_not_negative():
    x = collapse_nets.gaussians(3, [0], 10)
    settings = replace(SMALL, nonnegative=True)
    p, q = torch.ones(1, 3) / 3, torch.ones(1, 3, 3) / 3
    net, _ = collapse_nets.train(collapse_nets.Pool(x), [0], p, q, 1.0, 1, settings)
    assert (net(x) >= 0).all() and torch.allclose(net(x).norm(dim=-1), torch.ones(1, 3, 10))


def test_data_by_class():
    means = collapse_nets.gaussians(4, [3], 4000, apart=6.0)[0].mean(1)
    assert torch.allclose(torch.cdist(means, means)[~torch.eye(4, dtype=torch.bool)], torch.tensor(6.0), atol=0.1)
    x, y = torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2), torch.tensor([0, 1, 0, 1, 1, 2])
    found = collapse_nets.by_class(x, y, [1, 0])
    assert found.shape == (2, 2, 4)
    assert torch.allclose(found[0, 1] - found[1, 0], torch.full((4,), 12 / 255))  # image 3 against image 0
    with pytest.raises(ValueError, match="has no image"):
        collapse_nets.by_class(x, y, [0, 5])
    with pytest.raises(ValueError, match="classes=17"):
        collapse_nets.gaussians(17, [0], 2)
    with pytest.raises(ValueError, match="negatives=3"):
        collapse_nets.loss(torch.ones(1, 2, 2, 2), torch.ones(1, 2), torch.ones(1, 2, 2), 1.0, 3)
