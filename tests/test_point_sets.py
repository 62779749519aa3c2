"""lib.strata.point_sets: the triplet loss for two points, and right on average over every noise for more."""

from itertools import product

import pytest
import torch

from lib.strata import label_noise, noisy_labels, point_sets

Z = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.tensor([[0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 0, 1]])


def sets(points, most=100):
    return point_sets.drawn(6, points, most, torch.Generator().manual_seed(1))


def test_two_points_are_the_triplet_loss():
    right = torch.tensor([1.0, 0.8], dtype=torch.float64)
    found = point_sets.loss(Z, Y, 0.5, sets(2), right)
    wanted = [
        noisy_labels.triplet(z, y, 0.5, label_noise.debias_weights(p)) for z, y, p in zip(Z, Y, (1.0, 0.8), strict=True)
    ]
    assert torch.allclose(found, torch.stack(wanted))


def test_the_loss_as_labelled_is_its_formula():
    total = 0.0
    f = torch.nn.functional.normalize(Z[0], dim=1)
    s = f @ f.T / 0.5
    for i, a in product(range(6), range(6)):
        if i != a and Y[0, i] == Y[0, a]:
            others = [b for b in range(6) if Y[0, b] != Y[0, i]]
            pairs = [(b, c) for b in others for c in others if b < c]
            total += sum(torch.logsumexp(s[i, [a, b, c]], 0) - s[i, a] for b, c in pairs) / (2 * len(pairs)) / 6
    assert point_sets.loss(Z[:1], Y[:1], 0.5, sets(3), torch.ones(1)).item() == pytest.approx(float(total))


@pytest.mark.parametrize("points", [3, 4])
def test_the_corrected_loss_is_right_on_average_over_every_noise(points):
    p, total = 0.8, 0.0
    clean = point_sets.loss(Z, Y, 0.5, sets(points), torch.ones(2, dtype=torch.float64))
    for flips in product((0, 1), repeat=6):
        noisy = (Y + torch.tensor(flips)) % 2
        chance = p ** (6 - sum(flips)) * (1 - p) ** sum(flips)
        total += chance * point_sets.loss(Z, noisy, 0.5, sets(points), torch.full((2,), p, dtype=torch.float64))
    assert torch.allclose(total, clean, atol=1e-12)


def test_drawn_sets_are_all_or_different_points_and_right_on_average():
    assert len(sets(3)) == 10 and sets(3).unique(dim=0).shape == (10, 3)
    many = point_sets.drawn(12, 4, 300, torch.Generator().manual_seed(1))
    assert many.shape == (300, 4) and all(len(set(row)) == 4 for row in many.tolist()) and int(many.max()) == 10
    some = [point_sets.drawn(6, 3, 9, torch.Generator().manual_seed(i)) for i in range(300)]
    found = torch.stack([point_sets.loss(Z, Y, 0.5, s, torch.ones(2)) for s in some])
    whole = point_sets.loss(Z, Y, 0.5, sets(3), torch.ones(2))
    assert ((found.mean(0) - whole).abs() < 4 * found.std(0) / 300**0.5).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="points=6"):
        point_sets.drawn(6, 6, 10, torch.Generator())
    with pytest.raises(ValueError, match="temperature=0"):
        point_sets.loss(Z, Y, 0, sets(2), torch.ones(2))
    with pytest.raises(ValueError, match="right"):
        point_sets.loss(Z, Y, 0.5, sets(2), torch.ones(3))
