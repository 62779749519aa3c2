"""lib.geometry.critics: the bound against known mutual information, critics by their formula, what is trained."""

import math

import pytest
import torch

from lib.geometry import critics
from lib.geometry.critics import CRITICS, Pair, bound
from lib.geometry.perceptrons import Training

SETTINGS = Training(width=16, features=4, batch=32, steps=60, learning_rate=0.01)


def correlated(n, rho, seed=0):
    """Pairs of 2-dimensional normal points; mutual information -log(1 - rho²)."""
    g = torch.Generator().manual_seed(seed)
    x, e = torch.randn(2, n, 2, generator=g)
    return x, rho * x + math.sqrt(1 - rho**2) * e


def test_the_best_critic_stays_below_mutual_information_and_comes_near_with_many_pairs():
    rho = 0.6
    x, y = correlated(2000, rho)
    squares = (y[None] - rho * x[:, None]).square().sum(-1) / (1 - rho**2)
    best = -squares / 2 + y.square().sum(1) / 2  # log of the ratio of densities, up to a constant
    exact = -math.log(1 - rho**2)
    assert exact - 0.1 < float(bound(best[None])) < exact + 0.05
    assert float(bound(torch.zeros(1, 50, 50))) == pytest.approx(0)
    assert float(bound(1e3 * torch.eye(50)[None])) == pytest.approx(math.log(50))


def test_the_scores_of_a_critic_are_its_formula():
    x, y = torch.randn(2, 2, 5, 6)
    for kind in CRITICS:
        pair = Pair.drawn(kind, [0, 1], 6, SETTINGS)
        a, b = pair.encoder(x), pair.encoder(y)
        for i, j in ((0, 3), (2, 2)):
            both = torch.cat([a[:, i], b[:, j]], -1)
            inner = (a[:, i] * b[:, j]).sum(-1)  # a bilinear critic starts as the inner product
            right = pair.critic(both[:, None])[:, 0, 0] if kind == "perceptron" else inner
            assert torch.allclose(pair.scores(x, y)[:, i, j], right, atol=1e-5)
    assert len(Pair.drawn("bilinear", [0], 6, SETTINGS).layers) == 7


@pytest.mark.parametrize("kind", CRITICS)
def test_training_raises_the_bound_on_fresh_pairs(kind):
    pool, fresh = correlated(300, 0.9), correlated(300, 0.9, seed=1)
    found = [
        critics.held(
            critics.train(kind, torch.stack(pool), [3, 4], Training(**vars(SETTINGS) | {"steps": n})), *fresh, 32
        )
        for n in (0, 60)
    ]
    assert (found[1] > found[0] + 0.2).all() and (found[1] < -math.log(1 - 0.81) + 0.2).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="critic 'cosine' is unknown"):
        Pair.drawn("cosine", [0], 6, SETTINGS)
    with pytest.raises(ValueError, match="2 or more of 32 or more points"):
        critics.train("bilinear", torch.randn(2, 20, 6), [0], SETTINGS)
