"""lib.strata.coresets: against enumeration, hand-made sequences and numpy."""

from itertools import combinations

import numpy as np
import pytest
import torch

from lib import strata
from lib.strata import coresets


def buckets(counts: torch.Tensor, rows) -> list[int]:
    return sorted(torch.bincount(counts[torch.as_tensor(rows)], minlength=4).tolist(), reverse=True)


def test_no_subset_of_a_class_has_flatter_buckets():
    g = torch.Generator().manual_seed(0)
    for seed in range(5):
        counts, y = torch.randint(0, 4, (16,), generator=g), torch.arange(16) % 2
        for size in (4, 8, 12):
            kept = strata.coreset(counts, y, size, seed).tolist()
            assert len(set(kept)) == size and kept == sorted(kept)
            for code in (0, 1):
                mine = [i for i in range(16) if y[i] == code]
                chosen = [i for i in kept if y[i] == code]
                assert len(chosen) == size // 2
                best = min(buckets(counts, rows) for rows in combinations(mine, size // 2))
                assert buckets(counts, chosen) == best


def test_ties_go_as_stated():
    counts = torch.tensor([0, 0, 3, 3, 1, 1, 1])
    y = torch.zeros(7, dtype=torch.long)
    assert buckets(counts, coresets.coreset(counts, y, 6)) == [2, 2, 2, 0]  # the fullest first
    assert (counts[coresets.coreset(counts, y, 5)] == 3).sum() == 1  # then the easiest of equals
    assert sorted(counts[coresets.coreset(counts, y, 3)].tolist()) == [0, 1, 3]
    assert len({tuple(coresets.coreset(counts, y, 3, seed).tolist()) for seed in range(20)}) > 3
    lopsided = torch.tensor([0, 0, 0, 0, 0, 1])
    found = coresets.coreset(torch.zeros(6, dtype=torch.long), lopsided, 2)
    assert lopsided[found].tolist() == [0, 1]  # a class keeps its last point
    three = torch.tensor([0, 0, 1, 1, 2, 2])
    assert three[coresets.coreset(torch.zeros(6, dtype=torch.long), three, 5)].tolist() == [0, 1, 1, 2, 2]


def test_a_coreset_of_everything_is_everything():
    y = torch.arange(10) % 3
    assert coresets.coreset(y, y, 10).tolist() == list(range(10))


def test_forgetting_is_counted_as_by_hand():
    right = torch.tensor(
        [
            [1, 0, 0, 1, 0],
            [1, 1, 0, 0, 0],
            [1, 0, 0, 1, 0],
            [1, 1, 0, 0, 1],
        ]
    ).bool()
    assert coresets.forgetting_events(right).tolist() == [0, 1, 4, 2, 0]  # the third was never learned
    assert coresets.forgetting_events(torch.stack([right, right])).shape == (2, 5)


def test_el2n_is_the_norm_of_the_error():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), (4, 6))
    y = np.array([0, 1, 2, 0, 1, 2])
    expected = np.mean([[np.linalg.norm(p[k, i] - np.eye(3)[y[i]]) for i in range(6)] for k in range(4)], 0)
    found = coresets.el2n(torch.from_numpy(p), torch.from_numpy(y))
    assert np.abs(found.numpy() - expected).max() < 1e-12
    sure = torch.eye(3)[None]
    assert coresets.el2n(sure, torch.arange(3)).tolist() == [0, 0, 0]
    assert float(coresets.el2n(sure, torch.tensor([1, 0, 2]))[0]) == pytest.approx(2**0.5)


def test_the_highest_scores_stay_and_equals_are_drawn():
    scores = torch.tensor([1, 5, 3, 3, 3, 0])
    for seed in range(5):
        kept = coresets.highest(scores, 3, seed).tolist()
        assert 1 in kept and len(kept) == 3 and set(kept) <= {1, 2, 3, 4}
    assert len({tuple(coresets.highest(scores, 3, seed).tolist()) for seed in range(20)}) == 3


ZEROS = torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: coresets.coreset(ZEROS, torch.arange(4), 5), "size=5"),
        (lambda: coresets.coreset(ZEROS, torch.arange(4), 3), "size=3"),
        (lambda: coresets.coreset(ZEROS - 1, ZEROS, 2), "correct_counts.*-1"),
        (lambda: coresets.coreset(ZEROS.float(), ZEROS, 2), "float32"),
        (lambda: coresets.coreset(ZEROS, ZEROS - 1, 2), "y.*-1"),
        (lambda: coresets.coreset(ZEROS[:3], ZEROS, 2), r"y is int64 .* n = 3"),
        (lambda: coresets.forgetting_events(torch.ones(3, 4)), "float32"),
        (lambda: coresets.forgetting_events(torch.ones(1, 4).bool()), "checks >= 2"),
        (lambda: coresets.el2n(torch.ones(1, 4, 2) / 2, ZEROS + 2), "labels from 2"),
        (lambda: coresets.el2n(torch.ones(1, 4, 2), ZEROS), "probabilities"),
        (lambda: coresets.el2n(torch.ones(4, 2) / 2, ZEROS), "nets"),
        (lambda: coresets.highest(ZEROS, 5), "size=5"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
