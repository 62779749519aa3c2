"""Recovered groups against the true ones: enumeration, pair counting, and what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, f1_score

from lib.strata import matching


def by_permutation(groups, truth):
    """Mean F1 of the best matching, by enumeration, with scikit-learn's F1."""
    s, g = truth.unique().tolist(), groups.unique().tolist()
    g = g + [-1 - i for i in range(max(0, len(s) - len(g)))]
    best = 0.0
    for chosen in itertools.permutations(g, len(s)):
        each = [f1_score(truth == a, groups == b, zero_division=0) for a, b in zip(s, chosen, strict=True)]
        best = max(best, float(np.mean(each)))
    return best


@pytest.mark.parametrize(("strata", "clusters"), [(3, 3), (2, 4), (4, 2), (3, 1)])
def test_the_matching_is_the_best_of_all(strata, clusters):
    generator = torch.Generator().manual_seed(strata * 10 + clusters)
    truth = torch.randint(strata, (60,), generator=generator) * 2  # codes need not be dense
    groups = torch.randint(clusters, (60,), generator=generator) + 3
    assert matching.matched_f1(groups, truth) == pytest.approx(by_permutation(groups, truth), abs=1e-12)
    cluster, f1 = matching.match(groups, truth)
    assert (cluster == -1).sum() == max(0, strata - clusters) and (f1[cluster == -1] == 0).all()


def test_the_adjusted_rand_index_counts_pairs():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(3, (40,), generator=generator), torch.randint(4, (40,), generator=generator)
    pairs = list(itertools.combinations(range(40), 2))
    same_a, same_b = ([bool(c[i] == c[j]) for i, j in pairs] for c in (a, b))
    both = sum(x and y for x, y in zip(same_a, same_b, strict=True))
    expected = sum(same_a) * sum(same_b) / len(pairs)
    index = (both - expected) / ((sum(same_a) + sum(same_b)) / 2 - expected)
    assert matching.adjusted_rand(a, b) == pytest.approx(index, abs=1e-12) == adjusted_rand_score(b, a)


def test_chance_keeps_classes_and_sizes():
    """Two classes of two equal groups: 4 of the 20 halves of 6 points agree fully or not at all, by enumeration."""
    y, truth = torch.arange(2).repeat_interleave(6), torch.tensor([0, 0, 0, 1, 1, 1] + [2] * 6)
    groups = torch.tensor([0, 0, 0, 1, 1, 1] + [2] * 6)
    each = {k: 1.0 for k in (0, 3)} | {k: 2 / 3 for k in (1, 2)}  # F1 of a half that shares k points, better way round
    weight = {k: math.comb(3, k) ** 2 / 20 for k in range(4)}
    expected = (2 * sum(each[k] * weight[k] for k in weight) + 1) / 3
    found = matching.chance_f1(groups, truth, y, draws=600)
    assert abs(float(found.mean()) - expected) < 4 * float(found.std()) / 600**0.5
    assert matching.matched_f1(groups, truth) == 1


def test_codes_that_mean_nothing_are_refused():
    for groups, truth, words in (
        (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), "one code of each"),
        (torch.tensor([0, -1]), torch.tensor([0, 1]), "groups needs int64 codes from 0 on"),
        (torch.tensor([0, 1]), torch.tensor([0.0, 1.0]), "truth needs int64"),
        (torch.tensor([0, 1]), torch.tensor([0]), "one code of each"),
    ):
        with pytest.raises(ValueError, match=words):
            matching.matched_f1(groups, truth)
