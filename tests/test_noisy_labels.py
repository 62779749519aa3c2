"""lib.strata.noisy_labels: scores and correction against plain loops, the corrected loss by enumerating every noise."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from sklearn.metrics import roc_auc_score

from lib import strata
from lib.strata import noisy_labels as nl
from lib.strata.label_noise import debias_weights


def cloud(n: int = 24, classes: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, 5, generator=g, dtype=torch.float64) + 2 * torch.eye(classes, 5)[y], y


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def looped(z: np.ndarray, y: np.ndarray, average: str) -> list[float]:
    f = [row / np.linalg.norm(row) for row in z]
    found = []
    for i in range(len(y)):
        own = [f[j] for j in range(len(y)) if j != i and y[j] == y[i]]
        near = cosine(f[i], np.mean(own, 0)) if own else 0.0
        far = []
        for c in sorted(set(y.tolist()) - {y[i]}):
            group = [f[j] for j in range(len(y)) if y[j] == c]
            if average == "centres":
                far.append(cosine(f[i], np.mean(group, 0)))
            else:
                far.append(np.mean([cosine(f[i], g) for g in group]))
        found.append(near - np.mean(far))
    return found


def test_noise_is_symmetric_and_of_the_share_asked_for():
    y = torch.arange(40_000) % 5
    noisy = nl.symmetric_noise(y, 0.3, 5, 1)
    wrong = noisy != y
    assert float(wrong.double().mean()) == pytest.approx(0.3, abs=4 * (0.21 / 40_000) ** 0.5)
    steps = torch.bincount((noisy - y)[wrong] % 5, minlength=5).numpy()
    assert steps[0] == 0 and chisquare(steps[1:]).pvalue > 1e-3
    assert torch.equal(noisy, nl.symmetric_noise(y, 0.3, 5, 1)) and not torch.equal(
        noisy, nl.symmetric_noise(y, 0.3, 5, 2)
    )
    assert torch.equal(nl.symmetric_noise(y, 0.0, 5, 1), y)


@pytest.mark.parametrize("average", nl.AVERAGES)
def test_scores_are_those_of_a_plain_loop(average):
    z, y = cloud()
    noisy = nl.symmetric_noise(y, 0.3, 4, 3)
    noisy[noisy == 2] = 1  # a class that no point of the batch has
    noisy[5] = 2  # and then one that a single point has
    found = strata.noise_scores(z, noisy, average)
    assert np.abs(found.numpy() - looped(z.numpy(), noisy.numpy(), average)).max() < 1e-12
    other = cloud(seed=1)[0]
    both = nl.noise_scores(torch.stack([other, z]), torch.stack([y, noisy]), average)
    assert (both[1] - found).abs().max() < 1e-12
    assert (both[0] - nl.noise_scores(other, y, average)).abs().max() < 1e-12


def test_in_batches_every_point_is_scored_once_among_its_own():
    z, y = cloud()
    found = nl.batch_scores(z, y, 7, seed=2)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    for rows in (order[:8], order[8:16], order[16:]):
        assert torch.equal(found[rows], nl.noise_scores(z[rows], y[rows]))
    assert torch.allclose(nl.batch_scores(z, y, 100), nl.noise_scores(z, y))


def test_the_lowest_scores_take_the_label_of_the_nearest_centre():
    z, y = cloud()
    noisy = nl.symmetric_noise(y, 0.3, 4, 3)
    hook = partial(nl.correct, share=0.3)
    found = hook(z, noisy)
    marked = set(np.argsort(looped(z.numpy(), noisy.numpy(), "centres"))[:7].tolist())  # 0.3 of 24 is 7.2
    unit = z / z.norm(dim=1, keepdim=True)
    centres = [unit[noisy == c].mean(0).numpy() for c in range(4)]
    for i in range(24):
        nearest = max(range(4), key=lambda c, i=i: cosine(z[i].numpy(), centres[c]))
        assert int(found[i]) == (nearest if i in marked else int(noisy[i]))
    assert (found != y).sum() < (noisy != y).sum()
    assert torch.equal(hook(torch.stack([z, z]), torch.stack([noisy, noisy]))[1], found)
    assert torch.equal(nl.correct(z, noisy, 0.0), noisy)


def test_the_auc_is_scikit_learns_ties_too():
    g = torch.Generator().manual_seed(0)
    scores, wrong = torch.randint(0, 6, (200,), generator=g) / 2, torch.rand(200, generator=g) < 0.3
    assert nl.detection_auc(scores, wrong) == pytest.approx(roc_auc_score(wrong, -scores), abs=1e-12)
    assert nl.detection_auc(wrong * -1.0, wrong) == 1


def test_the_triplet_loss_is_its_formula():
    z, y = cloud(6, 2)
    s = (z / z.norm(dim=1, keepdim=True)).numpy()
    terms = [
        -np.log(np.exp(s[i] @ s[u] / 0.5) / (np.exp(s[i] @ s[u] / 0.5) + np.exp(s[i] @ s[v] / 0.5)))
        for i, u, v in product(range(6), repeat=3)
        if u != i and y[u] == y[i] and y[v] != y[i]
    ]
    assert float(nl.triplet(z, y, 0.5)) == pytest.approx(np.mean(terms), abs=1e-12)


@pytest.mark.parametrize("p", [0.9, 0.7])
def test_the_corrected_loss_is_right_on_average_over_every_noise(p):
    z, y = cloud(6, 2)
    flips = torch.tensor(list(product((0, 1), repeat=6)))  # (64, 6)
    chance = p ** (6 - flips.sum(1)).double() * (1 - p) ** flips.sum(1).double()
    each = nl.triplet(z.expand(64, -1, -1), (y + flips) % 2, 0.5, debias_weights(p))
    assert float((chance * each).sum()) == pytest.approx(float(nl.triplet(z, y, 0.5)), abs=1e-10)
    plain = (chance * nl.triplet(z.expand(64, -1, -1), (y + flips) % 2, 0.5)).sum()
    assert abs(float(plain - nl.triplet(z, y, 0.5))) > 0.01


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: nl.symmetric_noise(torch.tensor([0, 1]), 1.0, 2, 0), r"share=1.0.*\[0, 1\)"),
        (lambda: nl.symmetric_noise(torch.tensor([0, 1]), -0.1, 2, 0), "share=-0.1"),
        (lambda: nl.symmetric_noise(torch.tensor([0, 3]), 0.1, 3, 0), "labels from 0 to 3"),
        (lambda: nl.symmetric_noise(torch.tensor([0, 0]), 0.1, 1, 0), "classes=1"),
        (lambda: nl.noise_scores(torch.ones(2, 2), torch.tensor([0, -1])), r"y_noisy is int64 .* from -1"),
        (lambda: nl.noise_scores(torch.ones(2, 2), torch.tensor([0.0, 1.0])), "float32"),
        (lambda: nl.noise_scores(torch.ones(2, 2), torch.tensor([1, 1])), "one label"),
        (lambda: nl.noise_scores(torch.ones(3, 2), torch.tensor([0, 1])), r"y_noisy is int64 .* n = 3"),
        (lambda: nl.noise_scores(torch.ones(2, 2), torch.tensor([0, 1]), "median"), "median"),
        (lambda: nl.correct(torch.ones(2, 2), torch.tensor([0, 1]), 1.0), "share=1.0"),
        (lambda: nl.detection_auc(torch.ones(3), torch.zeros(3).bool()), "0 of 3"),
        (lambda: nl.triplet(torch.ones(4, 2), torch.tensor([0, 0, 1, 1]), 0.0), "temperature=0.0"),
        (lambda: nl.triplet(torch.ones(3, 2), torch.tensor([0, 0, 1]), 0.5), "3 points"),
        (lambda: debias_weights(0.5), "0.5"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
