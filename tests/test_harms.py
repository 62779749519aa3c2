"""lib.harms against the loop over pairs, scikit-learn, hand-made matrices and the published figures."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from sklearn.metrics.pairwise import cosine_similarity
from torch import tensor

from lib import harms

REPORTED = Path(__file__).resolve().parent.parent / "results" / "reported"
LOOK_ALIKES = [("airplane", "ship"), ("automobile", "truck"), ("deer", "horse"), ("cat", "dog")]
CONFIGS = ("simclr_1pct", "simclr_5pct", "simsiam_1pct", "bcl_1pct")
# specs of the reported figures: paired, unpaired and diagonal mean, rows whose minimum is the look-alike
PUBLISHED = dict(
    zip(
        CONFIGS,
        [(0.898, 0.981, 1.074, 5), (0.863, 0.959, 0.974, 5), (0.906, 0.981, 0.949, 6), (0.924, 0.956, 0.999, 5)],
        strict=True,
    )
)


def reported(config: str) -> tuple[torch.Tensor, list[tuple[int, int]]]:
    """The published RH matrix (10, 10) and its eight look-alike cells."""
    with open(REPORTED / f"{config}_RH.csv", encoding="utf-8", newline="") as f:
        head, *rows = csv.reader(f)
    assert head[1:] == [row[0] for row in rows]
    at = head[1:].index
    pairs = [(at(a), at(b)) for p in LOOK_ALIKES for a, b in (p, p[::-1])]
    return tensor([[float(v) for v in row[1:]] for row in rows], dtype=torch.float64), pairs


def labelled(n: int = 60, d: int = 5, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    y = torch.randint(k, (n,), generator=g)
    y[:k] = torch.arange(k)
    return torch.randn(3, n, d, generator=g, dtype=torch.float64) + y[:, None], y


def test_class_cosines_equal_the_loop_over_pairs():
    z, y = labelled()
    ours = harms.class_cosines(z, y, 4)
    assert ours.shape == (3, 4, 4)
    for seed in range(3):
        pairs = cosine_similarity(z[seed].numpy())
        for i in range(4):
            for j in range(4):
                mean = pairs[np.ix_(y == i, y == j)].mean()  # self-pairs included
                assert float(ours[seed, i, j]) == pytest.approx(mean, abs=1e-12)


def test_class_cosines_do_not_see_length_or_order():
    z, y = labelled()
    shuffled = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    lengths = torch.linspace(0.1, 90, len(y), dtype=torch.float64)[:, None]
    same = harms.class_cosines((z * lengths)[:, shuffled], y[shuffled], 4)
    assert torch.allclose(same, harms.class_cosines(z, y, 4), atol=1e-12)


@pytest.mark.parametrize(
    "z, y, message",
    [
        (torch.eye(3), [0, 1, 1], r"every class 0\.\.2 needs a sample; counts \[1, 2, 0\]"),
        (torch.eye(3), [0, 1, 3], r"y is int64.*codes 0\.\.2.*run from 0\.0 to 3\.0"),
        (torch.eye(3) * tensor([1.0, 1.0, 0.0]), [0, 1, 2], "zero or not finite"),
        (torch.eye(3) * tensor([1.0, 1.0, float("nan")]), [0, 1, 2], "zero or not finite"),
        (torch.eye(3) * tensor([1.0, 1.0, float("inf")]), [0, 1, 2], "zero or not finite"),
    ],
)
def test_class_cosines_refuse(z, y, message):
    with pytest.raises(ValueError, match=message):
        harms.class_cosines(z, tensor(y), 3)


def test_representation_harm_by_hand():
    balanced = tensor(
        [[[0.8, 0.2, 0.0], [0.2, 0.6, -1.0], [0.0, -1.0, 0.9]], [[0.6, 0.0, 0.5], [0.0, 0.4, 0.0], [0.5, 0.0, 0.7]]]
    )
    under = tensor(
        [[[0.7, 0.6, 0.0], [0.6, 0.6, -1.0], [0.0, -1.0, 0.8]], [[0.5, 0.4, 0.5], [0.4, 0.5, 0.5], [0.5, 0.5, 0.6]]]
    )
    # 1 - mean cosine: under .4 .5 .75 / .5 .45 1.25 / .75 1.25 .3; balanced .3 .9 .75 / .9 .5 1.5 / .75 1.5 .2
    ratio_of_means = tensor([[4 / 3, 5 / 9, 1], [5 / 9, 0.9, 5 / 6], [1, 5 / 6, 1.5]])
    assert torch.allclose(harms.representation_harm(under, balanced), ratio_of_means, atol=1e-6)
    per_seed = harms.representation_harm(under, balanced, per_seed=True)
    assert per_seed.shape == (2, 3, 3)
    assert torch.allclose(per_seed[0], tensor([[1.5, 0.5, 1], [0.5, 1, 1], [1, 1, 2]]), atol=1e-6)
    assert torch.allclose(per_seed[1], tensor([[1.25, 0.6, 1], [0.6, 5 / 6, 0.5], [1, 0.5, 4 / 3]]), atol=1e-6)


def test_representation_harm_averages_unequal_numbers_of_seeds():
    under, balanced = torch.full((2, 2, 2), 0.5), torch.zeros(5, 2, 2)
    assert torch.equal(harms.representation_harm(under, balanced), torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"cos_balanced.*\(5, 2, 2\).*seeds = 2"):
        harms.representation_harm(under, balanced, per_seed=True)


@pytest.mark.parametrize("a, b", [((2, 3, 3), (2, 4, 4)), ((3, 3), (3, 3)), ((2, 3, 3), (3, 3))])
def test_representation_harm_refuses_shapes(a, b):
    with pytest.raises(ValueError, match=r"cos_\w+ is float32 of shape .*K, K\) of .* cosines is expected"):
        harms.representation_harm(torch.zeros(a), torch.zeros(b))


def test_representation_harm_refuses_a_collapsed_control():
    with pytest.raises(ValueError, match="collapsed"):
        harms.representation_harm(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))


def test_the_same_encoders_do_no_harm():
    z, y = labelled()
    c = harms.class_cosines(z, y, 4)
    assert torch.equal(harms.representation_harm(c, c), torch.ones(4, 4, dtype=torch.float64))


def test_allocation_equals_sklearns_confusion_matrix():
    g = torch.Generator().manual_seed(2)
    true, predicted = torch.randint(5, (3, 200), generator=g), torch.randint(5, (3, 200), generator=g)
    ours = harms.allocation(true, predicted, 5)
    for seed in range(3):
        theirs = confusion_matrix(true[seed], predicted[seed], normalize="true", labels=range(5))
        assert np.abs(ours[seed].numpy() - theirs).max() < 1e-12


@pytest.mark.parametrize(
    "true, predicted, message",
    [([0, 1], [0, 3], r"0\.\.2"), ([0, -1], [0, 1], r"0\.\.2"), ([0, 1], [0, 2], "no true sample")],
)
def test_allocation_refuses(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        harms.allocation(tensor(true), tensor(predicted), 3)


HAND = tensor(
    [[1.5, 0.6, 0.9, 1.0], [0.7, 0.5, 0.8, 0.9], [1.0, 1.1, 0.8, 1.2], [0.4, 0.5, 0.6, 0.2]], dtype=torch.float64
)


def test_helpers_by_hand():
    pairs = [(0, 1), (1, 2), (3, 0)]
    assert float(harms.paired_mean(HAND, pairs)) == pytest.approx((0.6 + 0.8 + 0.4) / 3)
    gaps = [0.6 - (0.9 + 1.0) / 2, 0.8 - (0.7 + 0.9) / 2, 0.4 - (0.5 + 0.6) / 2]
    assert float(harms.pair_gap(HAND, pairs)) == pytest.approx(sum(gaps) / 3)
    assert float(harms.row_minimum_share(HAND, pairs)) == pytest.approx(2 / 3)  # row 1 has its minimum at class 0
    assert float(harms.diagonal_mean(HAND)) == pytest.approx((1.5 + 0.5 + 0.8 + 0.2) / 4)
    milder = HAND + tensor(
        [[9.0, 0.1, -0.1, 0.0], [0.1, -9.0, 0.1, 0.1], [-0.1, -0.1, -9.0, -0.1], [0.1, -0.1, -0.1, 9.0]]
    )
    assert float(harms.dose_share(HAND, milder)) == pytest.approx(5 / 12)  # a tie is not lower; diagonal left out


def test_helpers_take_a_batch_of_seeds():
    pairs, batch = [(0, 1), (3, 0)], torch.stack([HAND, HAND.T, HAND + 1])
    for f in (harms.paired_mean, harms.pair_gap, harms.row_minimum_share):
        assert torch.equal(f(batch, pairs), torch.stack([f(m, pairs) for m in batch]))
    assert torch.equal(harms.diagonal_mean(batch), torch.stack([harms.diagonal_mean(m) for m in batch]))
    assert torch.equal(
        harms.dose_share(batch, batch.flip(0)),
        torch.stack([harms.dose_share(a, b) for a, b in zip(batch, batch.flip(0), strict=True)]),
    )


def test_nearest_classes():
    c = tensor([[1.0, 0.2, 0.5], [0.2, 0.1, 0.1], [0.5, 0.1, 0.9]])
    assert harms.nearest_classes(c) == [(0, 2), (1, 0), (2, 0)]
    other = c.clone()
    other[0, 1] = other[1, 0] = 0.9  # the mean over seeds decides: (0.2 + 0.9) / 2 > 0.5
    assert harms.nearest_classes(torch.stack([c, other])) == [(0, 1), (1, 0), (2, 0)]
    assert float(c[0, 0]) == 1.0, "the input was changed"


@pytest.mark.parametrize("config", CONFIGS)
def test_reported_matrices_give_the_reported_summaries(config):
    rh, pairs = reported(config)
    paired, unpaired, diagonal, rows = PUBLISHED[config]
    assert float(harms.paired_mean(rh, pairs)) == pytest.approx(paired, abs=5.1e-4)
    assert float(harms.diagonal_mean(rh)) == pytest.approx(diagonal, abs=5.1e-4)
    assert Fraction(float(harms.row_minimum_share(rh, pairs))) == Fraction(rows, 8)
    other = [rh[i, j] for i in range(10) for j in range(10) if i != j and (i, j) not in pairs]
    assert float(sum(other) / len(other)) == pytest.approx(unpaired, abs=5.1e-4)
    in_rows = [rh[i, j] for i, _ in pairs for j in range(10) if i != j and (i, j) not in pairs]
    assert float(harms.pair_gap(rh, pairs)) == pytest.approx(
        float(harms.paired_mean(rh, pairs) - sum(in_rows) / 64), abs=1e-12
    )


def test_reported_dose_is_reversed():
    severe, mild = reported("simclr_1pct")[0], reported("simclr_5pct")[0]
    assert float(harms.dose_share(severe, mild)) == pytest.approx(0.17, abs=0.005)


def collapsed(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of one direction, the same with noise of rounding's size, and codes of four classes."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(1, 5, generator=g, dtype=torch.float64).repeat(40, 1)
    z = z * (1 + torch.rand(40, 1, generator=g, dtype=torch.float64))
    return z, z + 1e-8 * torch.randn(40, 5, generator=g, dtype=torch.float64), torch.arange(40) % 4


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_collapsed_control_is_refused_whatever_its_rounding(kind):
    for seed in range(50):
        flat, noisy, y = collapsed(seed)
        under, balanced = (harms.class_cosines(z.to(kind)[None], y, 4) for z in (noisy, flat))
        with pytest.raises(ValueError, match="collapsed"):
            harms.representation_harm(under, balanced)


def test_predictions_in_a_column_are_no_matrix_of_rates():
    y, group = tensor([0, 1, 0, 1]), tensor([0, 0, 1, 1])
    for call in (lambda p: harms.tpr_gap(y, p, group), lambda p: harms.allocation(y, p, 2)):
        with pytest.raises(ValueError, match=r"y_pred is int64 of shape \(4, 1\).* with n = 4"):
            call(y[:, None])


def test_a_row_that_has_a_gap_is_no_minimum():
    rh = HAND.clone()
    rh[1] = torch.nan
    with pytest.raises(ValueError, match="holds NaN"):
        harms.row_minimum_share(rh, [(0, 1), (1, 0)])
    for pairs in ([(0, 0)], [(0, -1)], [(0, 4)], [], [(0, 1, 2)]):
        with pytest.raises(ValueError, match="pairs="):
            harms.paired_mean(HAND, pairs)
